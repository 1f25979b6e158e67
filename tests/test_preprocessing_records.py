"""Records, shards, manifests: complete, as drawn, and damage is noticed."""

import errno
import hashlib
import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from preprocessing.dataset import records, shards
from preprocessing.images import image_files as images
from preprocessing.images.heatmaps import draw_heatmaps, draw_mask
from preprocessing.poses import keypoints as kp
from preprocessing.system import files
from preprocessing.system.errors import InputError

SIZE = (40, 24)


def record(seed=0, name="anna/1.jpg"):
    rng = np.random.default_rng(seed)
    pose = np.concatenate([rng.uniform(0, 24, (18, 2)), rng.random((18, 1))], axis=1)
    pose[rng.random(18) < 0.3] = 0
    image = images.encode_jpeg(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    return records.encode(name, "anna ä", image, kp.clean(pose), size=SIZE)


def features(example):
    return dict(tf.train.Example.FromString(example).features.feature)


@pytest.mark.parametrize("shape", [(1,), (8,), (3, 3), (18, 40, 24), (7, 11, 13)])
def test_packed_bits_come_back(shape):
    array = np.random.default_rng(0).integers(0, 2, shape, dtype=np.uint8)
    content = records.pack_bits(array)
    back = records.unpack_bits(content, shape)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, array)
    # The form that other programs rely on: zlib, first pixel in the highest bit.
    bits = "".join(f"{byte:08b}" for byte in zlib.decompress(content))
    assert bits[: array.size] == "".join(map(str, array.reshape(-1)))


@pytest.mark.parametrize("damage", [b"", b"x", b"\0" * 50])
def test_bits_that_are_not_compressed_are_noticed(damage):
    with pytest.raises(ValueError, match="zlib"):
        records.unpack_bits(damage, (8, 8))


def test_damaged_bits_and_another_shape_are_noticed():
    content = records.pack_bits(np.ones((16, 16), np.uint8))
    for damaged in (content[:-1], content[:5], content[:-2] + b"zz"):
        with pytest.raises(ValueError, match="zlib"):
            records.unpack_bits(damaged, (16, 16))
    for shape in ((16, 8), (16, 17), (0,)):
        with pytest.raises(ValueError, match="32 bytes"):
            records.unpack_bits(content, shape)


def test_an_example_has_all_features_and_what_was_drawn():
    made = record()
    found = features(shards.serialize(made))
    assert set(found) == {"name", "identity", "image", "keypoints", "heatmaps", "mask"}
    assert found["name"].bytes_list.value[0].decode() == "anna/1.jpg"
    assert found["identity"].bytes_list.value[0].decode() == "anna ä"
    assert found["image"].bytes_list.value[0] == made.image
    values = np.float32(found["keypoints"].float_list.value).reshape(18, 3)
    np.testing.assert_array_equal(values, made.pose)
    bits = np.frombuffer(zlib.decompress(found["heatmaps"].bytes_list.value[0]), "u1")
    drawn = np.unpackbits(bits)[: 18 * 40 * 24].reshape(18, *SIZE)
    expected = draw_heatmaps(made.pose, size=SIZE)
    assert expected.any()
    for channel in range(18):
        np.testing.assert_array_equal(drawn[channel], expected[..., channel])
    mask = records.unpack_bits(found["mask"].bytes_list.value[0], SIZE)
    np.testing.assert_array_equal(mask, draw_mask(made.pose, size=SIZE))
    assert mask.any()


def test_the_same_record_gives_the_same_bytes_and_little_of_them():
    made = record()
    example = shards.serialize(made)
    assert shards.serialize(record()) == example
    assert len(example) < len(made.image) + 1500


def test_a_shard_and_its_entry_are_true(tmp_path):
    examples = [shards.serialize(record(seed)) for seed in range(3)]
    pairs = np.array([[0, 1], [1, 0]])
    stem = "train-00000-of-00001"
    entry = shards.write_shard(tmp_path, stem, iter(examples))
    entry |= shards.write_pairs(tmp_path, stem, pairs)
    shard = tmp_path / "train-00000-of-00001.tfrecord"
    read_back = [e.numpy() for e in tf.data.TFRecordDataset(str(shard))]
    assert read_back == examples
    index = np.load(tmp_path / "train-00000-of-00001.pairs.npy")
    assert index.dtype == np.int32
    assert index.tolist() == pairs.tolist()
    content = shard.read_bytes()
    assert entry == {
        "file": shard.name,
        "images": 3,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "pairs_file": "train-00000-of-00001.pairs.npy",
        "pairs": 2,
    }
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full disk")
def test_a_disk_that_is_really_full_is_an_os_error_of_that_kind(tmp_path):
    # The temporary file is a link to a device on which nothing has room.
    temporary = tmp_path / f".a.tfrecord.{os.getpid()}.tmp"
    temporary.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as failed:
        shards.write_shard(tmp_path, "a", [b"x" * 500_000])
    assert failed.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    files.write_text(path, "old")

    def fail(temporary):
        temporary.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        files.write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


MANIFEST = {"schema_version": 1, "image_size": [40, 24], "splits": {}}


def test_a_manifest_is_read(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    assert records.read_manifest(str(tmp_path)) == MANIFEST


def test_a_missing_manifest_is_refused_and_tells_what_to_do(tmp_path):
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"manifest\.json: .*preprocessing\.build"):
            records.read_manifest(place)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"1", b"null", b'"schema_version"', b"{}", b"\xff\xfe\0"),
        json.dumps(MANIFEST).encode()[:-5],
        b'{"image_size": [1, 1], "splits": {}}',
        b'{"schema_version": 1, "image_size": [1, 1]}',
        b'{"schema_version": 1, "splits": {}}',
    ],
    ids=repr,
)
def test_a_damaged_manifest_is_refused_by_name(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(
        InputError,
        match=rf"{tmp_path}/manifest\.json: ?(not JSON|is no|schema_|image_|splits)",
    ):
        records.read_manifest(tmp_path)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused_and_named(tmp_path, version):
    content = json.dumps({**MANIFEST, "schema_version": version})
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(
        InputError, match=rf"manifest\.json: schema_version {version!r}, .* 1;"
    ):
        records.read_manifest(tmp_path)
