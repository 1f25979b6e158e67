"""Building a data set from a folder: what is in it, and what the report says of it."""

import hashlib
import re

import cv2
import numpy as np
import pytest
import tensorflow as tf
from conftest import build_people
from preprocessing_helpers import (
    SIZE,
    add,
    folder_builder,
    people_folder,
    photo,
    pose,
    read_images,
    read_manifest,
)

from preprocessing.dataset import records


@pytest.fixture
def root(tmp_path):
    return tmp_path / "photos"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data"


def test_the_report_counts_everything_that_is_not_as_it_should_be(root, out):
    people_folder(root, anna=3, ben=2)
    add(root, "ben/far.jpg", poses=[pose(joints=6)])
    add(root, "ben/crowd.jpg", poses=[pose(), pose(), pose(joints=0)])
    add(root, "cleo/empty street.jpg")
    add(root, "cleo/large.jpg", photo(size=(64, 48)), poses=[pose()])
    add(root, "cleo/broken.jpg", b"no image", poses=[pose()])
    add(root, "cleo/nothing.jpg", b"", poses=[pose()])
    (root / "cleo" / "unknown.jpg").write_bytes(photo())
    add(root, "dora/broken too.jpg", b"", poses=[pose()])
    add(root, "loose.jpg", poses=[pose()])

    report = folder_builder(root, out).write()
    # 10 images, none of dora: 7 of anna and ben, of cleo one and two without a person.
    joints = (7 * 18 + 6 - 18 + 18) / 8
    assert (
        f"train: 10 images of 3 identities, 2 without a person, {joints:.1f} of 18 "
        "joints found on average, 18 ordered same-identity pairs, 1 shards"
    ) in report
    for line in (
        "1 images in which no person was found (e.g. cleo/empty street.jpg)",
        "1 images without an annotation (e.g. cleo/unknown.jpg)",
        "1 images with several people: the most confident was taken "
        "(e.g. ben/crowd.jpg)",
        "1 images resized from 64x48 to 32x32, padded to these proportions "
        "(e.g. cleo/large.jpg)",
        "1 images outside a person's folder skipped (e.g. loose.jpg)",
    ):
        assert line in report
    assert re.search(r"3 unreadable images left out \(.*broken.*nothing.*\)", report)
    assert (out / "report.txt").read_text() == report + "\n"

    notes = read_manifest(out)["notes"]
    assert sum(notes.values()) == 8
    assert notes["unreadable images left out"] == 3
    assert "cleo/broken.jpg" not in {stored.name for stored in read_images(out)}


def test_what_is_stored_is_what_was_in_the_folder(root, out):
    people_folder(root, anna=3, ben=2)
    folder_builder(root, out).write()
    stored = read_images(out)
    assert [s.name for s in stored] == [f"anna/{n}.jpg" for n in range(3)] + [
        f"ben/{n}.jpg" for n in range(2)
    ]
    for image in stored:
        assert image.identity == image.name.split("/")[0]
        assert image.image == (root / image.name).read_bytes()
        expected = pose(int(image.name[-5]))
        np.testing.assert_allclose(image.keypoints, expected, rtol=1e-6)


def test_the_manifest_tells_the_truth(people_dir):
    manifest, stored = read_manifest(people_dir), read_images(people_dir)
    assert manifest["schema_version"] == records.SCHEMA_VERSION == 1
    assert manifest["image_size"] == [32, 32]
    assert manifest == records.read_manifest(people_dir)
    named = {"manifest.json", "report.txt"}
    for split, entry in manifest["splits"].items():
        images = [image for image in stored if image.split == split]
        joints = [int((image.keypoints[:, 2] > 0).sum()) for image in images]
        assert (
            entry["images"] == len(images) == sum(s["images"] for s in entry["shards"])
        )
        assert entry["identities"] == len({image.identity for image in images})
        assert entry["images_without_person"] == joints.count(0)
        assert entry["mean_joints"] == pytest.approx(np.mean([j for j in joints if j]))
        assert entry["pairs"] == sum(shard["pairs"] for shard in entry["shards"])
        for shard in entry["shards"]:
            content = (people_dir / shard["file"]).read_bytes()
            assert shard["sha256"] == hashlib.sha256(content).hexdigest()
            assert shard["bytes"] == len(content)
            assert shard["images"] == sum(i.shard == shard["file"] for i in images)
            pairs = np.load(people_dir / shard["pairs_file"])
            assert (pairs.dtype, pairs.shape) == (np.int32, (shard["pairs"], 2))
            named |= {shard["file"], shard["pairs_file"]}
    # Readers of records on disk leave offsets beside the shards.
    there = {path.name for path in people_dir.iterdir()}
    assert {name for name in there if not name.endswith(".offsets.npy")} == named
    assert manifest["versions"]["tensorflow"] == tf.__version__
    assert manifest["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("fit", "place"), [("pad", (18.3333, 8.6667)), ("stretch", (19.75, 8.6667))]
)
def test_an_image_of_another_size_is_resized_with_its_keypoints(root, out, fit, place):
    picture = np.zeros((96, 64, 3), np.uint8)
    cv2.circle(picture, (40, 27), 5, (255, 255, 255), -1)
    found = pose()
    found[4] = (40, 27, 0.9)
    content = cv2.imencode(".png", picture)[1].tobytes()
    add(root, "anna/large.png", content, poses=[found])
    people_folder(root, anna=1)
    folder_builder(root, out, fit=fit).write()
    (large,) = [image for image in read_images(out) if "large" in image.name]
    decoded = cv2.imdecode(np.frombuffer(large.image, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert decoded.shape == SIZE
    rows, columns = np.nonzero(decoded > 100)
    np.testing.assert_allclose(
        large.keypoints[4], (columns.mean(), rows.mean(), 0.9), atol=0.3
    )
    np.testing.assert_allclose(large.keypoints[4, :2], place, atol=1e-3)


def test_of_several_people_the_most_confident_is_stored(root, out):
    sure = pose(20)
    sure[:, 2] = 0.9
    add(root, "anna/1.jpg", poses=[pose(3), sure, pose(6)])
    people_folder(root, anna=1)
    folder_builder(root, out).write()
    crowd = next(image for image in read_images(out) if image.name == "anna/1.jpg")
    np.testing.assert_array_equal(crowd.keypoints, sure)


@pytest.mark.parametrize("name", ["report.txt", "manifest.json", "shards"])
def test_the_same_input_gives_the_same_bytes(tmp_path, people_dir, name):
    again = build_people(tmp_path / "again")
    other = build_people(tmp_path / "other", seed=2)
    names = [path.name for path in people_dir.iterdir() if path.suffix != ".txt"]
    shards = [n for n in names if "-of-" in n and not n.endswith(".offsets.npy")]
    names = shards if name == "shards" else [name]
    first, second, third = (
        [(place / n).read_bytes() for n in sorted(names)]
        for place in (people_dir, again, other)
    )
    assert first == second
    if name != "report.txt":
        assert first != third
