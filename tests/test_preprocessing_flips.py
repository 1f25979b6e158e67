"""Flips: left and right change places, and everything stays in its pixel."""

import itertools

import cv2
import numpy as np
import pytest
from preprocessing_people_helpers import MAGENTA, dressed, is_near, standing

from preprocessing.images.heatmaps import draw_heatmaps
from preprocessing.poses import keypoints as kp
from preprocessing.synthetic import scenes

SIDES = [(2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)]
RED, BLUE = (255, 0, 0), (0, 0, 255)


def exchanged(heatmaps):
    """Exchanges left and right channels, by a table that is not the project's."""
    result = heatmaps.copy()
    for right, left in SIDES:
        result[..., right], result[..., left] = (
            heatmaps[..., left],
            heatmaps[..., right],
        )
    return result


def random_pose(rng, *, size, whole=False):
    """Returns a pose that reaches over the border, some joints missing."""
    places = rng.uniform(-6, (size[1] + 6, size[0] + 6), (18, 2))
    pose = np.concatenate([places.round() if whole else places, np.ones((18, 1))], 1)
    pose[rng.random(18) < 0.2] = 0
    return pose.astype(np.float32)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("size", [(128, 64), (32, 33)])
def test_heatmaps_of_the_flipped_pose_are_the_flipped_heatmaps(size, whole):
    rng = np.random.default_rng(1)
    for _ in range(25):
        pose = random_pose(rng, size=size, whole=whole)
        expected = exchanged(draw_heatmaps(pose, size=size)[:, ::-1])
        flipped = kp.flip(pose, width=size[1])
        np.testing.assert_array_equal(draw_heatmaps(flipped, size=size), expected)


@pytest.mark.parametrize(
    "x", [0, 0.01, 0.5, 0.99, -0.25, -0.99, 31.5, 62.999, 63, 63.7]
)
def test_a_keypoint_stays_in_its_pixel(x):
    pose = kp.missing_pose()
    pose[4] = (x, 20, 0.5)
    flipped = kp.flip(pose, width=64)
    assert flipped[7].tolist() == [63 - int(x), 20, 0.5]
    assert not flipped[np.arange(18) != 7].any()


def test_flipping_twice_is_the_whole_pixel_one_started_from():
    pose = random_pose(np.random.default_rng(2), size=(64, 64), whole=True)
    np.testing.assert_array_equal(kp.flip(kp.flip(pose, width=64), width=64), pose)


def test_flipping_leaves_the_original_and_the_missing_alone():
    pose = random_pose(np.random.default_rng(3), size=(64, 64))
    before = pose.copy()
    flipped = kp.flip(pose, width=64)
    np.testing.assert_array_equal(pose, before)
    assert kp.found(flipped).sum() == kp.found(pose).sum()
    assert not flipped[~kp.found(flipped)].any()


def test_a_batch_is_flipped_as_each_of_its_poses():
    rng = np.random.default_rng(4)
    poses = np.stack([random_pose(rng, size=(64, 48)) for _ in range(6)])
    flipped = kp.flip(poses.reshape(2, 3, 18, 3), width=48).reshape(6, 18, 3)
    for pose, one in zip(poses, flipped, strict=True):
        np.testing.assert_array_equal(kp.flip(pose, width=48), one)


def test_red_and_blue_arms_are_where_the_flipped_pose_says():
    """A person faces us: the right arm is red and at the left of the picture."""
    size = (128, 64)
    pose = kp.missing_pose()
    arms = {
        "right": (RED, [(22, 40), (14, 62), (8, 90)]),
        "left": (BLUE, [(41, 40), (46, 58), (57, 71)]),
    }
    image = np.zeros((*size, 3), np.uint8)
    for side, (colour, joints) in arms.items():
        for start, end in itertools.pairwise(joints):
            cv2.line(image, start, end, colour, 5)
        for name, place in zip(("shoulder", "elbow", "wrist"), joints, strict=True):
            pose[kp.INDEX[f"{side}_{name}"]] = (*place, 1)

    mirrored = image[:, ::-1]
    flipped = kp.flip(pose, width=size[1])
    channels = draw_heatmaps(flipped, size=size)
    # In the mirror the blue arm is the right one, and still at the left.
    for side, colour, other in (("right", BLUE, RED), ("left", RED, BLUE)):
        for name in ("shoulder", "elbow", "wrist"):
            x, y = flipped[kp.INDEX[f"{side}_{name}"], :2].astype(int)
            assert tuple(mirrored[y, x]) == colour
            inside = mirrored[channels[..., kp.INDEX[f"{side}_{name}"]] == 1]
            assert (inside == colour).all(axis=1).any()
            assert not (inside == other).all(axis=1).any()
    right, left = kp.INDEX["right_wrist"], kp.INDEX["left_wrist"]
    assert flipped[right, 0] < flipped[left, 0]
    # Both arms differ in height, so an exchange of channels alone is noticed too.
    assert flipped[right, 1] == 71
    assert flipped[left, 1] == 90


@pytest.mark.parametrize("facing", ["front", "back"])
@pytest.mark.parametrize("size", [(128, 64), (256, 256)])
def test_wrists_of_a_drawn_person_are_where_the_colours_are(facing, size):
    """The person's right arm is red, the left one blue; one hangs, one is raised."""
    person = dressed(pattern="halves", sleeve=2.0, colours=(RED, BLUE, BLUE))
    body_pose = standing(facing, right_arm=(45, 0, 45, 0), left_arm=(110, 0, 130, 0))
    image, pose = scenes.draw(person, body_pose, size=size, background=MAGENTA)
    flipped = kp.flip(pose, width=size[1])
    # In the mirror it is the left arm that is red.
    for picture, points, right, left in (
        (image, pose, RED, BLUE),
        (image[:, ::-1], flipped, BLUE, RED),
    ):
        channels = draw_heatmaps(points, size=size)
        for side, own, other in (("right", right, left), ("left", left, right)):
            wrist = picture[channels[..., kp.INDEX[f"{side}_wrist"]] == 1]
            assert is_near(wrist, own).sum() >= 4
            assert not is_near(wrist, other).any()
