"""Reading a data set back: as it was written, and damage is named."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from preprocessing.dataset import reading, records
from preprocessing.images import heatmaps
from preprocessing.system.errors import InputError

SIZE = (32, 32)


@pytest.fixture
def broken_dir(people_dir, tmp_path):
    """A copy of the people, to be damaged."""
    return shutil.copytree(people_dir, tmp_path / "data")


def first_shard(data_dir):
    return records.read_manifest(data_dir)["splits"]["train"]["shards"][0]


def read_images(data_dir, *, count=None):
    shard = first_shard(data_dir)
    path = data_dir / shard["file"]
    return reading.read_shard(path, count=count or shard["images"], size=SIZE)


def example(data_dir):
    path = data_dir / first_shard(data_dir)["file"]
    return tf.train.Example.FromString(next(reading.read_examples(path)))


def parsed(changed):
    return reading.parse(changed.SerializeToString(), size=SIZE, place="a: record 7")


def test_images_are_read_with_what_was_drawn_and_their_place(people_dir):
    shard = first_shard(people_dir)
    stored = list(read_images(people_dir))
    assert len({image.name for image in stored}) == shard["images"] > 1
    for number, image in enumerate(stored):
        assert image.place == f"{people_dir / shard['file']}: record {number}"
        assert image.name.startswith(image.identity)
        assert image.pose.dtype == np.float32
        drawn = heatmaps.draw_heatmaps(image.pose, size=SIZE)
        np.testing.assert_array_equal(image.unpack_heatmaps(), drawn.transpose(2, 0, 1))
        mask = heatmaps.draw_mask(image.pose, size=SIZE)
        np.testing.assert_array_equal(image.unpack_mask(), mask)
        assert mask.any()


def test_images_come_one_by_one(broken_dir):
    # A reader of the first need not wait for, or keep, the others.
    path = broken_dir / first_shard(broken_dir)["file"]
    path.write_bytes(path.read_bytes()[:-20])
    images = reading.read_shard(path, count=99, size=SIZE)
    assert next(images).name
    with pytest.raises(InputError, match=rf"{path.name}: damaged at record \d+"):
        list(images)


def test_another_number_of_images_than_the_manifest_says_is_named(people_dir):
    with pytest.raises(InputError, match="6 records, the manifest says 99;"):
        list(read_images(people_dir, count=99))
    # A reader that has room for so many never gets more.
    images = read_images(people_dir, count=2)
    assert [image.place[-1] for image in (next(images), next(images))] == ["0", "1"]
    with pytest.raises(InputError, match="6 records, the manifest says 2;"):
        next(images)


def test_missing_and_unreadable_shards_are_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.tfrecord: no such shard"):
        list(reading.read_examples(tmp_path / "a.tfrecord"))
    with pytest.raises(InputError, match=f"{tmp_path}: cannot be read"):
        list(reading.read_examples(tmp_path))


@pytest.mark.parametrize(
    "feature", ["name", "identity", "image", "heatmaps", "mask", "keypoints"]
)
def test_records_without_a_feature_or_with_another_kind_are_named(people_dir, feature):
    whole = example(people_dir)
    assert parsed(whole).name
    other = tf.train.Example.FromString(whole.SerializeToString())
    other.features.feature[feature].int64_list.value[:] = [1]
    del whole.features.feature[feature]
    for changed in (whole, other):
        with pytest.raises(InputError, match=r"^a: record 7 is damaged") as error:
            parsed(changed)
        assert "\n" not in str(error.value)


def test_too_few_keypoints_and_names_that_are_no_text_are_named(people_dir):
    few, no_text = example(people_dir), example(people_dir)
    del few.features.feature["keypoints"].float_list.value[-1]
    no_text.features.feature["name"].bytes_list.value[0] = b"\xff\xfe"
    for changed in (few, no_text):
        with pytest.raises(InputError, match=r"^a: record 7 is damaged"):
            parsed(changed)


def test_bytes_that_are_no_example_are_named():
    with pytest.raises(InputError, match=r"^a: record 7 is damaged"):
        reading.parse(b"no protocol buffer", size=SIZE, place="a: record 7")


@pytest.mark.parametrize("what", ["heatmaps", "mask"])
def test_heatmaps_and_masks_that_cannot_be_unpacked_are_named(people_dir, what):
    for content in (b"", b"no zlib", records.pack_bits(np.ones((5, 5), np.uint8))):
        changed = example(people_dir)
        changed.features.feature[what].bytes_list.value[0] = content
        stored = parsed(changed)
        with pytest.raises(InputError, match=rf"record 7 is damaged \({what}: "):
            getattr(stored, f"unpack_{what}")()


def test_pairs_are_read_and_must_fit_their_shard(people_dir, tmp_path):
    shard = first_shard(people_dir)
    counts = {"count": shard["pairs"], "num_images": shard["images"]}
    path = people_dir / shard["pairs_file"]
    pairs = reading.read_pairs(path, **counts)
    np.testing.assert_array_equal(pairs, np.load(path))
    with pytest.raises(InputError, match=f"{path.name}: .* is not a pair index"):
        reading.read_pairs(path, **counts | {"count": 1})
    with pytest.raises(InputError, match=f"{path.name}: a pair points outside"):
        reading.read_pairs(path, **counts | {"num_images": 2})
    with pytest.raises(InputError, match=r"none\.npy: unreadable pair index"):
        reading.read_pairs(tmp_path / "none.npy", **counts)


SPLIT_KEYS = ["images", "identities", "images_without_person", "mean_joints"]
SPLIT_KEYS += ["pairs", "shards"]


def damage_manifest(data_dir, choose, change):
    path = data_dir / "manifest.json"
    manifest = json.loads(path.read_text())
    change(choose(manifest["splits"]["train"]))
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("key", SPLIT_KEYS)
def test_a_manifest_that_lacks_an_entry_of_a_split_is_refused(broken_dir, key):
    damage_manifest(broken_dir, lambda split: split, lambda split: split.pop(key))
    with pytest.raises(InputError, match=rf"manifest\.json: split train: {key} None"):
        records.read_manifest(broken_dir)


@pytest.mark.parametrize(
    "key", ["file", "images", "bytes", "sha256", "pairs_file", "pairs"]
)
def test_a_manifest_with_another_kind_of_entry_is_refused(broken_dir, key):
    damage_manifest(
        broken_dir,
        lambda split: split["shards"][0],
        lambda shard: shard.update({key: None}),
    )
    message = rf"manifest\.json: split train, shard 0: {key} None: expected a"
    with pytest.raises(InputError, match=message):
        records.read_manifest(broken_dir)


def test_a_manifest_whose_shards_are_no_objects_is_refused(broken_dir):
    damage_manifest(
        broken_dir, lambda split: split, lambda split: split.update(shards=["a"])
    )
    with pytest.raises(
        InputError, match="split train, shard 0 is not an object, but 'a'"
    ):
        records.read_manifest(broken_dir)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": "32x32"}, "image_size '32x32'"),
        ({"image_size": [32, -1]}, "image_size .32, -1."),
        ({"schema_version": None}, "schema_version None, this program reads 1"),
        ({"splits": []}, "splits is not an object"),
    ],
)
def test_a_manifest_with_another_head_is_refused(broken_dir, changes, message):
    path = broken_dir / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=rf"manifest\.json: {message}"):
        records.read_manifest(broken_dir)


def test_a_manifest_cannot_name_files_elsewhere(broken_dir):
    damage_manifest(
        broken_dir,
        lambda split: split["shards"][0],
        lambda shard: shard.update(file="../secret.tfrecord"),
    )
    with pytest.raises(InputError, match=r"file '../secret.*expected the name of a"):
        records.read_manifest(broken_dir)
