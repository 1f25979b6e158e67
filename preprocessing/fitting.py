"""Fits an image of any size, and the pose in it, into the size of a model."""

from typing import NamedTuple

import cv2
import numpy as np

from preprocessing import keypoints as kp
from preprocessing.images import resize


class Fit(NamedTuple):
    """How a picture was padded before it was resized.

    Attributes:
        size: height and width of the picture.
        top, left: rows and columns added there.
        padded: height and width with what was added on all sides.
        new_size: height and width it is resized to.
    """

    size: tuple[int, int]
    top: int
    left: int
    padded: tuple[int, int]
    new_size: tuple[int, int]


def fit(size: tuple[int, int], new_size: tuple[int, int]) -> Fit:
    """Centres a picture of `size` in the smallest frame of `new_size`'s proportions."""
    height, width = size
    wanted = new_size[1] / new_size[0]
    if width / height < wanted:
        padded = (height, max(width, round(height * wanted)))
    else:
        padded = (max(height, round(width / wanted)), width)
    top, left = (padded[0] - height) // 2, (padded[1] - width) // 2
    return Fit(size, top, left, padded, new_size)


def fit_image(image: np.ndarray, fitted: Fit) -> np.ndarray:
    """Pads uint8 [H, W, 3] by repeating its border and resizes it."""
    height, width = fitted.size
    bottom = fitted.padded[0] - height - fitted.top
    right = fitted.padded[1] - width - fitted.left
    framed = cv2.copyMakeBorder(
        image, fitted.top, bottom, fitted.left, right, cv2.BORDER_REPLICATE
    )
    return resize(framed, fitted.new_size)


def fit_pose(pose: np.ndarray, fitted: Fit) -> np.ndarray:
    """Moves a pose, float32 [18, 3], with the picture that it is of."""
    moved = pose.copy()
    moved[:, :2] += (fitted.left, fitted.top)
    return kp.resize(kp.clean(moved), size=fitted.padded, new_size=fitted.new_size)
