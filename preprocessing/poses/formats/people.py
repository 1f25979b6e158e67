"""What every format is parsed to: the people of each image, as the file has them."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.system import content
from preprocessing.system.errors import InputError


class Person(NamedTuple):
    """One person as a file has them.

    Attributes:
        where: names file and person in messages.
        keypoints: float [K, 3]: x, y and confidence, in the file's order and scale.
        score: how sure the estimator is, or None where the file does not say.
    """

    where: str
    keypoints: np.ndarray
    score: float | None = None


@dataclass(frozen=True)
class Parsed:
    """The people in a file.

    Attributes:
        images: the people in each image. An image is known by its name; by a number
            that a table of images has; or, where a file is of one image and named
            after it, as None.
        names: such a table: the names of numbered images.
    """

    images: dict[str | int | None, list[Person]]
    names: dict[int, str] = field(default_factory=dict)


def numbers(where: str, values: object) -> list[float]:
    """Returns `values`, or raises `InputError` where they are no list of numbers."""
    if not isinstance(values, list):
        raise InputError(
            f"{where} has no list of keypoints, but {content.shown(values)}"
        )
    if not all(map(kp.is_number, values)):
        raise InputError(f"{where}: its keypoints are not all numbers")
    return values


def triples(where: str, values: object) -> np.ndarray:
    """Returns a list of x, y, confidence, x, y, ... as float64 [K, 3].

    Raises:
        InputError: it is no such list.
    """
    flat = numbers(where, values)
    if len(flat) % 3:
        raise InputError(f"{where} has {len(flat)} numbers, which are no x, y, c each")
    return np.reshape(np.array(flat, np.float64), (-1, 3))


def score(where: str, fields: dict, key: str) -> float | None:
    """Returns a person's score, or None where the file gives none.

    Raises:
        InputError: it is no number.
    """
    value = fields.get(key)
    if value is not None and not kp.is_number(value):
        raise InputError(f"{where}: its {key} is no number, but {content.shown(value)}")
    return value
