"""What every format is parsed to: the people of each image, as the file has them."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


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
