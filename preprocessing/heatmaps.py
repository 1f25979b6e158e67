"""Pose heatmaps: one disc of ones for each keypoint (paper section 3.1).

The rule is that of the released code (datasets/convert_market.py, `_getSparsePose`):
the centre is truncated to a whole pixel, every pixel at a Euclidean distance of at
most `radius` is 1, the disc is cut off at the border, and a keypoint that was not
found leaves its channel empty.
"""

import numpy as np

from preprocessing import keypoints as kp

RADIUS = 4


def draw_disc(canvas: np.ndarray, x: float, y: float, *, radius: int = RADIUS) -> None:
    """Sets a disc to 1 on `canvas` [H, W], in place; its centre is (int(x), int(y))."""
    height, width = canvas.shape
    column, row = int(x), int(y)
    top, bottom = max(row - radius, 0), min(row + radius + 1, height)
    left, right = max(column - radius, 0), min(column + radius + 1, width)
    if top >= bottom or left >= right:
        return
    rows = np.arange(top, bottom)[:, None] - row
    columns = np.arange(left, right)[None, :] - column
    canvas[top:bottom, left:right] |= rows**2 + columns**2 <= radius**2


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
    for channel, (x, y, confidence) in zip(channels, pose, strict=True):
        if confidence > 0:
            draw_disc(channel, x, y, radius=radius)
    return np.moveaxis(channels, 0, -1)
