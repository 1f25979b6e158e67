"""Fits an image of any size, and the pose in it, into the size of a model."""

from typing import NamedTuple

import cv2
import numpy as np

from preprocessing import images
from preprocessing import keypoints as kp

MODES = ("pad", "stretch")


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


def fit(size: tuple[int, int], new_size: tuple[int, int], *, mode: str = "pad") -> Fit:
    """Says how a picture of `size` comes to `new_size`, both (height, width).

    Args:
        size: of the picture.
        new_size: wanted.
        mode: `pad`: centred in the smallest frame of the wanted proportions;
            `stretch`: without a frame, so that proportions may change.
    """
    height, width = size
    if mode == "stretch":
        return Fit(size, 0, 0, size, new_size)
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
    return images.resize(framed, fitted.new_size)


def fit_pose(pose: np.ndarray, fitted: Fit) -> np.ndarray:
    """Moves a pose, float32 [18, 3], with the picture that it is of."""
    moved = pose.copy()
    moved[:, :2] += (fitted.left, fitted.top)
    return kp.resize(kp.clean(moved), size=fitted.padded, new_size=fitted.new_size)


def fit_jpeg(
    content: bytes, new_size: tuple[int, int], *, name: str, mode: str = "pad"
) -> tuple[bytes, Fit]:
    """Fits an image file's bytes into `new_size`.

    Args:
        content: of the file, in any format that OpenCV reads.
        new_size: height and width wanted.
        name: of the file, for messages.
        mode: as in `fit`.

    Returns:
        JPEG bytes, and how the picture was fitted. A JPEG of the right size that
        needs no turning keeps its bytes; everything else is encoded anew.

    Raises:
        InputError: the image cannot be decoded.
    """
    image = images.decode(content, name=name)
    fitted = fit(image.shape[:2], new_size, mode=mode)
    if fitted.size == new_size and images.is_upright_jpeg(content):
        return content, fitted
    return images.encode_jpeg(fit_image(image, fitted)), fitted
