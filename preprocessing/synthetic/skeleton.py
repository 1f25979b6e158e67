"""The articulated skeleton: a pose's joints in space, and in the picture.

Lengths are in body heights. Space is the viewer's: x to the right, y down, z away
from the viewer. A frame is a 3 x 3 matrix whose columns point to the person's left,
downwards along the body, and forwards.
"""

from dataclasses import dataclass

import numpy as np

from preprocessing.poses import keypoints
from preprocessing.synthetic.poses import BodyPose

# The viewer stands a little above: what is nearer appears lower by this much.
_VIEW_SLOPE = 0.13
_CHIN_TO_NECK = 0.034
_ELLIPSOID = np.array([0.05, 0.069, 0.058])
# Face keypoints: azimuth towards the person's left, height (down), radius; in head
# radii, and how far they may be turned away (cosine) before they are hidden.
_FACE = {
    "nose": (0, 0.18, 1.12, -0.12),
    "right_eye": (-27, -0.1, 1.0, 0.02),
    "left_eye": (27, -0.1, 1.0, 0.02),
    "right_ear": (-94, 0.05, 0.98, -0.4),
    "left_ear": (94, 0.05, 0.98, -0.4),
}
# Space around a joint that the drawn body needs, in body heights.
_ROOM = {
    "shoulder": 0.04,
    "elbow": 0.034,
    "hand": 0.02,
    "hip": 0.07,
    "knee": 0.05,
    "toe": 0.028,
    "heel": 0.03,
}


@dataclass(frozen=True)
class Proportions:
    """How one body differs from the average; each is a factor around 1."""

    head: float
    shoulders: float
    hips: float
    torso: float
    arms: float
    legs: float
    build: float


@dataclass(frozen=True)
class Skeleton:
    """A posed body in space.

    Attributes:
        joints: Name to place, float64 [3]; the body keypoints' names, visible face
            keypoints, and "head", "mid_hip", "left_hand", "left_heel", "left_toe"...
        hips: The hips' frame, float64 [3, 3].
        chest: The chest's frame.
        head: The head's frame.
        head_radii: Half extents of the head along its frame, float64 [3].
    """

    joints: dict[str, np.ndarray]
    hips: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    head_radii: np.ndarray


def pose_body(proportions: Proportions, body_pose: BodyPose) -> Skeleton:
    """Returns the skeleton of a body with these proportions in this pose."""
    hips = _turned(body_pose.yaw)
    yaw = body_pose.yaw + body_pose.twist
    chest = _turned(yaw) @ _swayed(body_pose.sway) @ _leant(body_pose.lean)
    head = _turned(yaw + body_pose.head_yaw) @ _swayed(
        body_pose.sway + body_pose.head_tilt
    )
    radii = _ELLIPSOID * proportions.head
    joints = {"mid_hip": np.zeros(3)}
    joints["neck"] = -0.285 * proportions.torso * chest[:, 1]
    rise = _CHIN_TO_NECK + radii[1]
    joints["head"] = joints["neck"] - rise * head[:, 1] + 0.012 * head[:, 2]
    for side, name in ((1, "left"), (-1, "right")):
        arm = getattr(body_pose, f"{name}_arm")
        leg = getattr(body_pose, f"{name}_leg")
        _add_arm(joints, proportions, chest, arm, side=side, name=name)
        _add_leg(joints, proportions, hips, leg, side=side, name=name)
    _add_face(joints, head, radii)
    return Skeleton(joints, hips, chest, head, radii)


def place_in_picture(
    skeleton: Skeleton, body_pose: BodyPose, *, size: tuple[int, int]
) -> tuple[float, np.ndarray]:
    """Returns pixels per body height, and the middle of the hips in pixels [2]."""
    joints = skeleton.joints
    room = {name: _ROOM.get(name.split("_")[-1], 0.0) for name in joints}
    flat = np.array([flatten(joint) for joint in joints.values()])
    reach = np.array(list(room.values()))[:, None]
    around = 1.13 * np.stack([skeleton.head_radii[:2]] * 2).max(axis=0)
    head = flatten(joints["head"])
    low = np.minimum((flat - reach).min(axis=0), head - around)
    high = np.maximum((flat + reach).max(axis=0), head + around)
    picture = np.array([size[1], size[0]], float)
    allowed = picture * (0.94, body_pose.height)
    scale = float((allowed / (high - low)).min())
    free = (picture - scale * (high - low)) / 2
    # More than this off the centre would not look like a pedestrian crop.
    shift = np.array(body_pose.shift) * np.minimum(0.8 * free, 0.05 * size[0])
    middle = (picture - 1) / 2 + shift
    return scale, middle - scale * (low + high) / 2


