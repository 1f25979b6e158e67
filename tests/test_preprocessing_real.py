"""Real data, where there is some: the counts are those that its owners name."""

import csv
import json
import zipfile

import cv2
import numpy as np
import pytest
from preprocessing_helpers import read_images, read_manifest, read_pairs

from preprocessing.dataset.builder import Builder
from preprocessing.dataset.checking import find_problems
from preprocessing.dataset.settings import Settings
from preprocessing.poses.pose_files import read_one
from preprocessing.sources.table import SOURCES


def unpack(archive, under, place):
    """Unpacks the part of an archive whose names begin with `under`."""
    with zipfile.ZipFile(archive) as file:
        names = [name for name in file.namelist() if name.startswith(under)]
        file.extractall(place, names)
    return place / under.split("/")[0]


def build(source, root, out, *, poses=None, **settings):
    builder = Builder(Settings(source, SOURCES[source].size, **settings), out=out)
    builder.collect(SOURCES[source].samples(root, builder.notes))
    builder.find_poses([poses or root])
    return builder.write()


@pytest.fixture(scope="module")
def market(shared, tmp_path_factory):
    """The test split, unpacked and built: root, data set, report."""
    place = tmp_path_factory.mktemp("market")
    archive = shared / "data" / "market1501.zip"
    unpack(archive, "market1501/market-", place)
    root = unpack(archive, "market1501/bounding_box_test/", place)
    out = place / "data"
    settings = {"pairs": "torso", "test_pairs": "torso", "images_per_shard": 100}
    return root, out, build("market1501", root, out, **settings)


def test_market1501_test_split(market):
    _, out, report = market
    entry = read_manifest(out)["splits"]["test"]
    assert (entry["images"], entry["identities"], entry["pairs"]) == (434, 50, 3118)
    assert entry["images_without_person"] == 13
    assert "434 images of 50 identities, 13 without a person" in report
    assert "3,118 ordered same-identity pairs" in report
    assert "Market-1501 has 13,115 images" in report
    assert "13 images in which no person was found" in report
    assert find_problems(out) == []


def test_market1501_pairs_are_the_published_ones(market):
    root, out, _ = market
    with open(root / "market-pairs-test.csv", newline="") as file:
        published = {(row["from"], row["to"]) for row in csv.DictReader(file)}
    pairs = read_pairs(out, "test")
    assert len(pairs) == len(published) == 3118
    assert set(pairs) == published


def test_market1501_images_are_the_owners_bytes_with_the_annotated_keypoints(market):
    root, out, _ = market
    lines = (root / "market-annotation-test.csv").read_text().splitlines()[1:]
    rows = {name: (y, x) for name, y, x in (line.split(":") for line in lines)}
    for stored in read_images(out):
        folder = root / "bounding_box_test"
        assert stored.image == (folder / stored.name).read_bytes()
        y, x = (np.array(json.loads(numbers)) for numbers in rows[stored.name])
        seen = stored.keypoints[:, 2] > 0
        np.testing.assert_array_equal(seen, y >= 0)
        np.testing.assert_array_equal(stored.keypoints[seen, 0], x[seen])
        np.testing.assert_array_equal(stored.keypoints[seen, 1], y[seen])
        assert stored.identity == stored.name[:4]


def test_deepfashion_flat_names_and_list_of_pairs(shared, tmp_path):
    archive = shared / "data" / "deepfashion.zip"
    root = unpack(archive, "deepfashion/flat/", tmp_path)
    listed = str(root / "flat" / "fasion-pairs.csv")
    out = tmp_path / "data"
    settings = {"pairs": listed, "test_pairs": listed, "images_per_shard": 50}
    report = build("deepfashion", root, out, test_fraction=0.3, **settings)
    splits = read_manifest(out)["splits"]
    assert sum(entry["images"] for entry in splits.values()) == 193
    assert sum(entry["identities"] for entry in splits.values()) == 94
    # Every listed pair is of one item, so none is lost between the splits.
    with open(listed, newline="") as file:
        rows = {(row["from"], row["to"]) for row in csv.DictReader(file)}
    assert set(read_pairs(out, "train")) | set(read_pairs(out, "test")) == rows
    assert f"{listed}: 0 of 100 rows name no two images of one person here" in report
    assert "without an annotation" not in report


def test_deepfashion_tree_with_keypoints_by_flat_name(shared, tmp_path):
    root = unpack(shared / "data" / "deepfashion.zip", "deepfashion/inshop/", tmp_path)
    report = build("deepfashion", root, tmp_path / "data", test_fraction=0)
    entry = read_manifest(tmp_path / "data")["splits"]["train"]
    assert (entry["images"], entry["identities"]) == (130, 32)
    # 870 more pairs of an item would show it in two colours.
    assert entry["pairs"] == 412
    assert "without an annotation" not in report
    assert "other names" not in report


def test_real_openpose_json_beside_photos_of_ones_own(shared, tmp_path):
    """The keypoints lie in photos of 256 wide; here they are made half as large."""
    folder = shared / "data" / "openpose_json"
    root = tmp_path / "photos" / "anna"
    root.mkdir(parents=True)
    photo = cv2.imencode(".jpg", np.full((512, 512, 3), 90, np.uint8))[1].tobytes()
    for path in sorted(folder.glob("*.json")):
        name = path.name.replace("_keypoints.json", ".jpg")
        (root / name).write_bytes(photo)
    out = tmp_path / "data"
    build("folder", root.parent, out, poses=folder, test_fraction=0)
    stored = read_images(out)
    assert len(stored) == 6
    assert len(read_pairs(out, "train")) == 30
    for image in stored:
        beside = image.name.split("/")[-1].replace(".jpg", "_keypoints.json")
        (pose,) = read_one(folder / beside).people
        seen = pose[:, 2] > 0
        expected = (pose[seen, :2] + 0.5) / 2 - 0.5
        np.testing.assert_allclose(image.keypoints[seen, :2], expected, atol=1e-4)
