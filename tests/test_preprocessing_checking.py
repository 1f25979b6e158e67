"""The check of a data set: what was built passes, and every damage is found."""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from preprocessing.dataset import checking, reading, records
from preprocessing.dataset.checking import Seen
from preprocessing.images import image_files as images
from preprocessing.system import files

SIZE = (32, 32)


@pytest.fixture
def data(people_dir, tmp_path):
    """A copy of the people, to be damaged."""
    return shutil.copytree(people_dir, tmp_path / "data")


def shard_of(data, split="train", number=0):
    return records.read_manifest(data)["splits"][split]["shards"][number]


def change_manifest(data, change):
    path = data / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest["splits"]["train"])
    path.write_text(json.dumps(manifest))


def change_record(data, change, number=1):
    """Changes the features of a record; checksum and length stay true."""
    shard = shard_of(data)
    path = data / shard["file"]
    examples = list(reading.read_examples(path))
    example = tf.train.Example.FromString(examples[number])
    change(example.features.feature)
    examples[number] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in examples:
            writer.write(content)
    entry = {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
    change_manifest(data, lambda split: split["shards"][0].update(entry))
    return f"{path}: record {number}"


def replacing(key, content):
    """Returns a change of a feature, bytes as they are or made from the old ones."""

    def change(features):
        values = features[key].bytes_list.value
        values[0] = content(values[0]) if callable(content) else content

    return change


def placing(x, y, *, found=True):
    """Returns a change of the place of the first keypoint that was found, or not."""

    def change(features):
        values = features["keypoints"].float_list.value
        first = [bool(sure) for sure in values[2::3]].index(found)
        values[3 * first : 3 * first + 2] = x, y

    return change


def other_pixel(shape):
    def change(content):
        array = records.unpack_bits(content, shape)
        array[..., -1, -1] ^= 1
        return records.pack_bits(array)

    return change


def change_pairs(data, change):
    path = data / shard_of(data)["pairs_file"]
    pairs = np.load(path)
    change(pairs)
    np.save(path, pairs)
    return path


def test_what_was_built_has_no_problem(people_dir):
    assert checking.find_problems(people_dir) == []


PICTURE = np.full((32, 32, 3), 90, np.uint8)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (replacing("image", b""), "the image file is empty"),
        (replacing("image", lambda jpeg: jpeg[:99]), "cannot be decoded as an image"),
        (
            replacing("image", images.encode_jpeg(PICTURE[:16])),
            "its image is 16x32, not 32x32",
        ),
        (replacing("image", images.encode_png(PICTURE)), "its image is no JPEG"),
        (
            replacing("heatmaps", other_pixel((18, *SIZE))),
            "its heatmaps are not those of its keypoints",
        ),
        (
            replacing("mask", other_pixel(SIZE)),
            "its mask is not that of its keypoints",
        ),
        (replacing("heatmaps", b"none"), "is damaged (heatmaps: not compressed"),
        (
            replacing("mask", records.pack_bits(PICTURE[..., 0] > 0)[:-1]),
            "is damaged (mask: not compressed",
        ),
        (placing(np.nan, 5), "is damaged (keypoints: not finite)"),
        (placing(5, 1e30), "no place in any image: n"),
        (placing(5, 0, found=False), "not found, and yet not zeros: "),
    ],
)
def test_a_changed_record_is_found_and_named(data, change, expected):
    place = change_record(data, change)
    (problem,) = checking.find_problems(data)
    assert problem.startswith(place)
    assert expected in problem
    assert "\n" not in problem


def test_a_record_that_cannot_be_parsed_is_one_problem(data):
    place = change_record(data, lambda features: features.pop("image"))
    (problem,) = checking.find_problems(data)
    assert problem.startswith(f"{place} is damaged")


def test_moved_keypoints_fit_neither_heatmaps_nor_mask(data):
    change_record(data, placing(1, 30))
    problems = checking.find_problems(data)
    assert [problem.split(": its ")[1].split()[0] for problem in problems] == [
        "heatmaps",
        "mask",
    ]


