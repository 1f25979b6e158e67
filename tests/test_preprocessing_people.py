"""Drawn people: exact keypoints, sides, occlusion, and looks that stay the same."""

import numpy as np
import pytest
from preprocessing_people_helpers import BLUE, MAGENTA, RED, dressed, is_near, standing

from preprocessing.poses import keypoints
from preprocessing.poses.keypoints import INDEX
from preprocessing.synthetic import scenes
from preprocessing.synthetic.looks import random_person
from preprocessing.synthetic.poses import FACINGS, random_body_pose

UP = (150.0, 0.0, 171.0, 0.0)
RAISED = (5.0, 70.0, 5.0, 75.0)
FACE = [INDEX[name] for name in ("nose", "right_eye", "left_eye")]


def random_parts(seed, *, facing=None):
    rng = np.random.default_rng(seed)
    person = random_person(rng)
    return person, random_body_pose(rng, facing=facing)


def pixel(image, place):
    column, row = np.rint(place[:2]).astype(int)
    return image[row, column].astype(int)


def distance(colour, other):
    return int(np.abs(np.subtract(colour, other)).max())


def test_the_same_seed_gives_the_same_bytes():
    def drawn(seed):
        person, body_pose = random_parts(seed)
        background = scenes.random_background(np.random.default_rng(seed))
        return scenes.draw(person, body_pose, size=(128, 64), background=background)

    first, again, other = drawn(3), drawn(3), drawn(4)
    assert first[0].tobytes() == again[0].tobytes()
    assert first[1].tobytes() == again[1].tobytes()
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize("size", [(128, 64), (64, 32), (256, 256), (90, 61)])
def test_any_size(size):
    person, body_pose = random_parts(1)
    for seed in range(8):
        background = scenes.random_background(np.random.default_rng(seed))
        image, pose = scenes.draw(person, body_pose, size=size, background=background)
        assert (image.shape, image.dtype) == ((*size, 3), np.uint8)
        assert (pose.shape, pose.dtype) == ((18, 3), np.float32)
        empty = scenes.paint_background(background, size=size)
        assert (empty.shape, empty.dtype) == (image.shape, np.uint8)
        np.testing.assert_array_equal(empty[0, :2], image[0, :2])
    located = scenes.locate(person, body_pose, size=size)
    np.testing.assert_array_equal(located, pose)


def test_a_larger_picture_shows_the_same_pose():
    person, body_pose = random_parts(2)
    small = scenes.locate(person, body_pose, size=(128, 64))
    large = scenes.locate(person, body_pose, size=(256, 128))
    resized = keypoints.resize(small, size=(128, 64), new_size=(256, 128))
    np.testing.assert_allclose(large, resized, atol=1e-3)


@pytest.mark.parametrize("size", [(128, 64), (128, 128)])
def test_keypoints_lie_on_the_person(size):
    for seed in range(60):
        person, body_pose = random_parts(seed)
        image, pose = scenes.draw(person, body_pose, size=size, background=MAGENTA)
        seen = keypoints.found(pose)
        assert set(pose[:, 2]) <= {0, 1}
        assert not pose[~seen].any()
        assert seen[1:14].all()
        for name, place in zip(keypoints.NAMES, pose, strict=True):
            if place[2]:
                assert 0 <= place[0] <= size[1] - 1
                assert 0 <= place[1] <= size[0] - 1
                away = distance(pixel(image, place), (255, 0, 255))
                assert away > 60, (seed, name)


def test_the_person_fills_most_of_the_height_and_is_never_cut():
    for seed in range(60):
        person, body_pose = random_parts(seed)
        image, _ = scenes.draw(person, body_pose, size=(128, 64), background=MAGENTA)
        # The shadow is magenta too, only darker.
        body = (image[..., 1] > 0.25 * image[..., 0]) | (image[..., 0] < 120)
        rows = np.flatnonzero(body.any(axis=1))
        assert rows[0] > 0
        assert rows[-1] < 127
        assert not body[:, 0].any()
        assert not body[:, -1].any()
        assert 0.66 < (rows[-1] - rows[0]) / 128 < 0.96, seed


def test_right_is_the_persons_own():
    right, left = INDEX["right_shoulder"], INDEX["left_shoulder"]
    for seed in range(20):
        front = scenes.locate(*random_parts(seed, facing="front"), size=(128, 64))
        back = scenes.locate(*random_parts(seed, facing="back"), size=(128, 64))
        assert front[right, 0] < front[left, 0]
        assert back[right, 0] > back[left, 0]
        assert front[FACE, 2].all()
        assert not back[FACE].any()
        assert back[[INDEX["right_ear"], INDEX["left_ear"]], 2].any()


