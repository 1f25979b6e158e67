"""Motions with a name: sequences of poses of the drawn people's average body."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from pg2_tf.posing import named_poses as named
from preprocessing.synthetic.poses import BodyPose
from preprocessing.synthetic.skeleton import body_keypoints, place_in_picture, pose_body

FRAMES_PER_SECOND = 12.0
FRAMES = 16

# A leg's way through a stride, from its heel's touch on: thigh forward, knee's bend.
_WALKING = ((24, 7), (5, 4), (-15, 18), (8, 42))
_RUNNING = ((40, 30), (8, 22), (-24, 38), (14, 98))


def _stride(
    phase: float, *, facing: str, legs: tuple, swing: float, bend: float, lean: float
) -> BodyPose:
    right, left = (_leg(phase + turn, legs) for turn in (0.0, 0.5))
    # An arm goes back as the leg of its side comes forward.
    back = swing * np.cos(2 * np.pi * phase)
    return replace(
        named.body_pose(f"standing-{facing}"),
        right_leg=right,
        left_leg=left,
        right_arm=(7, -back, 3, -back + bend),
        left_arm=(7, back, 3, back + bend),
        lean=lean,
    )


def _leg(phase: float, way: tuple) -> tuple[float, ...]:
    stations = np.linspace(0, 1, len(way), endpoint=False)
    forward, bend = (
        float(np.interp(phase, stations, angles, period=1))
        for angles in zip(*way, strict=True)
    )
    return (1.0, forward, bend)


def _wave(phase: float) -> BodyPose:
    swing = 24 * np.sin(2 * np.pi * phase)
    return replace(named.body_pose("standing"), left_arm=(72, 5, 168 + swing, 0))


def _walk(phase: float) -> BodyPose:
    return _stride(phase, facing="right", legs=_WALKING, swing=22, bend=18, lean=4)


def _run(phase: float) -> BodyPose:
    return _stride(phase, facing="right", legs=_RUNNING, swing=38, bend=80, lean=11)


_MOTIONS: MappingProxyType[str, Callable[[float], BodyPose]] = MappingProxyType(
    {"walk": _walk, "run": _run, "wave": _wave}
)
NAMES = tuple(_MOTIONS)


def motion(name: str) -> np.ndarray:
    """Returns a motion of `NAMES`, one period of it.

    Returns:
        float32 [FRAMES, 18, 3], in an image of `named.SIZE` pixels, all frames in one
        scale, to be shown `FRAMES_PER_SECOND` and over again.
    """
    posed = [_MOTIONS[name](frame / FRAMES) for frame in range(FRAMES)]
    skeletons = [pose_body(named.AVERAGE, pose) for pose in posed]
    placed = [
        place_in_picture(skeleton, pose, size=named.SIZE)
        for skeleton, pose in zip(skeletons, posed, strict=True)
    ]
    scale = min(scale for scale, _ in placed)
    origin = np.median([origin for _, origin in placed], axis=0)
    poses = [body_keypoints(s, scale=scale, origin=origin) for s in skeletons]
    return np.stack(poses)
