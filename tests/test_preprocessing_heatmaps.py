"""Heatmaps and masks against a brute force, and against the authors' own bytes."""

import numpy as np
import pytest
from scipy import ndimage

from preprocessing.images.heatmaps import LIMBS, disc_pixels, draw_heatmaps, draw_mask
from preprocessing.poses import keypoints as kp

SIZES = [(128, 64), (256, 256)]
# As the authors number them, from 1.
AUTHORS_LIMBS = (
    "2-3 2-6 3-4 4-5 6-7 7-8 2-9 9-10 10-11 2-12 12-13 13-14 2-1 1-15 15-17 1-16 16-18 "
    "2-17 2-18 9-12 12-6 9-3 17-18"
)


def discs(places, *, size, radius=4):
    """Every pixel at most `radius` from one of the truncated places."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    drawn = np.zeros(size, bool)
    for x, y in places:
        drawn |= np.hypot(columns - np.trunc(x), rows - np.trunc(y)) <= radius
    return drawn


def brute_mask(pose, *, size):
    """Returns the mask, drawn limb by limb on a canvas with a margin."""
    places = []
    for limb in AUTHORS_LIMBS.split():
        a, b = (pose[int(number) - 1].astype(float) for number in limb.split("-"))
        if a[2] <= 0 or b[2] <= 0:
            continue
        count = int(np.linalg.norm(b[:2] - a[:2]) / 4)
        places += [a[:2], b[:2]]
        places += [
            a[:2] + (b[:2] - a[:2]) * part / count for part in range(1, max(count, 1))
        ]
    square = np.ones((5, 5), bool)
    drawn = ndimage.binary_dilation(discs(places, size=size), square)
    return ndimage.binary_erosion(drawn, square, border_value=1).astype(np.uint8)


def random_pose(rng, *, size, missing=0.25):
    places = rng.uniform(-3, (size[1] + 3, size[0] + 3), (18, 2))
    pose = np.concatenate([places, rng.random((18, 1))], 1).astype(np.float32)
    pose[rng.random(18) < missing] = 0
    return pose


@pytest.mark.parametrize("size", SIZES, ids=["128x64", "256x256"])
def test_heatmaps_and_masks_are_the_authors_bit_for_bit(shared, size):
    golden = np.load(shared / "golden" / "preprocessing.npz")
    tag = "{}x{}".format(*size)
    poses = golden[f"keypoints_{tag}"]
    assert len(poses) == 12
    assert (poses[..., 2] == 0).any()
    for index, pose in enumerate(poses):
        heatmaps, mask = draw_heatmaps(pose, size=size), draw_mask(pose, size=size)
        assert heatmaps.dtype == mask.dtype == np.uint8
        np.testing.assert_array_equal(heatmaps, golden[f"heatmap_{tag}"][index])
        np.testing.assert_array_equal(mask, golden[f"mask_r4_{tag}"][index])


@pytest.mark.parametrize("size", [(128, 64), (40, 57)])
def test_heatmaps_are_those_of_a_brute_force(size):
    rng = np.random.default_rng(5)
    for _ in range(10):
        pose = random_pose(rng, size=size)
        drawn = draw_heatmaps(pose, size=size)
        assert drawn.shape == (*size, 18)
        for channel, (x, y, confidence) in enumerate(pose):
            places = [(x, y)] if confidence > 0 else []
            expected = discs(places, size=size)
            np.testing.assert_array_equal(drawn[..., channel], expected)


@pytest.mark.parametrize("size", [(128, 64), (64, 90)])
def test_masks_are_those_of_a_brute_force(size):
    rng = np.random.default_rng(6)
    covered = []
    for missing in (0, 0, 0.2, 0.4, 0.6, 0.8):
        pose = random_pose(rng, size=size, missing=missing)
        mask = draw_mask(pose, size=size)
        np.testing.assert_array_equal(mask, brute_mask(pose, size=size))
        covered.append(mask.mean())
    assert 0 < max(covered) < 1


def test_the_limbs_are_the_authors():
    theirs = [
        tuple(int(n) - 1 for n in limb.split("-")) for limb in AUTHORS_LIMBS.split()
    ]
    assert sorted(map(sorted, LIMBS)) == sorted(map(sorted, theirs))
    assert len(LIMBS) == 23


@pytest.mark.parametrize(
    ("place", "count"),
    [((30, 60), 49), ((30.9, 60.9), 49), ((0, 0), 17), ((63, 60), 29)],
)
def test_a_disc_has_49_pixels_and_is_cut_at_the_border(place, count):
    pose = kp.missing_pose()
    pose[3] = (*place, 1)
    drawn = draw_heatmaps(pose, size=(128, 64))
    assert drawn[..., 3].sum() == drawn.sum() == count


@pytest.mark.parametrize(
    "place", [(-5, 10), (10, -5), (68, 10), (10, 132), (1e8, -1e8)]
)
def test_a_place_too_far_outside_draws_nothing(place):
    discs, rows, columns = disc_pixels(np.float64([place]), size=(128, 64))
    assert len(discs) == len(rows) == len(columns) == 0


def test_a_place_outside_may_reach_in():
    places = np.float64([(-4, 10), (500, 10), (67, 127)])
    discs, rows, columns = disc_pixels(places, size=(128, 64))
    pixels = zip(discs.tolist(), rows.tolist(), columns.tolist(), strict=True)
    assert list(pixels) == [(0, 10, 0), (2, 127, 63)]


def test_missing_joints_leave_their_channel_empty():
    pose = np.tile(np.float32([20, 30, 1]), (18, 1))
    pose[[2, 9], 2] = 0, -1
    drawn = draw_heatmaps(pose, size=(64, 64)).any(axis=(0, 1))
    assert np.flatnonzero(~drawn).tolist() == [2, 9]
    assert not draw_heatmaps(kp.missing_pose(), size=(64, 64)).any()
    assert not draw_mask(kp.missing_pose(), size=(64, 64)).any()


def test_a_lone_joint_is_not_in_the_mask():
    pose = kp.missing_pose()
    pose[kp.INDEX["right_wrist"]] = (10, 50, 1)
    assert not draw_mask(pose, size=(128, 64)).any()
    # The knee is no neighbour of the wrist, the elbow is.
    pose[kp.INDEX["right_knee"]] = (40, 90, 1)
    assert not draw_mask(pose, size=(128, 64)).any()
    pose[kp.INDEX["right_elbow"]] = (12, 30, 1)
    mask = draw_mask(pose, size=(128, 64))
    assert mask[50, 10] == mask[40, 11] == mask[30, 12] == 1
    assert mask[90, 40] == 0


def test_the_mask_is_cut_at_the_border_without_being_eaten_there():
    pose = kp.missing_pose()
    pose[kp.INDEX["right_wrist"]] = (0, 10, 1)
    pose[kp.INDEX["right_elbow"]] = (0, 60, 1)
    mask = draw_mask(pose, size=(128, 64))
    assert mask[6:65, 0].all()
    assert not mask[:6, 0].any()
    assert not mask[:, 5:].any()


def test_what_is_drawn_does_not_depend_on_the_confidence():
    pose = random_pose(np.random.default_rng(7), size=(64, 64), missing=0)
    sure = pose.copy()
    sure[:, 2] = 1
    for draw in (draw_heatmaps, draw_mask):
        np.testing.assert_array_equal(
            draw(pose, size=(64, 64)), draw(sure, size=(64, 64))
        )