def body_keypoints(
    skeleton: Skeleton, *, scale: float, origin: np.ndarray
) -> np.ndarray:
    """Returns the pose in pixels, float32 [18, 3]; hidden face keypoints are zeros."""
    pose = keypoints.missing_pose()
    for index, name in enumerate(keypoints.NAMES):
        if name in skeleton.joints:
            pose[index, :2] = origin + scale * flatten(skeleton.joints[name])
            pose[index, 2] = 1
    return pose


def flatten(joint: np.ndarray) -> np.ndarray:
    """Returns where a place [3] in space appears in the picture's plane [2]."""
    return np.array([joint[0], joint[1] - _VIEW_SLOPE * joint[2]])


def _add_arm(joints, proportions, chest, angles, *, side, name):
    upper_out, upper_forward, fore_out, fore_forward = angles
    upper = _direction(upper_out, upper_forward, side=side)
    fore = _direction(fore_out, fore_forward, side=side)
    # A raised arm lifts its shoulder and draws it in.
    lift = 0.035 * max(0.0, -upper[1])
    shoulder = np.array([side * (0.097 * proportions.shoulders - 0.4 * lift), 0, 0])
    shoulder[1] = 0.02 - lift
    joints[f"{name}_shoulder"] = joints["neck"] + chest @ shoulder
    length = proportions.arms
    elbow = joints[f"{name}_shoulder"] + 0.16 * length * (chest @ upper)
    joints[f"{name}_elbow"] = elbow
    joints[f"{name}_wrist"] = elbow + 0.142 * length * (chest @ fore)
    joints[f"{name}_hand"] = elbow + 0.19 * length * (chest @ fore)


def _add_leg(joints, proportions, hips, angles, *, side, name):
    out, forward, bend = angles
    thigh = hips @ _direction(out, forward, side=side)
    shin = hips @ _direction(out * 0.5, forward - bend, side=side)
    length = proportions.legs
    joints[f"{name}_hip"] = hips @ np.array([side * 0.048 * proportions.hips, 0, 0])
    joints[f"{name}_knee"] = joints[f"{name}_hip"] + 0.245 * length * thigh
    ankle = joints[f"{name}_knee"] + 0.232 * length * shin
    joints[f"{name}_ankle"] = ankle
    # The foot follows the shin only in part: a trailing foot stands on its toes.
    pitch = np.radians(0.75 * (forward - bend) + (4 if forward < bend else 0))
    outward = np.radians(14)
    sole = np.array([np.sin(outward) * side, -np.sin(pitch), np.cos(outward)])
    down = hips @ np.array([0, np.cos(pitch), np.sin(pitch)])
    joints[f"{name}_heel"] = ankle + 0.026 * down - 0.012 * (hips @ sole)
    joints[f"{name}_toe"] = joints[f"{name}_heel"] + 0.1 * (hips @ sole)


def _add_face(joints, head, radii):
    for name, (azimuth, height, radius, limit) in _FACE.items():
        turn = np.radians(azimuth)
        ring = np.sqrt(1 - height**2) * radius
        place = np.array([ring * np.sin(turn), height, ring * np.cos(turn)])
        towards = -(head @ np.array([np.sin(turn), 0, np.cos(turn)]))[2]
        if towards > limit:
            joints[name] = joints["head"] + head @ (radii * place)


def _direction(out: float, forward: float, *, side: int) -> np.ndarray:
    """Returns the unit vector, in a frame, of a limb that hangs down at 0, 0."""
    out, forward = np.radians(out), np.radians(forward)
    return np.array(
        [
            side * np.sin(out),
            np.cos(out) * np.cos(forward),
            np.cos(out) * np.sin(forward),
        ]
    )


def _turned(yaw: float) -> np.ndarray:
    sine, cosine = np.sin(np.radians(yaw)), np.cos(np.radians(yaw))
    return np.array([[cosine, 0, sine], [0, 1, 0], [sine, 0, -cosine]])


def _swayed(angle: float) -> np.ndarray:
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _leant(angle: float) -> np.ndarray:
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    return np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
