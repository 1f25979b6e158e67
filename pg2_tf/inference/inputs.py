"""Checks the images and poses for a model, and splits them into batches."""

from collections.abc import Callable
from typing import Any

import numpy as np

BATCH_SIZE = 16

Images = dict[str, np.ndarray]

# A pose with all coordinates below this value would fit in a pixel or two: its
# coordinates are fractions of the image size.
_FRACTIONS = 1.5


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
        generate: Function of images, uint8 [b, H, W, 3], and poses, float32
            [b, 18, 3], with b at most `batch_size`. It returns images by name.
        images: Source images, uint8 [B, H, W, 3], B at least 1.
        poses: Target poses, [B, 18, 3]: x, y in pixels, confidence.
        image_size: Height and width of the model's images in pixels.
        batch_size: Largest number of images per call of `generate`.

    Returns:
        The images of all batches by name, uint8 [B, H, W, 3].

    Raises:
        ValueError: See `check_images` and `check_poses`.
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
        images: Images, uint8 [B, H, W, 3], values 0 to 255, B at least 1.
        image_size: Expected height and width in pixels.

    Raises:
        ValueError: The images have another type, shape or range.
    """
    images, (height, width) = np.asarray(images), image_size
    needed = f"uint8 [B, {height}, {width}, 3] with values 0 to 255"
    if images.ndim != 4 or images.shape[1:] != (height, width, 3) or not len(images):
        raise ValueError(f"images: {described(images)}; expected {needed}")
    check_grey_levels("images", images, needed)
    return images


def check_grey_levels(name: str, images: np.ndarray, needed: str) -> None:
    """Raises `ValueError` if images are not uint8, with a hint how to convert them.

    Args:
        name: Name of the images, for the message.
        images: Array of any shape and type.
        needed: Expected type, shape and range, for the message.
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
    raise ValueError(f"{name}: {described(images)}; expected {needed}{hint}")


def check_poses(
    poses: Any,
    shape: tuple[int | None, ...],
    *,
    image_size: tuple[int, int] | None = None,
    name: str = "poses",
) -> np.ndarray:
    """Returns poses as float32.

    Args:
        poses: Poses of any number type: x, y in pixels, confidence. A keypoint with a
            confidence of 0 or less, or with a value that is not finite, is missing.
        shape: Expected shape; None for any length.
        image_size: Height and width of the image that must contain most keypoints;
            None to skip this check.
        name: Name of the poses, for the message.

    Raises:
        ValueError: The poses have another type or shape, their coordinates are
            fractions of the image size, or most keypoints lie outside the image.
    """
    poses = np.asarray(poses)
    lengths = "[" + ", ".join("N" if n is None else str(n) for n in shape) + "]"
    needed = f"numbers {lengths}: x and y in pixels, confidence"
    fits = len(poses.shape) == len(shape) and all(
        wanted in (None, length)
        for length, wanted in zip(poses.shape, shape, strict=True)
    )
    if not fits or poses.dtype.kind not in "iuf" or not poses.size:
        raise ValueError(f"{name}: {described(poses)}; expected {needed}")
    poses = poses.astype(np.float32)
    for pose in poses.reshape(-1, *poses.shape[-2:]):
        _check_pose(name, pose, image_size, needed)
    return poses


def _check_pose(
    name: str, pose: np.ndarray, image_size: tuple[int, int] | None, needed: str
) -> None:
    found = np.isfinite(pose).all(axis=1) & (pose[:, 2] > 0)
    places = pose[found, :2]
    if len(places) > 1 and np.abs(places).max() <= _FRACTIONS:
        raise ValueError(
            f"{name}: coordinates from {places.min():.2f} to {places.max():.2f} look "
            f"like fractions of the image size; expected {needed} (multiply x by the "
            "width and y by the height)"
        )
    if image_size is None:
        return
    height, width = image_size
    inside = ((places >= -0.5) & (places < (width, height))).all(axis=1)
    if 2 * inside.sum() < len(places):
        raise ValueError(
            f"{name}: {len(places) - inside.sum()} of {len(places)} keypoints lie "
            f"outside the image of {height}x{width} pixels (height x width); expected "
            f"{needed}, with x before y, in an image of this size"
        )


def described(array: np.ndarray) -> str:
    """Returns type, shape and range: `float32 [4, 18, 3] with values 0 to 1`."""
    text = f"{array.dtype} {list(array.shape)}"
    if not array.size or array.dtype.kind not in "iuf":
        return text
    low, high = np.nanmin(array), np.nanmax(array)
    return f"{text} with values {low:.4g} to {high:.4g}"
