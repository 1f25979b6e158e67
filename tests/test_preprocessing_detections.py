"""The people found in an image, in pixels of it, and which of them is meant."""

import numpy as np
import pytest

from preprocessing.poses import keypoints as kp
from preprocessing.poses.detections import POLICIES, Detection, choose, detection

SIZE = (100, 200)


def person(left, top, right, bottom, confidence=1.0):
    """Returns a pose whose keypoints lie in two corners of a box."""
    pose = np.full((18, 3), confidence, np.float32)
    pose[::2, :2] = left, top
    pose[1::2, :2] = right, bottom
    return pose


def test_a_pose_for_everybody_in_whom_anything_was_found():
    nose_only = kp.missing_pose()
    nose_only[0] = 5, 6, 0.9
    found = detection([person(1, 2, 3, 4, 0.5), kp.missing_pose(), nose_only])
    assert found.people.shape == (2, 18, 3)
    assert found.people.dtype == found.scores.dtype == np.float32
    np.testing.assert_allclose(found.scores, [0.5, 0.9 / 18], rtol=1e-6)


def test_scores_of_the_estimator_stay_with_their_people():
    people = [kp.missing_pose(), person(1, 2, 3, 4), person(5, 6, 7, 8)]
    found = detection(people, [3.0, 2.0, 1.0])
    assert found.scores.tolist() == [2, 1]


@pytest.mark.parametrize("scores", [None, []])
def test_nobody(scores):
    found = detection([], scores)
    assert found.people.shape == (0, 18, 3)
    assert found.scores.shape == (0,)
    assert choose(found, SIZE) is None


def test_keypoints_that_are_not_finite_are_not_found():
    broken = person(1, 2, 3, 4)
    broken[0, 0], broken[1, 2], broken[2, 1] = np.nan, np.inf, -np.inf
    found = detection([broken])
    assert np.flatnonzero(~kp.found(found.people[0])).tolist() == [0, 1, 2]
    assert not found.people[0, :3].any()


def test_pixels_stay_as_they_are():
    found = detection([person(1, 2, 3, 4)])
    np.testing.assert_array_equal(found.in_pixels(SIZE), found.people)


def test_shares_become_pixels_and_what_is_missing_stays_missing():
    half = person(0.5, 0.25, 0, 1)
    half[2] = 0
    found = detection([half], normalized=True)
    pose = found.in_pixels(SIZE)[0]
    assert pose[0].tolist() == [99.5, 24.5, 1]
    assert pose[1].tolist() == [-0.5, 99.5, 1]
    assert not pose[2].any()
    assert found.people[0, 0].tolist() == [0.5, 0.25, 1]


PEOPLE = {
    "confident": person(0, 0, 20, 50, 0.9),
    "largest": person(0, 10, 90, 99, 0.5),
    "central": person(95, 45, 105, 55, 0.1),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_means_somebody_else(policy):
    found = detection(list(PEOPLE.values()))
    np.testing.assert_array_equal(choose(found, SIZE, policy=policy), PEOPLE[policy])


@pytest.mark.parametrize("policy", POLICIES)
def test_the_first_of_equals_is_taken(policy):
    same = [person(90, 40, 110, 60), person(90, 40, 110, 60)]
    same[1][:, 2] = 1
    same[1][::2, 0], same[1][1::2, 0] = 110, 90
    found = Detection(np.stack(same), np.float32([1, 1]))
    np.testing.assert_array_equal(choose(found, SIZE, policy=policy), same[0])


def test_boxes_are_those_of_keypoints_that_were_found():
    far = person(80, 40, 120, 60)
    far[4:] = 0
    wide = person(60, 30, 140, 70)
    found = detection([far, wide])
    assert choose(found, SIZE, policy="largest")[0, 0] == 60


def test_the_centre_of_an_image_in_shares():
    people = [person(0.1, 0.1, 0.2, 0.2), person(0.4, 0.4, 0.6, 0.6)]
    found = detection(people, [2.0, 1.0], normalized=True)
    assert choose(found, SIZE, policy="central")[0].tolist() == [79.5, 39.5, 1]
    assert choose(found, SIZE)[0].tolist() == [19.5, 9.5, 1]
