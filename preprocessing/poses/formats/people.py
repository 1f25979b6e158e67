"""What every format is parsed to: the people of each image, as the file has them."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.system import files
from preprocessing.system.errors import InputError

# Of COCO-17 and COCO-18; neither is three times the length of a known order.
_LENGTHS_OF_PAIRS = (34, 36)


class Person(NamedTuple):
    """One person as a file has them.

    Attributes:
        where: names file and person in messages.
        keypoints: float [K, 3]: x, y and confidence, in the file's order and scale.
        score: how sure the estimator is, or None where the file does not say.
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
        images: the people in each image. An image is known by its name; by a number
            that a table of images has; or, where a file is of one image and named
            after it, as None.
        names: such a table: the names of numbered images.
        sizes: height and width of images, by the keys of `images` and of `names`, if
            the file declares them: the keypoints are in pixels of that size.
        scale: `normalized` for a format whose coordinates usually are shares of the
            image's width and height.
    """

    images: dict[str | int | None, list[Person]]
    names: dict[int, str] = field(default_factory=dict)
    sizes: dict[str | int | None, tuple[int, int]] = field(default_factory=dict)
    scale: str = "auto"


def numbers(where: str, values: object) -> list[float]:
    """Returns `values`, or raises `InputError` where they are no list of numbers."""
    if not isinstance(values, list):
        raise InputError(f"{where} has no list of keypoints, but {files.shown(values)}")
    if not all(map(kp.is_number, values)):
        raise InputError(f"{where}: its keypoints are not all numbers")
    return values


def person(where: str, values: object, score: float | None = None) -> Person:
    """Returns the person of a flat list x, y, confidence, x, y, confidence, ...

    A list of 34 or 36 numbers is x, y, x, y, ... of 17 or 18 keypoints.

    Args:
        where: names file and person in messages.
        values: the list.
        score: the person's score.

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
        fields: the object.
        height: name of the field with the height.
        width: name of the field with the width.
    """
    tall, wide = fields.get(height), fields.get(width)
    if not kp.is_number(tall) or not kp.is_number(wide):
        return None
    size = round(tall), round(wide)  # type: ignore[arg-type]
    return size if min(size) > 0 else None


def score(where: str, fields: dict, key: str) -> float | None:
    """Returns a person's score, or None where the file gives none.

    Raises:
        InputError: it is no number.
    """
    value = fields.get(key)
    if value is not None and not kp.is_number(value):
        raise InputError(f"{where}: its {key} is no number, but {files.shown(value)}")
    return value
