"""The pose mask: the person's body in rough outline (paper section 3.2, figure 3).

The rule is that of the released code (datasets/convert_market.py, `_getPoseMask`):
limbs whose two ends were found are strung with discs, then the gaps are closed by a
dilation and an erosion with a 5x5 square.
"""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from preprocessing.images import heatmaps

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


class MaskSteps(NamedTuple):
    """What a pose mask comes from, uint8 [height, width] of 0 and 1 each.

    Attributes:
        limbs: the limbs, strung with discs.
        dilated: the same after the dilation.
        mask: the pose mask: the same after the erosion.
    """

    limbs: np.ndarray
    dilated: np.ndarray
    mask: np.ndarray


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
    return mask_steps(pose, size=size, radius=radius).mask


def mask_steps(
    pose: np.ndarray, *, size: tuple[int, int], radius: int = heatmaps.RADIUS
) -> MaskSteps:
    """Draws the pose mask and what it comes from; takes what `draw_mask` takes."""
    # With a margin, since the disc of a centre outside may reach in.
    mask = np.zeros((size[0] + 2 * radius, size[1] + 2 * radius), np.uint8)
    columns, rows = np.trunc(_centres(pose, radius)).astype(np.int64).T + radius
    near = (rows >= 0) & (rows < len(mask)) & (columns >= 0) & (columns < mask.shape[1])
    mask[rows[near], columns[near]] = 1
    limbs = cv2.dilate(mask, _disc(radius))[radius:-radius, radius:-radius]
    # Outside the image nothing grows in, and the erosion does not eat from there.
    dilated = cv2.dilate(limbs, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    closed = cv2.erode(dilated, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return MaskSteps(limbs, dilated, closed)


def _centres(pose: np.ndarray, spacing: int) -> np.ndarray:
    """Returns the places of the discs of all limbs, float64 [N, 2]."""
    limbs = pose[np.array(LIMBS)].astype(np.float64)
    start, end = np.moveaxis(limbs[(limbs[..., 2] > 0).all(axis=1), :, :2], 1, 0)
    steps = (np.hypot(*(end - start).T) / spacing).astype(int)
    between = np.maximum(steps - 1, 0)
    limb = np.repeat(np.arange(len(steps)), between)
    number = 1 + np.arange(len(limb)) - np.repeat(np.cumsum(between) - between, between)
    parts = np.maximum(steps, 1)[limb, None]
    strung = start[limb] + (end - start)[limb] * number[:, None] / parts
    return np.concatenate([start, end, strung])


@cache
def _disc(radius: int) -> np.ndarray:
    """Returns a disc of ones, uint8 [2 * radius + 1, 2 * radius + 1]."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (x**2 + y**2 <= radius**2).astype(np.uint8)
