"""Damaged input of every kind: a clean result or one line that names the file.

The budget is fixed: 8,400 files and 24 whole builds, drawn with fixed seeds, times
PG2_FUZZ_SCALE from the environment (see long_runs.py). Nothing may end in another
exception, take long, or pass for whole.
"""

import json
import os
import pickle
import signal
import struct
from collections import OrderedDict
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from preprocessing_helpers import SIZE, folder_builder, people_folder, pose

from preprocessing.dataset import checking, pair_index, reading, records
from preprocessing.images import image_files as images
from preprocessing.poses import pose_files as poses
from preprocessing.sources import original as authors
from preprocessing.sources.samples import Notes
from preprocessing.system import safe_pickle
from preprocessing.system.errors import InputError

SECONDS = 10
SCALE = int(os.environ.get("PG2_FUZZ_SCALE", "1"))
FILES = {
    "json": 3000,
    "csv": 1200,
    "pairs": 800,
    "pickles": 1600,
    "shards": 500,
    "indices": 300,
    "images": 700,
    "authors": 300,
}
JUNK = [
    *(b"", b"\0", b"\xff", b"{", b"[", b'"', b"}", b"]", b":", b",", b"-", b"."),
    *(b"NaN", b"Infinity", b"1e999", b"-1e308", b"9" * 400, b"null", b"true", b"[[[["),
    *(b"\xef\xbb\xbf", b"\r\n", b"\n\n", b"c__builtin__\neval\n", b"0", b"\x80\x05"),
]


@contextmanager
def no_hang():
    """Fails a test whose body takes longer than one file may."""

    def late(*_):
        pytest.fail(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


FILES = {name: SCALE * count for name, count in FILES.items()}


def damaged(content, rng):
    """Returns some bytes after one to four accidents."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        start = int(rng.integers(len(data) + 1))
        end = min(len(data), start + int(rng.integers(1, 40)))
        kind = rng.integers(6)
        if kind == 0:
            data = data[:start]
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:start] = data[start:end]
        elif kind == 3:
            data[start:end] = rng.bytes(end - start)
        elif kind == 4 and start < len(data):
            data[start] ^= 1 << int(rng.integers(8))
        else:
            data[start:start] = JUNK[rng.integers(len(JUNK))]
    return bytes(data)


def refusal(read, *arguments):
    """Returns the line that input is refused with, or None where it is read."""
    with no_hang():
        try:
            read(*arguments)
        except InputError as error:
            return str(error)
    return None


def try_all(tmp_path, name, contents, read, *, count, seed):
    """Reads damaged copies of files; returns how many were read, and refused."""
    rng, outcome = np.random.default_rng(seed), {"read": 0, "refused": 0}
    for number in range(count):
        path = tmp_path / name
        path.write_bytes(damaged(contents[number % len(contents)], rng))
        line = refusal(read, path)
        outcome["refused" if line else "read"] += 1
        if line:
            assert str(path) in line
            assert "\n" not in line
    # Otherwise the damage is too slight, or all that is tried is how a file begins.
    assert sum(outcome.values()) == count
    assert outcome["refused"] > count / 20, outcome
    return outcome


def pose_files():
    numbers = pose(3).reshape(-1).round(2).tolist()
    coco = np.linspace(1, 60, 51).round(1).tolist()
    instance = {
        "keypoints": np.linspace((1, 2), (60, 90), 17).tolist(),
        "keypoint_scores": [0.7] * 17,
        "bbox_score": 0.9,
        "bbox": [[1, 2, 30, 40]],
    }
    result = {"image_id": "1.jpg", "category_id": 1, "keypoints": coco, "score": 0.8}
    annotation = {"image_id": 7, "keypoints": coco, "num_keypoints": 17}
    layouts = [
        {"version": 1.3, "people": [{"pose_keypoints_2d": numbers}] * 2},
        {"people": [{"pose_keypoints": numbers}]},
        [result, result | {"image_id": "2.jpg", "box": [1, 2, 3, 4]}],
        {
            "images": [{"id": 7, "file_name": "1.jpg"}],
            "annotations": [annotation],
        },
        [instance],
        {"meta_info": {"dataset_name": "coco"}, "instance_info": [instance]},
        {"1.jpg": {"version": 0.1, "bodies": [{"joints": numbers}]}},
    ]
    return [json.dumps(layout).encode() for layout in layouts]


def test_json_of_poses(tmp_path):
    def read(path):
        found = poses.Poses([path]).find("1.jpg")
        assert found is None or np.isfinite(found.people).all()

    outcome = try_all(
        tmp_path, "1.json", pose_files(), read, count=FILES["json"], seed=1
    )
    assert outcome["read"] > 30


def test_annotation_csv(tmp_path):
    places = [list(range(n, n + 18)) for n in range(3)]
    rows = [f"{n}.jpg: {place}: {place}" for n, place in enumerate(places)]
    content = "\n".join(["name:keypoints_y:keypoints_x", *rows]).encode()

    def read(path):
        found = poses.Poses([path]).find("1.jpg")
        assert found is None or np.isfinite(found.people).all()

    try_all(tmp_path, "poses.csv", [content], read, count=FILES["csv"], seed=2)


def test_lists_of_pairs(tmp_path):
    rows = [f"{n}.jpg,{n + 1}.jpg" for n in range(20)]
    content = "\n".join(["from,to", *rows]).encode()
    outcome = try_all(
        tmp_path, "p.csv", [content], pair_index.read, count=FILES["pairs"], seed=3
    )
    assert outcome["read"] > 100


def test_pickles(tmp_path):
    peaks = {"1.jpg": [[(3, 4, 0.5, n)] for n in range(18)]}
    values = [
        peaks,
        [["1.jpg", "2.jpg"], ["2.jpg", "1.jpg"]],
        {"1.jpg": np.arange(40, dtype=np.float64).reshape(2, 20)},
        OrderedDict(a={1, 2}, b=(None, 1.5, b"x", "y", np.float32(3))),
    ]
    contents = [
        pickle.dumps(value, protocol=protocol)
        for value in values
        for protocol in (0, 2, 4)
    ]
    outcome = try_all(
        tmp_path, "a.p", contents, safe_pickle.load, count=FILES["pickles"], seed=4
    )
    assert outcome["read"] > 50


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of one shard."""
    place = tmp_path_factory.mktemp("fuzz")
    people_folder(place / "photos", anna=3, ben=3)
    folder_builder(place / "photos", place / "data").write()
    return place / "data"


def test_shards(tmp_path, data):
    whole = next(data.glob("*.tfrecord")).read_bytes()

    def read(path):
        for stored in reading.read_shard(path, count=6, size=SIZE):
            assert np.isfinite(stored.pose).all()

    try_all(tmp_path, "a.tfrecord", [whole], read, count=FILES["shards"] // 2, seed=5)

    # Damage inside a record, behind checksums that are right.
    examples = list(reading.read_examples(next(data.glob("*.tfrecord"))))

    def parse(path):
        stored = reading.parse(path.read_bytes(), size=SIZE, place=str(path))
        list(checking.record_problems(stored))

    try_all(tmp_path, "record", examples, parse, count=FILES["shards"] // 2, seed=6)


def test_pair_indices_and_manifests(tmp_path, data):
    whole = next(data.glob("*.npy")).read_bytes()
    count = len(np.load(next(data.glob("*.npy"))))

    def read(path):
        reading.read_pairs(path, count=count, num_images=6)

    try_all(tmp_path, "a.npy", [whole], read, count=FILES["indices"] // 2, seed=7)
    manifest = (data / "manifest.json").read_bytes()

    def read_manifest(path):
        records.read_manifest(path.parent)

    try_all(
        tmp_path,
        "manifest.json",
        [manifest],
        read_manifest,
        count=FILES["indices"] // 2,
        seed=8,
    )


def test_images(tmp_path):
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8), (24, 32))
    contents = [
        cv2.imencode(suffix, picture)[1].tobytes()
        for suffix in (".jpg", ".png", ".bmp", ".webp")
    ]

    def read(path):
        image = images.read(path)
        assert image.dtype == np.uint8
        assert image.ndim == 3

    outcome = try_all(tmp_path, "a.jpg", contents, read, count=FILES["images"], seed=9)
    assert outcome["read"] > 100


def released_record():
    """Returns a TFRecord as the released converter writes them, checksums and all."""
    import tensorflow as tf

    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))

    picture = cv2.imencode(".jpg", np.full((32, 16, 3), 90, np.uint8))[1].tobytes()
    values = {"image_height": 32, "image_width": 16, "label": 1}
    for n in range(2):
        values[f"image_name_{n}"] = f"0002_c{n + 1}s1_000151_00.jpg".encode()
        values[f"image_raw_{n}"] = picture
        values[f"pose_peaks_{n}_rcv"] = [1.0 + n] * 54
    features = {name: feature(value) for name, value in values.items()}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString()


