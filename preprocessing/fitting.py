"""Fits an image of any size, and the pose in it, into the size of a model."""

from typing import NamedTuple

import cv2
import numpy as np

from preprocessing import images
from preprocessing import keypoints as kp

MODES = ("pad", "crop", "stretch")


class Fit(NamedTuple):
    """How a picture was padded or cropped before it was resized.

    Attributes:
        size: height and width of the picture.
        top, left: rows and columns added there; negative where they were cut off.
        framed: height and width with what was added or cut off on all sides.
        new_size: height and width it is resized to.
    """

    size: tuple[int, int]
    top: int
    left: int
    framed: tuple[int, int]
    new_size: tuple[int, int]


def fit(size: tuple[int, int], new_size: tuple[int, int], *, mode: str = "pad") -> Fit:
    """Says how a picture of `size` comes to `new_size`, both (height, width).

    Args:
        size: of the picture.
        new_size: wanted.
        mode: `pad`: centred in the smallest frame of the wanted proportions; `crop`:
            the largest middle part of these proportions; `stretch`: as it is, so that
            proportions may change.
    """
    height, width = size
    if mode == "stretch":
        return Fit(size, 0, 0, size, new_size)
    wanted = new_size[1] / new_size[0]
    narrow = width / height < wanted
    if narrow == (mode == "pad"):
        framed = (height, max(1, round(height * wanted)))
    else:
        framed = (max(1, round(width / wanted)), width)
    top, left = (framed[0] - height) // 2, (framed[1] - width) // 2
    return Fit(size, top, left, framed, new_size)


def fit_image(image: np.ndarray, fitted: Fit) -> np.ndarray:
    """Frames uint8 [H, W, 3] and resizes it; where it is padded, its border repeats."""
    (height, width), (rows, columns) = fitted.size, fitted.framed
    inside = image[
        max(-fitted.top, 0) : max(-fitted.top, 0) + rows,
        max(-fitted.left, 0) : max(-fitted.left, 0) + columns,
    ]
    top, left = max(fitted.top, 0), max(fitted.left, 0)
    bottom, right = max(rows - height - top, 0), max(columns - width - left, 0)
    framed = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return images.resize(framed, fitted.new_size)


def fit_pose(pose: np.ndarray, fitted: Fit) -> np.ndarray:
    """Moves a pose, float32 [18, 3], with the picture that it is of.

    Keypoints that a crop cuts off are then not found.
    """
    moved = kp.clean(pose)
    moved[kp.found(moved), :2] += (fitted.left, fitted.top)
    if fitted.top < 0 or fitted.left < 0:
        inside = (moved[:, :2] >= -0.5) & (moved[:, :2] < np.array(fitted.framed[::-1]))
        moved[~inside.all(axis=1)] = 0
    return kp.resize(moved, size=fitted.framed, new_size=fitted.new_size)


def reframe(
    pose: np.ndarray, size: tuple[int, int], new_size: tuple[int, int]
) -> np.ndarray:
    """Moves a pose found in a picture to the same picture of another size.

    The pictures are brought to one height and then centred on one another, so that
    one may be wider at both sides: DeepFashion's 256x256 images and their 256x176
    crops are 40 pixels apart.

    Args:
        pose: float32 [18, 3].
        size: height and width of the picture that the pose was found in.
        new_size: height and width of the picture it is wanted for.
    """
    scale = new_size[0] / size[0]
    width = max(1, round(size[1] * scale))
    moved = kp.resize(kp.clean(pose), size=size, new_size=(new_size[0], width))
    moved[kp.found(moved), 0] += (new_size[1] - width) / 2
    return moved


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
