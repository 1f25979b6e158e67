"""People in pose files, and the conversion of their keypoints to COCO-18."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.system import files
from preprocessing.system.errors import InputError

# The scale of coordinates that are shares of the image's width and height.
NORMALIZED = "normalized"
# Of COCO-17 and COCO-18; neither is three times the length of a known order.
_LENGTHS_OF_PAIRS = (34, 36)


class Person(NamedTuple):
    """One person in a file.

    Attributes:
        where: File and person, for messages.
        keypoints: float [K, 3]: x, y and confidence, in the file's order and scale.
        score: Score of the estimator, or None if the file has none.
        has_confidence: False if the file gives x and y alone, so that the confidence
            in `keypoints` is 1 or 0.
    """

    where: str
    keypoints: np.ndarray
    score: float | None = None
    has_confidence: bool = True


@dataclass(frozen=True)
class Parsed:
    """The people in a file.

    Attributes:
        images: The people in each image. An image is known by its name; by a number
            that a table of images has; or, where a file is of one image and named
            after it, as None.
        names: Names of numbered images, if the file has such a table.
        sizes: Height and width of images, by the keys of `images` and of `names`, if
            the file declares them: the keypoints are in pixels of that size.
        scale: `normalized` for a format whose coordinates usually are shares of the
            image's width and height.
    """

    images: dict[str | int | None, list[Person]]
    names: dict[int, str] = field(default_factory=dict)
    sizes: dict[str | int | None, tuple[int, int]] = field(default_factory=dict)
    scale: str = "auto"


def numbers(where: str, values: object) -> list[float]:
    """Returns `values`, or raises `InputError` if they are not a list of numbers."""
    if not isinstance(values, list):
        raise InputError(f"{where} has no list of keypoints, but {files.shown(values)}")
    if not all(map(kp.is_number, values)):
        raise InputError(f"{where}: some keypoints are not numbers")
    return values


def person(where: str, values: object, score: float | None = None) -> Person:
    """Returns a person from a flat list x, y, confidence, x, y, confidence, ...

    A list of 34 or 36 numbers is x, y, x, y, ... of 17 or 18 keypoints.

    Args:
        where: File and person, for messages.
        values: The list.
        score: The person's score.

    Raises:
        InputError: `values` is no such list.
    """
    flat = np.array(numbers(where, values), np.float64)
    if len(flat) in _LENGTHS_OF_PAIRS:
        keypoints = without_confidence(flat.reshape(-1, 2))
        return Person(where, keypoints, score, has_confidence=False)
    if len(flat) % 3:
        raise InputError(
            f"{where} has {len(flat)} numbers; expected x, y and confidence of each "
            "keypoint, or x and y of 17 or 18"
        )
    return Person(where, flat.reshape(-1, 3), score)


def without_confidence(places: np.ndarray) -> np.ndarray:
    """Returns x and y [K, 2] with a confidence, float64 [K, 3].

    It is 0 for keypoints at 0, 0 and for those with a negative coordinate, which mean
    that the keypoint was not found, else 1.
    """
    found = (places >= 0).all(axis=1) & (places > 0).any(axis=1)
    return np.column_stack([places, found.astype(np.float64)])


def declared_size(fields: dict, height: str, width: str) -> tuple[int, int] | None:
    """Returns height and width that an object declares, or None.

    Args:
        fields: The object.
        height: Name of the field with the height.
        width: Name of the field with the width.
    """
    tall, wide = fields.get(height), fields.get(width)
    if not kp.is_number(tall) or not kp.is_number(wide):
        return None
    size = round(tall), round(wide)  # type: ignore[arg-type]
    return size if min(size) > 0 else None


def score(where: str, fields: dict, key: str) -> float | None:
    """Returns the score of a person, or None if the file has none.

    Raises:
        InputError: The score is not a number.
    """
    value = fields.get(key)
    if value is not None and not kp.is_number(value):
        raise InputError(f"{where}: {key} is not a number, but {files.shown(value)}")
    return value


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
        title: Name in reports.
        count: Number of keypoints.
        index: Position of each of our 18 keypoints. A neck of None is the middle of the
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
    """Returns the order with a number of keypoints.

    Args:
        where: File and person, for messages.
        count: Number of keypoints.
        forced: A key of `ORDERS`, or `auto`.

    Raises:
        InputError: No order has so many, or the forced one has not.
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
    """Converts keypoints [K, 3] of an order to a pose, float32 [18, 3]."""
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
