"""Named poses and motions of a body with average proportions."""

from collections.abc import Callable
from dataclasses import replace
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
# Height and width of the image that the poses belong to.
SIZE = (256, 128)
FRAMES_PER_SECOND = 12.0
FRAMES = 16


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
    """Returns the joint angles of the pose with a name of `NAMES`."""
    return _POSES[name]


def named_pose(name: str) -> np.ndarray:
    """Returns the pose with a name of `NAMES`, float32 [18, 3], in pixels of `SIZE`."""
    posed = body_pose(name)
    skeleton = pose_body(AVERAGE, posed)
    scale, origin = place_in_picture(skeleton, posed, size=SIZE)
    return body_keypoints(skeleton, scale=scale, origin=origin)


# === Motions ===

# A leg during a stride, from heel strike: thigh forward and knee bend, in degrees.
_WALKING = ((24, 7), (5, 4), (-15, 18), (8, 42))
_RUNNING = ((40, 30), (8, 22), (-24, 38), (14, 98))


def _stride(
    phase: float, *, facing: str, legs: tuple, swing: float, bend: float, lean: float
) -> BodyPose:
    right, left = (_leg(phase + turn, legs) for turn in (0.0, 0.5))
    # An arm swings back while the leg on its side swings forward.
    back = swing * np.cos(2 * np.pi * phase)
    return replace(
        body_pose(f"standing-{facing}"),
        right_leg=right,
        left_leg=left,
        right_arm=(7, -back, 3, -back + bend),
        left_arm=(7, back, 3, back + bend),
        lean=lean,
    )


def _leg(phase: float, path: tuple) -> tuple[float, ...]:
    stations = np.linspace(0, 1, len(path), endpoint=False)
    forward, bend = (
        float(np.interp(phase, stations, angles, period=1))
        for angles in zip(*path, strict=True)
    )
    return (1.0, forward, bend)


def _wave(phase: float) -> BodyPose:
    swing = 24 * np.sin(2 * np.pi * phase)
    return replace(body_pose("standing"), left_arm=(72, 5, 168 + swing, 0))


def _walk(phase: float) -> BodyPose:
    return _stride(phase, facing="right", legs=_WALKING, swing=22, bend=18, lean=4)


def _run(phase: float) -> BodyPose:
    return _stride(phase, facing="right", legs=_RUNNING, swing=38, bend=80, lean=11)


_MOTIONS: MappingProxyType[str, Callable[[float], BodyPose]] = MappingProxyType(
    {"walk": _walk, "run": _run, "wave": _wave}
)
MOTIONS = tuple(_MOTIONS)


def motion(name: str) -> np.ndarray:
    """Returns one period of a motion of `MOTIONS`.

    Returns:
        Poses, float32 [FRAMES, 18, 3], in pixels of an image of `SIZE`, at one scale.
        Played at `FRAMES_PER_SECOND`, the last frame leads back to the first.
    """
    posed = [_MOTIONS[name](frame / FRAMES) for frame in range(FRAMES)]
    skeletons = [pose_body(AVERAGE, pose) for pose in posed]
    placed = [
        place_in_picture(skeleton, pose, size=SIZE)
        for skeleton, pose in zip(skeletons, posed, strict=True)
    ]
    scale = min(scale for scale, _ in placed)
    origin = np.median([origin for _, origin in placed], axis=0)
    poses = [body_keypoints(s, scale=scale, origin=origin) for s in skeletons]
    return np.stack(poses)
