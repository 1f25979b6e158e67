"""Squares of an image, for a network that takes square images."""

from typing import NamedTuple

import cv2
import numpy as np

from preprocessing.images import image_files as images

# Margin around a person's keypoints, which end at the eyes and ankles.
_MARGIN = 1.25


class Square(NamedTuple):
    """A square in pixels of an image; it may reach beyond the image's border."""

    left: int
    top: int
    side: int


def whole(size: tuple[int, int]) -> Square:
    """Returns the smallest square around an image of `size` (height, width)."""
    return _around_centre(size[1] / 2, size[0] / 2, max(size))


def parts(size: tuple[int, int], *, smallest: int) -> list[Square]:
    """Returns squares half as wide as `whole` that overlap by half and cover the image.

    Args:
        size: Height and width of the image.
        smallest: Least side in pixels.
    """
    side = max(size) // 2
    if side < smallest:
        return []
    tops, lefts = (_starts(length, side) for length in size)
    return [Square(left, top, side) for top in tops for left in lefts]


def around(points: np.ndarray) -> Square:
    """Returns the square around points [N, 2] (x, y in pixels), with a margin."""
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (low + high + 1) / 2
    return _around_centre(x, y, max(1, round(_MARGIN * float((high - low).max()))))


def cut(image: np.ndarray, square: Square, side: int) -> np.ndarray:
    """Cuts a square out of an image; pixels beyond the border are black.

    Args:
        image: uint8 [H, W, 3].
        square: Square to cut out; a part of it lies in the image.
        side: Side of the result in pixels.

    Returns:
        uint8 [side, side, 3].
    """
    height, width = image.shape[:2]
    left, top = max(square.left, 0), max(square.top, 0)
    right = min(square.left + square.side, width)
    bottom = min(square.top + square.side, height)
    padded = cv2.copyMakeBorder(
        image[top:bottom, left:right],
        top - square.top,
        square.top + square.side - bottom,
        left - square.left,
        square.left + square.side - right,
        cv2.BORDER_CONSTANT,
    )
    return images.resize(padded, (side, side))


def _around_centre(x: float, y: float, side: int) -> Square:
    return Square(round(x - side / 2), round(y - side / 2), side)


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [(length - side) // 2]
    steps = -(-(length - side) // (side // 2))
    return [round(start) for start in np.linspace(0, length - side, steps + 1)]
