"""Which pose of which person an image gets, and where in the image it lands."""

import json

import numpy as np
import pytest
from preprocessing_helpers import (
    add,
    folder_builder,
    people_folder,
    photo,
    pose,
    read_images,
)

from preprocessing.dataset.builder import Builder
from preprocessing.dataset.settings import Settings
from preprocessing.images.image_files import encode_jpeg
from preprocessing.poses.formats import annotation_csv
from preprocessing.sources.samples import Sample
from preprocessing.system.errors import InputError


@pytest.fixture
def root(tmp_path):
    return people_folder(tmp_path / "photos", anna=1)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data"


def stored_pose(out, name):
    return next(image for image in read_images(out) if image.name == name).keypoints


def crowd():
    """Returns three people: a sure one, a large one, one in the middle."""
    sure, large, central = pose(2), pose(2), pose(2)
    sure[:, 2] = 0.9
    large[:, :2] = np.linspace((1, 1), (30, 20), 18)
    central[:, :2] = np.linspace((14, 13), (17, 18), 18)
    return {"confident": sure, "largest": large, "central": central}


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("confident", "the most confident"),
        ("largest", "the largest"),
        ("central", "the one nearest the centre"),
    ],
)
def test_who_is_meant_where_there_are_several(root, out, person, said):
    people = crowd()
    add(root, "anna/crowd.jpg", photo(5), poses=people.values())
    report = folder_builder(root, out, person=person).write()
    np.testing.assert_allclose(stored_pose(out, "anna/crowd.jpg"), people[person])
    assert f"1 images with several people: {said} was taken" in report


def test_shares_of_the_image_become_pixels(root, out):
    places = np.linspace((0.1, 0.2), (0.8, 0.9), 18)
    values = np.concatenate([places, np.full((18, 1), 0.5)], axis=1)
    path = add(root, "anna/shares.jpg", photo(5, size=(64, 32)))
    people = [{"pose_keypoints_2d": values.reshape(-1).tolist()}]
    beside = path.with_name("shares_keypoints.json")
    beside.write_text(json.dumps({"people": people}))
    folder_builder(root, out).write()
    # 64 rows of 32 are padded to 64x64, with 16 columns at either side, and halved.
    expected = (places * (32, 64) + (16, 0)) / 2 - 0.5
    stored = stored_pose(out, "anna/shares.jpg")
    np.testing.assert_allclose(stored[:, :2], expected, atol=1e-4)


@pytest.mark.parametrize("options", [{"pose_size": (64, 64)}, {}])
def test_poses_found_in_images_of_another_size(root, out, options):
    add(root, "anna/half.jpg", photo(5), poses=[pose(20)])
    folder_builder(root, out, **options).write()
    expected = pose(20)
    if options:
        expected[:, :2] = (expected[:, :2] + 0.5) / 2 - 0.5
    np.testing.assert_allclose(
        stored_pose(out, "anna/half.jpg"), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("width", [176, 256])
@pytest.mark.parametrize("found_in", [176, 256])
def test_deepfashion_keypoints_of_crops_are_moved(tmp_path, out, width, found_in):
    """Whichever of both the images are, and whichever the poses were found in."""
    places = np.stack([np.linspace((70, 20), (106, 240), 18)] * 60)
    places[..., 0] += np.linspace(-20, 20, 60)[:, None]
    names = [f"fashionWOMENTeesid{n // 2:08d}01_{n % 2}front.jpg" for n in range(60)]
    content = photo(1, size=(256, width))
    samples = [Sample(name, name[14:27], lambda: content) for name in names]
    shift = ((found_in - 176) // 2, 0)
    annotated = {
        name: np.concatenate([place + shift, np.ones((18, 1))], axis=1)
        for name, place in zip(names, places, strict=True)
    }
    annotation_csv.write_csv(tmp_path / "poses.csv", annotated)
    settings = Settings("deepfashion", (256, width), test_fraction=0)
    builder = Builder(settings, out=out)
    builder.collect(samples)
    builder.find_poses([tmp_path / "poses.csv"])
    assert f"found in images of 256x{found_in}" in builder.write()
    stored = {image.name: image.keypoints[:, :2] for image in read_images(out)}
    moved = np.stack([stored[name] for name in names])
    expected = places + np.array([(width - 176) / 2, 0])
    np.testing.assert_allclose(moved, expected, atol=1e-3)


def test_keypoints_of_little_confidence_are_not_found(root, out):
    doubtful = pose()
    doubtful[:, 2] = np.linspace(0.05, 0.9, 18)
    add(root, "anna/doubtful.jpg", photo(5), poses=[doubtful])
    folder_builder(root, out, min_confidence=0.3).write()
    stored = stored_pose(out, "anna/doubtful.jpg")
    assert np.flatnonzero(stored[:, 2]).tolist() == list(range(5, 18))
    np.testing.assert_allclose(stored[5:], doubtful[5:], rtol=1e-6)


# === Poses that cannot belong to these images ===


def tall_people(root, poses):
    """Writes images of 128x64 with one pose each."""
    for number, points in enumerate(poses):
        image = np.full((128, 64, 3), 90, np.uint8)
        add(root, f"anna/{number:02d}.jpg", encode_jpeg(image), poses=[points])
    return root


def standing(*, scale=1.0):
    """Returns a pose that fills an image of 128x64, float32 [18, 3]."""
    points = np.ones((18, 3), np.float32)
    points[:, 0] = np.linspace(20, 44, 18) * scale
    points[:, 1] = np.linspace(10, 118, 18) * scale
    return points


def build_tall(root, out, **settings):
    return folder_builder(root, out, image_size=(128, 64), **settings).write()


def test_swapped_columns_are_refused_with_the_reason(tmp_path, out):
    swapped = standing()[:, [1, 0, 2]]
    root = tall_people(tmp_path / "photos", [swapped] * 3)
    with pytest.raises(InputError, match=r"\d+% of the found joints.*x and y are swap"):
        build_tall(root, out)
    assert not (out / "manifest.json").exists()


def test_poses_of_another_image_size_are_refused_with_the_reason(tmp_path, out):
    root = tall_people(tmp_path / "photos", [standing(scale=4)] * 3)
    with pytest.raises(InputError, match=r"they reach 472x176 .*--pose_size"):
        build_tall(root, out)
    report = build_tall(root, out, pose_size=(512, 256))
    assert "outside" not in report


def test_a_few_joints_outside_are_counted(tmp_path, out):
    part = standing()
    part[:2, 0] = 70
    root = tall_people(tmp_path / "photos", [part, standing(), standing()])
    report = build_tall(root, out)
    assert "2 found joints outside their image (e.g. anna/00.jpg)" in report
