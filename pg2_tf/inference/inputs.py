"""Checks the images and poses that a model is given, and passes them on in batches."""

from collections.abc import Callable
from typing import Any

import numpy as np

BATCH_SIZE = 16

Images = dict[str, np.ndarray]

# A pose whose coordinates all lie within this distance of 0 fits in a pixel or two: its
# coordinates are shares of the image.
_SHARES = 1.5


def generate_in_batches(
    generate: Callable[[np.ndarray, np.ndarray], Images],
    images: np.ndarray,
    poses: np.ndarray,
    *,
    image_size: tuple[int, int],
    batch_size: int = BATCH_SIZE,
) -> Images:
    """Checks images and poses, and generates images batch by batch.

    Args:
        generate: called with uint8 [b, H, W, 3] and float32 [b, 18, 3], where b is at
            most `batch_size`; returns images by name.
        images: uint8 [B, H, W, 3], B at least 1.
        poses: [B, 18, 3]: x, y in pixels, confidence.
        image_size: height and width of the model's images.
        batch_size: the most images per call of `generate`.

    Returns:
        The images of all batches by name, uint8 [B, H, W, 3].

    Raises:
        ValueError: as `check_images` and `check_poses`.
    """
    images = check_images(images, image_size)
    poses = check_poses(poses, (len(images), 18, 3), image_size=image_size)
    batches = [
        generate(images[start : start + batch_size], poses[start : start + batch_size])
        for start in range(0, len(images), batch_size)
    ]
    return {
        name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]
    }


def check_images(images: Any, image_size: tuple[int, int]) -> np.ndarray:
    """Returns images as an array.

    Args:
        images: uint8 [B, H, W, 3], grey levels 0 to 255; B at least 1.
        image_size: the H and W that are needed.

    Raises:
        ValueError: another type, shape or range; the message says what came and what
            is needed.
    """
    images, (height, width) = np.asarray(images), image_size
    needed = f"uint8 [B, {height}, {width}, 3] with grey levels 0 to 255"
    if images.ndim != 4 or images.shape[1:] != (height, width, 3) or not len(images):
        raise ValueError(f"images {described(images)}; needed is {needed}")
    check_grey_levels("images", images, needed)
    return images


def check_grey_levels(name: str, images: np.ndarray, needed: str) -> None:
    """Refuses images that are not uint8, with a hint at how to convert them.

    Args:
        name: Name of the images, for the message.
        images: Array of any shape and type.
        needed: type, shape and range that are needed, for the message.

    Raises:
        ValueError: the images are not uint8.
    """
    if images.dtype == np.uint8:
        return
    hint = ""
    if images.dtype.kind == "f" and images.size:
        low, high = np.nanmin(images), np.nanmax(images)
        if -1 <= low < 0 and high <= 1:
            hint = "; convert [-1, 1] with np.uint8(np.round((images + 1) * 127.5))"
        elif low >= 0 and high <= 1:
            hint = "; convert [0, 1] with np.uint8(np.round(images * 255))"
    raise ValueError(f"{name} {described(images)}; needed is {needed}{hint}")


def check_poses(
    poses: Any,
    shape: tuple[int | None, ...],
    *,
    image_size: tuple[int, int] | None = None,
    name: str = "poses",
) -> np.ndarray:
    """Returns poses as float32.

    Args:
        poses: numbers of `shape`: x, y in pixels, confidence. A keypoint whose
            confidence is 0 or less, or with a number that is not finite, is missing.
        shape: needed shape; None for any length.
        image_size: height and width of the image in which most keypoints must lie;
            None to skip this check.
        name: Name of the poses, for the message.

    Raises:
        ValueError: another type or shape, coordinates in shares of the image, or most
            keypoints outside the image; the message says what came and what is needed.
    """
    poses = np.asarray(poses)
    lengths = "[" + ", ".join("N" if n is None else str(n) for n in shape) + "]"
    needed = f"numbers {lengths}: x and y in pixels, confidence"
    fits = len(poses.shape) == len(shape) and all(
        wanted in (None, length)
        for length, wanted in zip(poses.shape, shape, strict=True)
    )
    if not fits or poses.dtype.kind not in "iuf" or not poses.size:
        raise ValueError(f"{name} {described(poses)}; needed is {needed}")
    poses = poses.astype(np.float32)
    for pose in poses.reshape(-1, *poses.shape[-2:]):
        _check_pose(name, pose, image_size, needed)
    return poses


def _check_pose(
    name: str, pose: np.ndarray, image_size: tuple[int, int] | None, needed: str
) -> None:
    found = np.isfinite(pose).all(axis=1) & (pose[:, 2] > 0)
    places = pose[found, :2]
    if len(places) > 1 and np.abs(places).max() <= _SHARES:
        raise ValueError(
            f"{name} with coordinates from {places.min():.2f} to {places.max():.2f}, "
            f"which look like shares of the image; needed is {needed} (multiply x by "
            "the width and y by the height)"
        )
    if image_size is None:
        return
    height, width = image_size
    inside = ((places >= -0.5) & (places < (width, height))).all(axis=1)
    if 2 * inside.sum() < len(places):
        raise ValueError(
            f"{name} with {len(places) - inside.sum()} of {len(places)} keypoints "
            f"outside the image of {height}x{width} pixels (height x width); needed "
            f"is {needed}, x before y, of an image of this size"
        )


def described(array: np.ndarray) -> str:
    """Returns an array's type, shape and range, as in `float32 [4, 18, 3] (0 to 1)`."""
    text = f"{array.dtype} {list(array.shape)}"
    if not array.size or array.dtype.kind not in "iuf":
        return text
    low, high = np.nanmin(array), np.nanmax(array)
    return f"{text} with values {low:.4g} to {high:.4g}"
