"""Fits an image of any size, and the pose in it, into the size of a model."""

from typing import NamedTuple

import cv2
import numpy as np

from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp

MODES = ("pad", "crop", "stretch")

# Margins of a body around its keypoints, which end at eyes, wrists and ankles: shares
# of the height of the box around them.
_ABOVE, _BELOW, _BESIDE = 0.13, 0.1, 0.08
# The top of the head is about as far above the eyes as these are above the shoulders.
_FACE = [kp.INDEX[name] for name in ("nose", "right_eye", "left_eye")]
_SHOULDERS = [kp.INDEX[name] for name in ("neck", "right_shoulder", "left_shoulder")]
# Width of the blended border of an image that is put back, by its shorter side.
_SOFT = 0.05


class Fit(NamedTuple):
    """Padding or cropping of a picture before it is resized.

    Attributes:
        size: Height and width of the picture.
        top, left: Numbers of rows and columns added; negative if cut off.
        framed: Height and width after padding or cropping.
        new_size: Height and width after resizing.
    """

    size: tuple[int, int]
    top: int
    left: int
    framed: tuple[int, int]
    new_size: tuple[int, int]


def fit(size: tuple[int, int], new_size: tuple[int, int], *, mode: str = "pad") -> Fit:
    """Returns the fit of a picture of `size` to `new_size`, both (height, width).

    Args:
        size: Height and width of the picture.
        new_size: Height and width wanted.
        mode: `pad`: centred in the smallest frame of the wanted proportions; `crop`:
            the largest middle part of these proportions; `stretch`: the whole picture,
            whose proportions may change.
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


def around(pose: np.ndarray, size: tuple[int, int], new_size: tuple[int, int]) -> Fit:
    """Returns the fit of the part of a picture around a person to `new_size`.

    The part holds the body with some room, has the proportions of `new_size`, and goes
    beyond the picture only where the picture is too small for it.

    Args:
        pose: The person's pose, float32 [18, 3], with at least one keypoint.
        size: Height and width of the picture.
        new_size: Height and width wanted.
    """
    box = _body_box(pose)
    # A body that the picture cuts off needs no margin there.
    low = np.maximum(np.floor(box[:2] + 0.5), 0)
    high = np.minimum(np.ceil(box[2:] + 0.5), size[::-1])
    wide, tall = np.maximum(high - low, 2)
    tall = round(max(tall, wide * new_size[0] / new_size[1]))
    wide = max(round(tall * new_size[1] / new_size[0]), 1)
    left = _start(low[0], high[0], wide, size[1])
    top = _start(low[1], high[1], tall, size[0])
    return Fit(size, -top, -left, (tall, wide), new_size)


def fit_image(image: np.ndarray, fitted: Fit) -> np.ndarray:
    """Frames uint8 [H, W, 3] and resizes it; where it is padded, its border repeats."""
    (height, width), (rows, columns) = fitted.size, fitted.framed
    inside = image[
        max(-fitted.top, 0) : min(rows - fitted.top, height),
        max(-fitted.left, 0) : min(columns - fitted.left, width),
    ]
    top, left = max(fitted.top, 0), max(fitted.left, 0)
    bottom, right = rows - top - inside.shape[0], columns - left - inside.shape[1]
    framed = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return images.resize(framed, fitted.new_size)


def fit_pose(pose: np.ndarray, fitted: Fit) -> np.ndarray:
    """Moves a pose, float32 [18, 3], with its picture.

    Keypoints that a crop cuts off become missing.
    """
    moved = kp.clean(pose)
    moved[kp.found(moved), :2] += (fitted.left, fitted.top)
    corner = np.array(fitted.framed) - (fitted.top, fitted.left)
    if fitted.top < 0 or fitted.left < 0 or (corner < fitted.size).any():
        moved = kp.within(moved, fitted.framed)
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
        size: Height and width of the picture that the pose was found in.
        new_size: Height and width of the picture it is wanted for.
    """
    scale = new_size[0] / size[0]
    width = max(1, round(size[1] * scale))
    moved = kp.resize(kp.clean(pose), size=size, new_size=(new_size[0], width))
    moved[kp.found(moved), 0] += (new_size[1] - width) / 2
    return moved


