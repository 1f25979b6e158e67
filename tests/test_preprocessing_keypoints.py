"""The 18 keypoints: names, cleaning, and moving with an image that is resized."""

import numpy as np
import pytest
from PIL import Image

from preprocessing.poses import keypoints as kp

# OpenPose's own tables, doc/output.md: the order of COCO, and of BODY_25.
COCO = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle "
COCO += "LHip LKnee LAnkle REye LEye REar LEar"
BODY_25 = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee "
BODY_25 += "RAnkle LHip LKnee LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel "
BODY_25 += "RBigToe RSmallToe RHeel"


def openpose_name(name):
    return name.replace("right_", "R").replace("left_", "L").replace("_", "").lower()


def test_the_order_is_that_of_openpose_coco():
    assert [openpose_name(name) for name in kp.NAMES] == COCO.lower().split()
    assert [kp.NAMES[place] for place in kp.INDEX.values()] == list(kp.INDEX)


def test_body_25_is_mapped_by_name_and_its_mid_hip_dropped():
    theirs = BODY_25.lower().split()
    taken = [theirs[place] for place in kp.FROM_BODY_25]
    assert taken == [openpose_name(name) for name in kp.NAMES]
    assert "midhip" not in taken


def test_mirror_swaps_the_sides_and_undoes_itself():
    assert [kp.MIRROR[place] for place in kp.MIRROR] == list(range(18))
    for name, place in kp.INDEX.items():
        other = kp.NAMES[kp.MIRROR[place]]
        if "_" not in name:
            assert other == name
        else:
            assert {name.split("_")[0], other.split("_")[0]} == {"left", "right"}
            assert name.split("_")[1] == other.split("_")[1]


def test_mirror_is_the_table_that_the_field_knows():
    swapped = [(2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)]
    for right, left in swapped:
        assert (kp.MIRROR[right], kp.MIRROR[left]) == (left, right)
    assert kp.MIRROR[0] == 0
    assert kp.MIRROR[1] == 1


def test_the_skeleton_is_symmetric_and_connects_all_keypoints():
    limbs = {frozenset(limb) for limb in kp.SKELETON}
    assert {frozenset(kp.MIRROR[end] for end in limb) for limb in limbs} == limbs
    reached = {0}
    for _ in limbs:
        reached |= {end for limb in limbs if limb & reached for end in limb}
    assert reached == set(range(18))


def test_has_torso_needs_both_shoulders_and_both_hips():
    torso = ["right_shoulder", "left_shoulder", "right_hip", "left_hip"]
    pose = kp.missing_pose()
    pose[[kp.INDEX[name] for name in torso]] = (3, 4, 0.1)
    assert kp.has_torso(pose)
    for name in torso:
        without = pose.copy()
        without[kp.INDEX[name], 2] = 0
        assert not kp.has_torso(without)
    everything_else = np.full((18, 3), 5, np.float32)
    everything_else[[kp.INDEX[name] for name in torso]] = 0
    assert not kp.has_torso(everything_else)


@pytest.mark.parametrize(
    "point",
    [
        (np.nan, 1, 1),
        (1, np.inf, 1),
        (1, 2, np.nan),
        (1, 2, -np.inf),
        (7, 8, 0),
        (7, 8, -0.5),
        (1e39, 2, 1),
    ],
)
def test_clean_zeroes_what_was_not_found(point):
    pose = np.tile(np.float64([3, 4, 0.5]), (18, 1))
    pose[6] = point
    before = pose.copy()
    with np.errstate(over="ignore"):
        cleaned = kp.clean(pose)
    assert cleaned.dtype == np.float32
    assert cleaned[6].tolist() == [0, 0, 0]
    assert np.delete(cleaned, 6, axis=0).tolist() == [[3, 4, 0.5]] * 17
    np.testing.assert_array_equal(pose, before)


def test_clean_keeps_places_outside_the_image():
    pose = np.tile(np.float32([-3.5, 4000, 0.01]), (18, 1))
    np.testing.assert_array_equal(kp.clean(pose), pose)


def test_found_works_on_batches():
    poses = np.zeros((4, 18, 3), np.float32)
    poses[2, 7, 2] = 0.3
    assert np.argwhere(kp.found(poses)).tolist() == [[2, 7]]


@pytest.mark.parametrize(
    ("size", "new_size", "place", "expected"),
    [
        ((10, 10), (20, 20), (0, 0), (0.5, 0.5)),
        ((10, 10), (20, 20), (9, 9), (18.5, 18.5)),
        ((10, 10), (5, 5), (0, 0), (-0.25, -0.25)),
        ((10, 20), (30, 20), (19, 9), (19, 28)),
        ((8, 8), (24, 8), (3, 3), (3, 10)),
    ],
)
def test_resize_keeps_pixel_centres(size, new_size, place, expected):
    pose = kp.missing_pose()
    pose[5] = (*place, 0.7)
    moved = kp.resize(pose, size=size, new_size=new_size)
    np.testing.assert_allclose(moved[5], (*expected, 0.7), rtol=1e-6)
    assert not moved[np.arange(18) != 5].any()


def test_resize_there_and_back_is_where_it_was():
    rng = np.random.default_rng(0)
    pose = kp.clean(np.concatenate([rng.random((18, 2)) * 60, np.ones((18, 1))], 1))
    there = kp.resize(pose, size=(61, 47), new_size=(256, 131))
    back = kp.resize(there, size=(256, 131), new_size=(61, 47))
    np.testing.assert_allclose(back, pose, atol=1e-4)


@pytest.mark.parametrize("new_size", [(128, 64), (33, 90), (300, 211), (40, 201)])
def test_a_dot_is_where_its_keypoint_is_after_the_image_was_resized(new_size):
    size, (x, y) = (100, 80), (31.0, 64.0)
    rows, columns = np.mgrid[: size[0], : size[1]]
    dot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4**2))
    picture = Image.fromarray(dot.astype(np.float32))
    image = np.asarray(picture.resize(new_size[::-1], Image.Resampling.BILINEAR))
    rows, columns = np.mgrid[: new_size[0], : new_size[1]]
    centre = (columns * image).sum() / image.sum(), (rows * image).sum() / image.sum()

    pose = kp.missing_pose()
    pose[0] = (x, y, 1)
    moved = kp.resize(pose, size=size, new_size=new_size)
    np.testing.assert_allclose(moved[0, :2], centre, atol=0.05)
