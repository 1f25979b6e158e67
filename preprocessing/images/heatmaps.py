"""Pose heatmaps: one disc of ones for each keypoint (paper section 3.1).

The rule is that of the released code (datasets/convert_market.py, `_getSparsePose`):
the centre is truncated to a whole pixel, every pixel at a Euclidean distance of at
most `radius` is 1, the disc is cut off at the border, and a keypoint that was not
found leaves its channel empty.
"""

from functools import cache

import numpy as np

from preprocessing.poses import keypoints as kp

RADIUS = 4


def disc_pixels(
    points: np.ndarray, *, size: tuple[int, int], radius: int = RADIUS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the pixels of discs around points, as far as they are in the picture.

    Args:
        points: float [N, 2]: x, y of each centre, which is truncated to (int(x),
            int(y)).
        size: height and width of the picture in pixels.
        radius: of the discs, in pixels.

    Returns:
        Of each pixel: which disc it belongs to, its row, its column; int64 [M] each.
    """
    centres = np.trunc(points).astype(np.int64)
    near = ((centres >= -radius) & (centres < np.add(size[::-1], radius))).all(axis=1)
    discs = np.flatnonzero(near)
    offsets = _offsets(radius)
    columns, rows = np.moveaxis(centres[discs, None] + offsets, -1, 0)
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    of_disc = np.broadcast_to(discs[:, None], inside.shape)
    return of_disc[inside], rows[inside], columns[inside]


def draw_heatmaps(
    pose: np.ndarray, *, size: tuple[int, int], radius: int = RADIUS
) -> np.ndarray:
    """Draws a pose as heatmaps.

    Args:
        pose: float [18, 3]: x, y in pixels, confidence (0 or less: not found).
        size: height and width of the image in pixels.
        radius: of the discs, in pixels; 4 for both of the paper's image sizes.

    Returns:
        uint8 [height, width, 18] of 0 and 1.
    """
    channels = np.zeros((kp.NUM_KEYPOINTS, *size), np.uint8)
    found = np.flatnonzero(kp.found(pose))
    disc, rows, columns = disc_pixels(pose[found, :2], size=size, radius=radius)
    channels[found[disc], rows, columns] = 1
    return np.moveaxis(channels, 0, -1)


@cache
def _offsets(radius: int) -> np.ndarray:
    """Returns x, y of a disc's pixels seen from its centre, int64 [N, 2]."""
    x, y = np.mgrid[-radius : radius + 1, -radius : radius + 1].reshape(2, -1)
    return np.stack([x, y], axis=1)[x**2 + y**2 <= radius**2]