def write_record(path, content):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(content)


def test_the_released_codes_records(tmp_path):
    whole = released_record()

    def read(path):
        # Every second one is damaged inside, behind right checksums.
        content = path.read_bytes()
        if struct.unpack("<I", (content + b"\0" * 4)[:4])[0] % 2:
            write_record(path, content)
        for sample in authors.samples(path.parent, Notes()):
            assert np.isfinite(sample.pose).all()
            sample.read()

    (tmp_path / "Market_train").mkdir()
    try_all(
        tmp_path / "Market_train",
        "a_train.tfrecord",
        [whole],
        read,
        count=FILES["authors"],
        seed=10,
    )


@pytest.mark.parametrize("seed", range(24))
def test_a_build_of_damaged_files_is_whole_or_is_none(tmp_path, seed):
    rng = np.random.default_rng(seed)
    root = people_folder(tmp_path / "photos", anna=3, ben=3, cleo=2)
    for path in sorted(root.rglob("*.*")):
        share = 0.4 if path.suffix == ".jpg" else 0.04 * (seed % 3)
        if rng.random() < share:
            path.write_bytes(damaged(path.read_bytes(), rng))
    out = tmp_path / "data"
    line = refusal(lambda: folder_builder(root, out, images_per_shard=3).write())
    if line:
        assert "\n" not in line
        assert not (out / "manifest.json").exists()
    else:
        assert checking.find_problems(out) == []


def test_the_budget_is_the_one_that_is_stated():
    assert sum(FILES.values()) == SCALE * 8400
