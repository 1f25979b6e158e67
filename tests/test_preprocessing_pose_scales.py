"""Pixels or shares of width and height: recognised for a whole file, or forced."""

import json

import numpy as np
import pytest

from preprocessing.poses.formats.table import is_normalized
from preprocessing.poses.pose_files import PoseOptions, Poses, read_one
from preprocessing.system.errors import InputError


def decide(*places, scale="auto"):
    return is_normalized("a.json", np.float32(places).reshape(-1, 2), scale)


@pytest.mark.parametrize(
    "places",
    [
        [(0.5, 0.25), (0.1, 0.9)],
        [(0, 0), (1, 0.5)],
        [(1, 1), (0, 0.001)],
        [(1.02, 0.5), (0.5, 1.5)],
    ],
)
def test_shares(places):
    assert decide(*places)


@pytest.mark.parametrize(
    "places",
    [
        [],
        [(0.5, 0.5)],
        [(0, 0), (1, 1), (0, 1)],
        [(0.5, 0.25), (0.1, 1.51)],
        [(0.5, 0.25), (30, 0.5)],
        [(120, 40), (3.5, 90)],
        [(-3.5, 40), (-1, 9)],
    ],
)
def test_pixels(places):
    assert not decide(*places)


def test_minus_one_to_one_is_refused_with_the_option_to_run_openpose_with():
    with pytest.raises(
        InputError, match=r"a\.json: .*-0\.25 to 0\.50.*scale=4.* 3 \(0"
    ):
        decide((-0.25, 0.5), (0.1, 0.2))


def test_a_scale_can_be_forced():
    assert not decide((0.5, 0.25), (0.1, 0.9), scale="pixels")
    assert decide((0.5, 0.25), scale="normalized")
    assert decide((-0.2, 0.25), (0.5, 2.5), scale="normalized")


def test_pixels_are_not_taken_for_shares_even_if_forced():
    with pytest.raises(
        InputError, match=r"a\.json: coordinates up to 120 are not norm"
    ):
        decide((120, 0.5), scale="normalized")


def openpose(path, *people):
    """Writes OpenPose JSON of people found at one place each."""
    content = [{"pose_keypoints_2d": [x, y, 1] * 18} for x, y in people]
    path.write_text(json.dumps({"people": content}))
    return path


def results(path, **places):
    """Writes a list of results of one person each."""
    content = [
        {"image_id": name + ".jpg", "keypoints": [x, y, 1] * 17}
        for name, (x, y) in places.items()
    ]
    path.write_text(json.dumps(content))
    return path


def test_normalized_openpose_is_scaled_to_the_image(tmp_path):
    found = read_one(openpose(tmp_path / "a_keypoints.json", (0.5, 0.25)))
    assert found.normalized
    pose = found.in_pixels((128, 64))[0]
    assert pose[0].tolist() == [31.5, 31.5, 1]


def test_all_people_of_a_file_decide_together(tmp_path):
    path = openpose(tmp_path / "a_keypoints.json", (0.5, 0.25), (60, 20))
    assert not read_one(path).normalized


def test_keypoints_not_found_do_not_decide(tmp_path):
    path = tmp_path / "a_keypoints.json"
    values = [0.5, 0.25, 1] * 17 + [300, 300, 0]
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": values}]}))
    assert read_one(path).normalized


def test_all_images_of_a_list_decide_together(tmp_path):
    """A person in the corner of a small image is no reason to scale that one."""
    poses = Poses([results(tmp_path / "a.json", anna=(0.5, 0.5), ben=(60, 20))])
    assert not poses.find("anna.jpg").normalized
    poses = Poses([results(tmp_path / "b.json", anna=(0.5, 0.5), ben=(0.1, 0.2))])
    assert poses.find("anna.jpg").normalized
    assert poses.describe() == [
        "poses of 2 images from 1 file: AlphaPose JSON, COCO-17, normalized"
    ]


def test_files_decide_one_by_one(tmp_path):
    openpose(tmp_path / "anna_keypoints.json", (0.5, 0.25))
    openpose(tmp_path / "ben_keypoints.json", (60, 20))
    poses = Poses([tmp_path])
    assert poses.find("anna.jpg").normalized
    assert not poses.find("ben.jpg").normalized


def test_a_normalized_csv(tmp_path):
    path = tmp_path / "a.csv"
    y, x = [0.25] * 17 + [-1], [0.5] * 17 + [-1]
    path.write_text(f"anna.jpg:{y}:{x}\n")
    found = read_one(path)
    assert found.normalized
    assert found.people[0, 0].tolist() == [0.5, 0.25, 1]
    assert not found.people[0, 17].any()


def test_a_forced_scale_reaches_every_format(tmp_path):
    path = results(tmp_path / "a.json", anna=(0.5, 0.5))
    assert not read_one(path, PoseOptions(scale="pixels")).normalized
    path = openpose(tmp_path / "b_keypoints.json", (60, 20))
    with pytest.raises(InputError, match=r"b_keypoints\.json: coordinates up to 60"):
        read_one(path, PoseOptions(scale="normalized"))