@pytest.mark.parametrize(
    ("facing", "near", "far", "sign"),
    [("right", "right", "left", 1), ("left", "left", "right", -1)],
)
def test_side_views(facing, near, far, sign):
    """The far half of the face is hidden; the near arm covers, the far one does not."""
    person = dressed(plain_sleeves=True, sleeve=2.0)
    body_pose = standing(facing, **{f"{near}_arm": RAISED})
    image, pose = scenes.draw(person, body_pose, size=(256, 256), background=MAGENTA)
    for name in ("eye", "ear"):
        assert pose[INDEX[f"{near}_{name}"], 2] == 1
        assert not pose[INDEX[f"{far}_{name}"]].any()
    neck, nose = pose[INDEX["neck"]], pose[INDEX["nose"]]
    assert nose[2] == 1
    assert sign * (nose[0] - neck[0]) > 0
    shoulder, elbow = (pose[INDEX[f"{near}_{name}"]] for name in ("shoulder", "elbow"))
    assert distance(pixel(image, (shoulder + elbow) / 2), BLUE) < 25
    shoulder, elbow = (pose[INDEX[f"{far}_{name}"]] for name in ("shoulder", "elbow"))
    assert distance(pixel(image, (shoulder + 3 * elbow) / 4), RED) < 40


def test_an_arm_before_the_torso_covers_it():
    """Blue sleeves, red body: some forearms lie wholly between shoulders and hips."""
    person, overlaps = dressed(plain_sleeves=True, sleeve=2.0), 0
    corners = list(keypoints.TORSO)
    for seed in range(40):
        _, body_pose = random_parts(seed, facing="front")
        image, pose = scenes.draw(
            person, body_pose, size=(256, 256), background=MAGENTA
        )
        low, high = pose[corners, :2].min(axis=0), pose[corners, :2].max(axis=0)
        for side in ("right", "left"):
            forearm = pose[[INDEX[f"{side}_{name}"] for name in ("elbow", "wrist")], :2]
            middle = forearm.mean(axis=0)
            if ((low < middle) & (middle < high)).all():
                covers = is_near(pixel(image, middle), BLUE)
                overlaps += bool(covers)
    assert overlaps >= 5


@pytest.mark.parametrize(("facing", "sign"), [("right", 1), ("left", -1)])
def test_knees_bend_forwards(facing, sign):
    for seed in range(30):
        pose = scenes.locate(*random_parts(seed, facing=facing), size=(256, 256))
        for side in ("right", "left"):
            hip, knee, ankle = (
                pose[INDEX[f"{side}_{name}"]] for name in ("hip", "knee", "ankle")
            )
            share = (knee[1] - hip[1]) / (ankle[1] - hip[1])
            straight = hip[0] + share * (ankle[0] - hip[0])
            assert sign * (knee[0] - straight) > -2.5


@pytest.mark.parametrize("facing", ["front", "back"])
def test_bare_wrists_have_the_skins_colour(facing):
    for seed in range(5):
        person = dressed(seed)
        image, pose = scenes.draw(
            person, standing(facing), size=(128, 64), background=MAGENTA
        )
        for name in ("right_wrist", "left_wrist"):
            assert distance(pixel(image, pose[INDEX[name]]), person.skin) < 30


@pytest.mark.parametrize("facing", list(FACINGS))
def test_the_torso_has_the_same_colour_from_all_sides(facing):
    body_pose = standing(facing, right_arm=UP, left_arm=UP)
    image, pose = scenes.draw(dressed(), body_pose, size=(128, 64), background=MAGENTA)
    column, row = np.rint(pose[list(keypoints.TORSO), :2].mean(axis=0)).astype(int)
    torso = image[row - 5 : row + 6, column - 2 : column + 3].reshape(-1, 3)
    assert distance(np.median(torso, axis=0), RED) < 30


@pytest.mark.parametrize(("facing", "leftmost"), [("front", RED), ("back", BLUE)])
def test_a_pattern_turns_with_the_body(facing, leftmost):
    """The garment's left half is blue: to the picture's right when seen in front."""
    person = dressed(pattern="halves")
    body_pose = standing(facing, right_arm=UP, left_arm=UP)
    image, pose = scenes.draw(person, body_pose, size=(128, 64), background=MAGENTA)
    column, row = np.rint(pose[list(keypoints.TORSO), :2].mean(axis=0)).astype(int)
    assert distance(image[row, column - 5], leftmost) < 40
    rightmost = BLUE if leftmost == RED else RED
    assert distance(image[row, column + 5], rightmost) < 40