def put_back(image: np.ndarray, picture: np.ndarray, fitted: Fit) -> np.ndarray:
    """Undoes `fit_image`: puts an image back into the picture, with a soft border.

    Args:
        image: uint8 [h, w, 3] of the size that the picture was fitted to.
        picture: uint8 [H, W, 3].
        fitted: Fit of the picture.

    Returns:
        uint8 [H, W, 3], a copy of the picture.
    """
    (rows, columns), (height, width) = fitted.framed, fitted.size
    top, left = -fitted.top, -fitted.left
    reach = max(1.0, _SOFT * min(rows, columns))
    down, across = _ramp(top, rows, height, reach), _ramp(left, columns, width, reach)
    # What was framed may go beyond the picture.
    first, start = max(-top, 0), max(-left, 0)
    large = images.resize(image, fitted.framed)
    placed = large[first : first + len(down), start : start + len(across)]
    changed = picture.copy()
    there = changed[max(top, 0) :, max(left, 0) :][: len(down), : len(across)]
    weights = np.outer(down, across)[..., None]
    there[:] = np.round(weights * placed + (1 - weights) * there)
    return changed


def fit_jpeg(
    content: bytes, new_size: tuple[int, int], *, name: str, mode: str = "pad"
) -> tuple[bytes, Fit]:
    """Fits an image file's bytes into `new_size`.

    Args:
        content: Bytes of a file in one of the formats of `image_files.SUFFIXES`.
        new_size: Height and width wanted.
        name: Name of the file, for messages.
        mode: See `fit`.

    Returns:
        JPEG bytes, and how the picture was fitted. A JPEG of the right size that
        needs no turning keeps its bytes; everything else is encoded anew.

    Raises:
        InputError: The image cannot be decoded.
    """
    image = images.decode(content, name=name)
    fitted = fit(image.shape[:2], new_size, mode=mode)
    if fitted.size == new_size and images.is_upright_jpeg(content):
        return content, fitted
    return images.encode_jpeg(fit_image(image, fitted)), fitted


def _body_box(pose: np.ndarray) -> np.ndarray:
    """Returns left, top, right and bottom of a body by its keypoints, float [4]."""
    places = pose[kp.found(pose), :2].astype(float)
    low, high = places.min(axis=0), places.max(axis=0)
    tall = max(high[1] - low[1], 1.0)
    face, shoulders = (
        pose[joints][kp.found(pose[joints]), 1] for joints in (_FACE, _SHOULDERS)
    )
    head = shoulders.min() - face.min() if len(face) and len(shoulders) else 0
    above = max(_ABOVE * tall, float(head))
    low -= (_BESIDE * tall, above)
    high += (_BESIDE * tall, _BELOW * tall)
    return np.concatenate([low, high])


def _start(low: float, high: float, length: int, whole: int) -> int:
    """Returns where `length` pixels start that hold `low` to `high`, of `whole`."""
    middle = (low + high - length) / 2
    if length >= whole:
        return round(min(max(middle, whole - length), 0))
    # As far inside as possible without losing the body.
    return round(min(max(middle, 0), whole - length))


def _ramp(start: int, length: int, whole: int, reach: float) -> np.ndarray:
    """Returns the weights of `length` pixels of a line at those inside `whole`.

    They rise from 0 to 1 within `reach` pixels, but at the picture's own border, where
    there is nothing to blend with, they are 1.
    """
    end = start + length
    places = np.arange(max(start, 0), min(end, whole), dtype=np.float32)
    weights = np.ones_like(places)
    if start > 0:
        weights = np.minimum(weights, (places - start + 1) / reach)
    if end < whole:
        weights = np.minimum(weights, (end - places) / reach)
    return weights
