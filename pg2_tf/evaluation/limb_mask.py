"""The person's outline as later work draws it, for its masked scores.

pose-gan and those after it (PATN, GFLA) blacken images outside of this mask, which is
not the one that PG2 is trained and scored with (`preprocessing.images.masks`).
"""

import numpy as np
from skimage.draw import disk, polygon
from skimage.morphology import closing, footprint_rectangle

from preprocessing.images.masks import LIMBS
from preprocessing.poses import keypoints as kp

_RADIUS = 4
_SQUARE = footprint_rectangle((5, 5))


def draw_limb_mask(pose: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """Draws a bar along every limb and a disc on every keypoint, and closes the gaps.

    Follows `produce_ma_mask` of PATN's tool/pose_utils.py: bars of half width 4, discs
    of radius 4, closed with a 5x5 square.

    Args:
        pose: float [18, 3]: x, y in pixels, confidence (0 or less: not found).
        size: height and width of the image in pixels.

    Returns:
        uint8 [height, width]: 1 on the body, 0 elsewhere.
    """
    mask = np.zeros(size, bool)
    points, found = pose[:, 1::-1].astype(np.float64), kp.found(pose)
    for start, end in LIMBS:
        if found[start] and found[end] and (points[start] != points[end]).any():
            rows, columns = _bar(points[start], points[end])
            mask[polygon(rows, columns, shape=size)] = True
    for point in points[found]:
        mask[disk(point, _RADIUS, shape=size)] = True
    return closing(mask, _SQUARE).astype(np.uint8)


def _bar(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Returns the corners of a bar between two points, rows and columns, [2, 4]."""
    row, column = _RADIUS * (start - end) / np.linalg.norm(start - end)
    across = np.array([-column, row])
    return np.stack([start + across, start - across, end - across, end + across], 1)