def test_a_name_given_twice_is_found_over_all_shards(data):
    shards = records.read_manifest(data)["splits"]["test"]["shards"]
    path = data / shards[0]["file"]
    theirs = next(reading.read_shard(path, count=shards[0]["images"], size=SIZE)).name
    place = change_record(data, replacing("name", theirs.encode()))
    (problem,) = checking.find_problems(data)
    assert problem == f"{path}: record 0: named {theirs}, as is {place}"


def test_an_identity_in_two_splits_is_found(data):
    shard = shard_of(data, "test")
    identity = next(
        reading.read_shard(data / shard["file"], count=shard["images"], size=SIZE)
    ).identity
    change_record(data, replacing("identity", identity.encode()))
    problems = checking.find_problems(data)
    twice = [p for p in problems if f"identity {identity} is in" in p]
    assert len(twice) == 3
    assert all(p.startswith(str(data / shard["file"])) for p in twice)
    # Its pairs are then of two identities, and there is one identity more.
    assert any("row 0 pairs" in p for p in problems)
    assert any("identities is" in p for p in problems)


@pytest.mark.parametrize("key", ["file", "pairs_file"])
def test_a_missing_file_is_one_problem(data, key):
    path = data / shard_of(data)[key]
    path.unlink()
    (problem,) = checking.find_problems(data)
    assert problem.startswith(f"{path}: ")


def test_a_damaged_shard_is_one_problem_and_the_others_are_checked(data):
    path = data / shard_of(data)["file"]
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    other = data / shard_of(data, "test")["pairs_file"]
    other.unlink()
    damaged, missing = checking.find_problems(data)
    assert damaged.startswith(f"{path}: damaged at record 0")
    assert missing.startswith(f"{other}: unreadable pair index")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda pairs: pairs.__setitem__((0, 1), pairs[0, 0]), "row 0 pairs .* itself"),
        (
            lambda pairs: pairs.__setitem__(2, pairs[1]),
            "row 2 is the same pair as row 1",
        ),
        (
            lambda pairs: pairs.__setitem__((0, 1), pairs.max()),
            r"row 0 pairs (\d+)_000.jpg of \1 with (\d+)_002.jpg of \2$",
        ),
        (
            lambda pairs: pairs.__setitem__((0, 1), 99),
            "a pair points outside its shard",
        ),
    ],
)
def test_wrong_pairs_are_found_and_named(data, change, expected):
    path = change_pairs(data, change)
    (problem,) = checking.find_problems(data)
    assert problem.startswith(f"{path}: ")
    assert re.search(expected, problem)


def test_a_pair_of_an_image_without_a_pose_is_found():
    seen = {0: Seen("a", "anna", 18), 1: Seen("b", "anna", 0)}
    (problem,) = checking.pair_problems(np.array([[0, 1]]), seen)
    assert problem == "row 0 needs b, which has no pose"


@pytest.mark.parametrize(
    "key",
    ["images", "identities", "images_without_person", "mean_joints", "pairs"],
)
def test_wrong_counts_of_a_split_are_found(data, key):
    change_manifest(data, lambda split: split.update({key: split[key] + 1}))
    (problem,) = checking.find_problems(data)
    assert problem.startswith(f"{data / 'manifest.json'}: train: {key} is ")
    assert ", the manifest says " in problem


@pytest.mark.parametrize(("key", "value"), [("bytes", 1), ("sha256", "0" * 64)])
def test_another_length_or_checksum_of_a_shard_is_found(data, key, value):
    change_manifest(data, lambda split: split["shards"][0].update({key: value}))
    (problem,) = checking.find_problems(data)
    path = data / shard_of(data)["file"]
    assert problem.startswith(f"{path}: {key} is ")
    assert problem.endswith(f", the manifest says {value}")


def test_a_lost_record_is_found(data):
    path = data / shard_of(data)["file"]
    examples = list(reading.read_examples(path))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in examples[:-1]:
            writer.write(content)
    problems = checking.find_problems(data)
    count = len(examples)
    assert f"{path}: images is {count - 1}, the manifest says {count}" in problems
