"""Pose heatmaps (paper section 3.1) and the pose mask (section 3.2, figure 3).

Heatmaps have one disc of ones for each keypoint. The rule is that of the released code
(datasets/convert_market.py, `_getSparsePose`): the centre is truncated to a whole
pixel, every pixel at a Euclidean distance of at most `radius` is 1, the disc is cut off
at the border, and a missing keypoint leaves its channel empty.

The pose mask is the person's body in rough outline (`_getPoseMask`): limbs whose two
ends were found are strung with discs, then the gaps are closed by a dilation and an
erosion with a 5x5 square.
"""

from functools import cache
from typing import NamedTuple

import cv2
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
        size: Height and width of the picture in pixels.
        radius: Radius of the discs in pixels.

    Returns:
        For each pixel the number of its disc, its row and its column, int64 [M] each.
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
        size: Height and width of the image in pixels.
        radius: Radius of the discs in pixels; 4 for both of the paper's image sizes.

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
    """The steps of drawing a pose mask, uint8 [height, width] of 0 and 1 each.

    Attributes:
        limbs: The limbs, strung with discs.
        dilated: The same after the dilation.
        mask: The pose mask: the same after the erosion.
    """

    limbs: np.ndarray
    dilated: np.ndarray
    mask: np.ndarray


def draw_mask(
    pose: np.ndarray, *, size: tuple[int, int], radius: int = RADIUS
) -> np.ndarray:
    """Draws the pose mask.

    Args:
        pose: float [18, 3]: x, y in pixels, confidence (0 or less: not found).
        size: Height and width of the image in pixels.
        radius: Radius of the discs and the distance between them, in pixels.

    Returns:
        uint8 [height, width]: 1 on the body, 0 elsewhere.
    """
    return mask_steps(pose, size=size, radius=radius).mask


def mask_steps(
    pose: np.ndarray, *, size: tuple[int, int], radius: int = RADIUS
) -> MaskSteps:
    """Draws the pose mask with its intermediate steps; see `draw_mask`."""
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
