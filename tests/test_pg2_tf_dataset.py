"""Reading a split: what was built comes back, and damage is named."""

import json
import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf
from conftest import build_people

from pg2_tf.data import dataset
from pg2_tf.data.dataset import read_split
from preprocessing.images import image_files as images
from preprocessing.images.heatmaps import draw_mask
from preprocessing.sources import synthetic
from preprocessing.system.errors import InputError


@pytest.fixture
def broken_dir(people_dir, tmp_path):
    """A copy of the people, to be damaged."""
    return shutil.copytree(people_dir, tmp_path / "data")


def read(data_dir, split="train", image_size=(32, 32)):
    return read_split(data_dir, split, image_size=image_size)


def shard_of(data_dir, split="train", number=0):
    manifest = json.loads((data_dir / "manifest.json").read_text())
    return manifest["splits"][split]["shards"][number]


def change_manifest(data_dir, change):
    path = data_dir / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def record_starts(content):
    """Returns where each record of a TFRecord file starts."""
    starts, place = [], 0
    while place < len(content):
        starts.append(place)
        length = int.from_bytes(content[place : place + 8], "little")
        place += 8 + 4 + length + 4
    return starts


def test_split_holds_what_was_built(people_dir):
    drawn = {
        sample.name: sample
        for sample in synthetic.samples(
            identities=6, images_per_identity=3, size=(32, 32), seed=1
        )
    }
    seen = set()
    for name in ("train", "test"):
        split = read(people_dir, name)
        assert split.image_size == (32, 32)
        assert not seen & set(split.names)
        seen |= set(split.names)
        assert split.keypoints.dtype == np.float32
        for index, image_name in enumerate(split.names):
            sample = drawn[image_name]
            assert split.identities[index] == sample.identity
            assert split.images[index] == sample.read()
            np.testing.assert_array_equal(split.keypoints[index], sample.pose)
            mask = np.unpackbits(split.masks[index], count=1024).reshape(32, 32)
            np.testing.assert_array_equal(mask, draw_mask(sample.pose, size=(32, 32)))
            assert mask.any()
    assert seen == set(drawn)


def test_pairs_are_all_ordered_pairs_of_an_identity_over_all_shards(people_dir):
    split = read(people_dir)
    assert len(json.loads((people_dir / "manifest.json").read_text())["splits"]) == 2
    expected = {
        (a, b)
        for a in range(len(split.names))
        for b in range(len(split.names))
        if a != b and split.identities[a] == split.identities[b]
    }
    assert len(expected) == len(split.pairs)
    assert set(map(tuple, split.pairs.tolist())) == expected


def test_masks_survive_where_their_pixels_do_not_fill_the_last_byte(tmp_path):
    # 36x36 pixels are 162 bytes; 34x35 would leave bits over, and so must not matter.
    data = build_people(tmp_path / "odd", size=(34, 35), identities=3)
    split = read(data, image_size=(34, 35))
    for packed, pose in zip(split.masks, split.keypoints, strict=True):
        mask = np.unpackbits(packed, count=34 * 35).reshape(34, 35)
        np.testing.assert_array_equal(mask, draw_mask(pose, size=(34, 35)))


@pytest.mark.parametrize("number", [0, 2])
def test_flipped_byte_is_reported_with_file_and_record(broken_dir, number):
    path = broken_dir / shard_of(broken_dir)["file"]
    content = bytearray(path.read_bytes())
    content[record_starts(content)[number] + 60] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{path.name}: damaged at record {number}\b"):
        read(broken_dir)


def test_truncated_shard_is_reported_with_file_and_record(broken_dir):
    path = broken_dir / shard_of(broken_dir)["file"]
    content = path.read_bytes()
    path.write_bytes(content[: record_starts(content)[3] + 100])
    with pytest.raises(InputError, match=rf"{path.name}: damaged at record 3\b"):
        read(broken_dir)


def test_shard_that_lost_whole_records_is_reported(broken_dir):
    entry = shard_of(broken_dir)
    path = broken_dir / entry["file"]
    content = path.read_bytes()
    path.write_bytes(content[: record_starts(content)[3]])
    message = rf"{path.name}: 3 records, the manifest says {entry['images']}"
    with pytest.raises(InputError, match=message):
        read(broken_dir)


@pytest.mark.parametrize("number", [0, -1])
def test_shard_with_records_too_many_is_reported(broken_dir, monkeypatch, number):
    monkeypatch.setattr(dataset, "_AT_ONCE", 4)
    path = broken_dir / shard_of(broken_dir, number=number)["file"]
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(InputError, match=rf"{path.name}: 12 records, the manifest"):
        read(broken_dir)


def test_record_with_a_valid_checksum_but_no_image_is_reported(broken_dir):
    path = broken_dir / shard_of(broken_dir)["file"]
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    example = tf.train.Example.FromString(records[1])
    del example.features.feature["image"]
    records[1] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    with pytest.raises(InputError, match=rf"{path.name}: record 1 is damaged"):
        read(broken_dir)


@pytest.mark.parametrize("key", ["file", "pairs_file"])
def test_missing_file_is_named(broken_dir, key):
    name = shard_of(broken_dir)[key]
    (broken_dir / name).unlink()
    with pytest.raises(InputError, match=name):
        read(broken_dir)


def damage_header(path):
    path.write_bytes(b"\x00" + path.read_bytes()[1:])


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-5])


def drop_row(path):
    np.save(path, np.load(path)[:-1])


def point_outside(path):
    pairs = np.load(path)
    pairs[0, 1] = 99
    np.save(path, pairs)


def point_before(path):
    np.save(path, np.load(path) - 1)


def use_floats(path):
    np.save(path, np.load(path).astype(np.float32))


def pickle_objects(path):
    np.save(path, np.load(path).astype(object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        damage_header,
        cut_short,
        drop_row,
        point_outside,
        point_before,
        use_floats,
        pickle_objects,
    ],
)
def test_damaged_pair_index_is_named(broken_dir, damage):
    path = broken_dir / shard_of(broken_dir)["pairs_file"]
    damage(path)
    with pytest.raises(InputError, match=path.name) as error:
        read(broken_dir)
    assert "\n" not in str(error.value)


def test_unknown_split_and_missing_data_set_say_what_there_is(broken_dir, tmp_path):
    change_manifest(broken_dir, lambda manifest: manifest["splits"].pop("test"))
    with pytest.raises(InputError, match="has no test split, only train"):
        read(broken_dir, "test")
    with pytest.raises(InputError, match=r"python -m preprocessing\.build"):
        read(tmp_path / "nowhere")


def test_images_of_another_size_and_a_split_without_pairs_are_refused(broken_dir):
    with pytest.raises(InputError, match=r"images are 32x32, the model needs 128x64"):
        read(broken_dir, image_size=(128, 64))
    change_manifest(broken_dir, lambda m: m["splits"]["train"].update(pairs=0))
    with pytest.raises(InputError, match="train split has no pairs"):
        read(broken_dir)


def test_images_of_the_records_are_those_drawn(people_dir):
    split = read(people_dir, "test")
    pixels = images.decode(split.images[0].numpy(), name="x")
    raw = np.frombuffer(split.images[0].numpy(), np.uint8)
    np.testing.assert_array_equal(pixels, cv2.imdecode(raw, 1)[..., ::-1])
    assert pixels.std() > 10
