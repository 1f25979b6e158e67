"""The pose mask: the person's body in rough outline (paper section 3.2, figure 3).

The rule is that of the released code (datasets/convert_market.py, `_getPoseMask`):
limbs whose two ends were found are strung with discs, then the gaps are closed by a
dilation and an erosion with a 5x5 square.
"""

import cv2
import numpy as np

from preprocessing import heatmaps

# Pairs of keypoints that are connected; the torso is closed on all sides.
LIMBS = (
    (1, 2),
    (1, 5),
    (2, 3),
    (3, 4),
    (5, 6),
    (6, 7),
    (1, 8),
    (8, 9),
    (9, 10),
    (1, 11),
    (11, 12),
    (12, 13),
    (1, 0),
    (0, 14),
    (14, 16),
    (0, 15),
    (15, 17),
    (1, 16),
    (1, 17),
    (8, 11),
    (11, 5),
    (8, 2),
    (16, 17),
)
_SQUARE = np.ones((5, 5), np.uint8)


def draw_mask(
    pose: np.ndarray, *, size: tuple[int, int], radius: int = heatmaps.RADIUS
) -> np.ndarray:
    """Draws the pose mask.

    Args:
        pose: float [18, 3]: x, y in pixels, confidence (0 or less: not found).
        size: height and width of the image in pixels.
        radius: of the discs, in pixels, and the distance between them.

    Returns:
        uint8 [height, width]: 1 on the body, 0 elsewhere.
    """
    mask = np.zeros(size, np.uint8)
    strung = [
        _string(pose[start, :2], pose[end, :2], spacing=radius)
        for start, end in LIMBS
        if pose[start, 2] > 0 and pose[end, 2] > 0
    ]
    if strung:
        points = np.concatenate(strung)
        _, rows, columns = heatmaps.disc_pixels(points, size=size, radius=radius)
        mask[rows, columns] = 1
    # Outside the image nothing grows in, and the erosion does not eat from there.
    closed = cv2.dilate(mask, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return cv2.erode(closed, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=1)


def _string(start: np.ndarray, end: np.ndarray, *, spacing: int) -> np.ndarray:
    """Returns the places of a limb's discs, float64 [N, 2]."""
    start, end = start.astype(np.float64), end.astype(np.float64)
    steps = int(np.hypot(*(end - start)) / spacing)
    between = np.arange(1, steps)[:, None]
    return np.vstack([start, end, start + (end - start) * between / max(steps, 1)])
