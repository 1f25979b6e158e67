"""Poses with a name, of the drawn people's average body."""

from types import MappingProxyType

import numpy as np

from preprocessing.synthetic.poses import ARMS, FACINGS, LEGS, BodyPose
from preprocessing.synthetic.skeleton import (
    Proportions,
    body_keypoints,
    place_in_picture,
    pose_body,
)

AVERAGE = Proportions(head=1, shoulders=1, hips=1, torso=1, arms=1, legs=1, build=1)
# Height and width that the poses are placed in.
SIZE = (256, 128)


def _pose(
    *,
    facing: str = "front",
    legs: str | tuple = "standing",
    left_arm: str | tuple = "hanging",
    right_arm: str | tuple = "hanging",
    lean: float = 0.0,
) -> BodyPose:
    left_leg, right_leg = LEGS[legs] if isinstance(legs, str) else legs
    return BodyPose(
        facing=facing,
        yaw=FACINGS[facing],
        twist=0.0,
        lean=lean,
        sway=0.0,
        head_yaw=0.0,
        head_tilt=0.0,
        right_arm=ARMS[right_arm] if isinstance(right_arm, str) else right_arm,
        left_arm=ARMS[left_arm] if isinstance(left_arm, str) else left_arm,
        right_leg=right_leg,
        left_leg=left_leg,
        height=0.86,
        shift=(0.0, 0.0),
    )


_POSES = MappingProxyType(
    {
        "standing": _pose(),
        "standing-back": _pose(facing="back"),
        "standing-left": _pose(facing="left"),
        "standing-right": _pose(facing="right"),
        "walking": _pose(
            facing="front-right",
            legs="striding",
            left_arm=(7, -20, 3, 2),
            right_arm=(7, 20, 3, 42),
            lean=4,
        ),
        "walking-left": _pose(
            facing="left",
            legs="striding",
            left_arm=(7, -22, 3, 0),
            right_arm=(7, 22, 3, 44),
            lean=5,
        ),
        "running": _pose(
            facing="right",
            legs="running",
            left_arm=(8, -45, 0, 35),
            right_arm=(8, 30, 0, 110),
            lean=12,
        ),
        "hands-up": _pose(left_arm="up", right_arm="up"),
        "arms-out": _pose(left_arm=(85, 0, 88, 0), right_arm=(85, 0, 88, 0)),
        "arms-crossed": _pose(left_arm="folded", right_arm="folded"),
        "hands-on-hips": _pose(left_arm="on hip", right_arm="on hip", legs="wide"),
        "waving": _pose(left_arm="waving"),
        "sitting": _pose(
            facing="front-right",
            legs=((6, 82, 84), (6, 82, 84)),
            left_arm=(12, 12, -6, 62),
            right_arm=(12, 12, -6, 62),
        ),
    }
)
NAMES = tuple(_POSES)


def body_pose(name: str) -> BodyPose:
    """Returns the joint angles of a pose of `NAMES`."""
    return _POSES[name]


def named_pose(name: str) -> np.ndarray:
    """Returns a pose of `NAMES` in an image of `SIZE` pixels, float32 [18, 3]."""
    posed = body_pose(name)
    skeleton = pose_body(AVERAGE, posed)
    scale, origin = place_in_picture(skeleton, posed, size=SIZE)
    return body_keypoints(skeleton, scale=scale, origin=origin)
