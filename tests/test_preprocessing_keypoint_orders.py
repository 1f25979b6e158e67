"""Orders of keypoints: each becomes COCO-18, by name; the neck is found or made."""

import numpy as np
import pytest

from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats.people import ORDERS, recognise, to_coco_18
from preprocessing.system.errors import InputError

FACE = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
BODY = [
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
COCO_17 = FACE + BODY
HALPE_26 = [*COCO_17, "head", "neck", "hip", *["foot"] * 6]
ARMS, LEGS = ["shoulder", "elbow", "wrist"], ["hip", "knee", "ankle"]
BODY_25 = [
    *["nose", "neck"],
    *[f"{side}_{joint}" for side in ("right", "left") for joint in ARMS],
    "middle_hip",
    *[f"{side}_{joint}" for side in ("right", "left") for joint in LEGS],
    *["right_eye", "left_eye", "right_ear", "left_ear"],
    *["foot"] * 6,
]
LISTS = {
    "coco18": list(kp.NAMES),
    "body25": BODY_25,
    "coco17": COCO_17,
    "halpe26": HALPE_26,
    "halpe68": HALPE_26 + ["hand"] * 42,
    "halpe136": HALPE_26 + ["face"] * 68 + ["hand"] * 42,
    "wholebody133": COCO_17 + ["foot"] * 6 + ["face"] * 68 + ["hand"] * 42,
    "mediapipe33": [
        *["nose", "other", "left_eye", "other", "other", "right_eye", "other"],
        *["left_ear", "right_ear", "mouth", "mouth", *BODY[:6], *["hand"] * 6],
        *[*BODY[6:], *["foot"] * 4],
    ],
    "body25b": [*COCO_17, "upper_neck", "head_top", *["foot"] * 6],
    "body135": COCO_17 + ["other"] * 118,
}


def listed(names):
    """Returns keypoints in this order; where each lies tells what it is."""
    known = {
        name: (7 * n + 3, 100 + n, 0.5 + n / 100) for n, name in enumerate(kp.NAMES)
    }
    return np.array([known.get(name, (999, 999, 1)) for name in names])


@pytest.mark.parametrize("order", ORDERS)
def test_every_keypoint_is_taken_by_its_name(order):
    names = LISTS[order]
    assert ORDERS[order].count == len(names)
    expected = listed(kp.NAMES)
    if "neck" not in names:
        right, left = expected[kp.INDEX["right_shoulder"]], expected[5]
        expected[1] = [*(right[:2] + left[:2]) / 2, min(right[2], left[2])]
    pose = to_coco_18(listed(names), ORDERS[order])
    assert pose.dtype == np.float32
    np.testing.assert_allclose(pose, expected, rtol=1e-6)


@pytest.mark.parametrize("lost", ["left_shoulder", "right_shoulder"])
@pytest.mark.parametrize("value", [(50, 50, 0), (50, 50, -1), (0, 0, 0)])
def test_without_both_shoulders_there_is_no_neck(lost, value):
    keypoints = listed(COCO_17)
    keypoints[COCO_17.index(lost)] = value
    pose = to_coco_18(keypoints, ORDERS["coco17"])
    assert np.flatnonzero(~kp.found(pose)).tolist() == [1, kp.INDEX[lost]]
    assert not pose[1].any()


def test_a_neck_that_was_looked_for_and_not_found_is_not_made_up():
    keypoints = listed(HALPE_26)
    keypoints[18] = 0
    assert not to_coco_18(keypoints, ORDERS["halpe26"])[1].any()


@pytest.mark.parametrize(
    ("count", "order"),
    [
        (18, "coco18"),
        (25, "body25"),
        (17, "coco17"),
        (26, "halpe26"),
        (68, "halpe68"),
        (133, "wholebody133"),
        (135, "body135"),
        (136, "halpe136"),
    ],
)
def test_an_order_is_recognised_by_its_count(count, order):
    assert recognise("here", count) == ORDERS[order]


def test_an_order_can_be_forced_where_its_count_fits():
    assert recognise("here", 25, "body25b") == ORDERS["body25b"]
    with pytest.raises(InputError, match="here has 18 keypoints, BODY_25 has 25"):
        recognise("here", 18, "body25")


@pytest.mark.parametrize(("count", "model"), [(15, "MPI"), (16, "MPII"), (14, "Crowd")])
def test_models_without_a_face_are_refused_with_the_reason(count, model):
    with pytest.raises(InputError, match=rf"here has {count} .*{model}.*eyes and ears"):
        recognise("here", count)


@pytest.mark.parametrize("count", [0, 1, 19, 70])
def test_other_counts_are_refused_with_what_is_allowed(count):
    with pytest.raises(
        InputError, match=rf"here has {count} keypoints; allowed are 18"
    ):
        recognise("here", count)
