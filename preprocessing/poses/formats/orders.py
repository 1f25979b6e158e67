"""The orders in which estimators list keypoints, and how each becomes ours."""

from dataclasses import dataclass

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

COCO_17 = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)


@dataclass(frozen=True)
class Order:
    """An order of keypoints.

    Attributes:
        title: how a report names it.
        count: how many keypoints it has.
        index: where each of our 18 stands in it. A neck of None is the middle of the
            shoulders where both were found, as sure as the less sure of them.
    """

    title: str
    count: int
    index: tuple[int | None, ...]


def _from_coco_17(title: str, count: int, *, neck: int | None = None) -> Order:
    index = [neck if n == "neck" else COCO_17.index(n) for n in kp.NAMES]
    return Order(title, count, tuple(index))


_MEDIAPIPE = {
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    "left_shoulder": 11,
    "right_shoulder": 12,
    "left_elbow": 13,
    "right_elbow": 14,
    "left_wrist": 15,
    "right_wrist": 16,
    "left_hip": 23,
    "right_hip": 24,
    "left_knee": 25,
    "right_knee": 26,
    "left_ankle": 27,
    "right_ankle": 28,
}
_MEDIAPIPE_33 = tuple(_MEDIAPIPE.get(name) for name in kp.NAMES)

# An order is recognised by its count: the first that has so many.
ORDERS = {
    "coco18": Order("COCO-18", kp.NUM_KEYPOINTS, tuple(range(kp.NUM_KEYPOINTS))),
    "body25": Order("BODY_25", 25, kp.FROM_BODY_25),
    "coco17": _from_coco_17("COCO-17", 17),
    "halpe26": _from_coco_17("Halpe-26", 26, neck=18),
    "halpe68": _from_coco_17("Halpe-68", 68, neck=18),
    "halpe136": _from_coco_17("Halpe-136", 136, neck=18),
    "wholebody133": _from_coco_17("COCO-WholeBody-133", 133),
    "mediapipe33": Order("MediaPipe-33", 33, _MEDIAPIPE_33),
    # OpenPose's experimental models; their neck is higher up than ours.
    "body25b": _from_coco_17("BODY_25B", 25),
    "body135": _from_coco_17("BODY_135", 135),
}

_WITHOUT_FACE = {
    14: "those of CrowdPose or AI Challenger",
    15: "OpenPose's MPI model",
    16: "MPII's",
}


def recognise(where: str, count: int, forced: str = "auto") -> Order:
    """Returns the order of so many keypoints.

    Args:
        where: names the person in messages.
        count: how many keypoints there are.
        forced: a key of `ORDERS`, or `auto`.

    Raises:
        InputError: no order has so many, or the forced one has not.
    """
    if forced != "auto":
        order = ORDERS[forced]
        if count != order.count:
            raise InputError(
                f"{where} has {count} keypoints, {order.title} has {order.count}"
            )
        return order
    for order in ORDERS.values():
        if count == order.count:
            return order
    if count in _WITHOUT_FACE:
        raise InputError(
            f"{where} has {count} keypoints, {_WITHOUT_FACE[count]}: eyes and ears are "
            "missing; use a model of COCO's keypoints (OpenPose: --model_pose COCO or "
            "BODY_25)"
        )
    known = ", ".join(f"{order.count} ({name})" for name, order in ORDERS.items())
    raise InputError(f"{where} has {count} keypoints; allowed are {known}")


def to_coco_18(keypoints: np.ndarray, order: Order) -> np.ndarray:
    """Returns keypoints [K, 3] of some order as a pose, float32 [18, 3]."""
    keypoints = kp.clean(keypoints)
    pose = keypoints[[0 if place is None else place for place in order.index]]
    if order.index[kp.INDEX["neck"]] is None:
        pose[kp.INDEX["neck"]] = _between(
            pose[kp.INDEX["right_shoulder"]], pose[kp.INDEX["left_shoulder"]]
        )
    return pose


def _between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if not (kp.found(first) and kp.found(second)):
        return np.zeros(3, np.float32)
    x, y, _ = (first + second) / 2
    return np.array([x, y, min(first[2], second[2])], np.float32)
