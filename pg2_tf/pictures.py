"""Picture sheets: rows of images under headings."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from preprocessing import keypoints as kp
from preprocessing.images import resize

_HEADING = 22
_MARGIN = 4
_SMALLEST = 192
_LIGHT = 255
_DARK = 40


def draw_pose(pose: np.ndarray, *, size: tuple[int, int], scale: int = 4) -> np.ndarray:
    """Draws a pose as a coloured skeleton on black.

    Args:
        pose: float32 [18, 3]: x, y in pixels, confidence.
        size: height and width of the image that the pose is of.
        scale: how many times larger the picture is.

    Returns:
        uint8 [height * scale, width * scale, 3], RGB.
    """
    canvas = np.zeros((size[0] * scale, size[1] * scale, 3), np.uint8)
    thick = max(1, round(size[0] * scale / 100))
    points = np.round((pose[:, :2] + 0.5) * scale - 0.5).astype(int).tolist()
    found = kp.found(pose)
    for number, (start, end) in enumerate(kp.SKELETON):
        if found[start] and found[end]:
            colour = _colour(number, len(kp.SKELETON))
            cv2.line(canvas, points[start], points[end], colour, thick, cv2.LINE_AA)
    for index in np.flatnonzero(found).tolist():
        colour = _colour(index, kp.NUM_KEYPOINTS)
        cv2.circle(canvas, points[index], thick + 1, colour, -1, cv2.LINE_AA)
    return canvas


def pose_sheet(
    source: Sequence[np.ndarray] | np.ndarray,
    poses: Sequence[np.ndarray] | np.ndarray,
    others: Mapping[str, Sequence[np.ndarray] | np.ndarray],
) -> np.ndarray:
    """Lays out what came of putting people into poses, one row each.

    Args:
        source: images of the persons, uint8 [H, W, 3].
        poses: to put them in, float32 [18, 3] in pixels of the images.
        others: more images by heading, to stand to the right of source and pose.

    Returns:
        uint8 [.., .., 3], RGB.
    """
    size = source[0].shape[:2]
    skeletons = [draw_pose(pose, size=size) for pose in poses]
    return sheet({"source": source, "target pose": skeletons, **others})


def sheet(
    columns: Mapping[str, Sequence[np.ndarray] | np.ndarray],
) -> np.ndarray:
    """Lays images out in columns, one heading above each.

    Args:
        columns: images uint8 [H, W, 3] by heading, as many in each column. All are
            shown twice as tall as the first is, and at least 192 pixels.

    Returns:
        uint8 [.., .., 3], RGB, on white.
    """
    first = next(iter(columns.values()))[0]
    tall = max(2 * first.shape[0], _SMALLEST)
    wide = round(tall * first.shape[1] / first.shape[0])
    rows = max(map(len, columns.values()))
    canvas = np.full(
        (
            _HEADING + rows * (tall + _MARGIN) + _MARGIN,
            len(columns) * (wide + _MARGIN) + _MARGIN,
            3,
        ),
        _LIGHT,
        np.uint8,
    )
    for column, (heading, images) in enumerate(columns.items()):
        left = _MARGIN + column * (wide + _MARGIN)
        _write(canvas, heading, left=left, width=wide)
        for row, image in enumerate(images):
            top = _HEADING + _MARGIN + row * (tall + _MARGIN)
            canvas[top : top + tall, left : left + wide] = resize(image, (tall, wide))
    return canvas


def _write(canvas: np.ndarray, text: str, *, left: int, width: int) -> None:
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    extent = cv2.getTextSize(text, font, size, 1)[0][0]
    size *= min(1.0, width / extent)
    place = (left + max(0, (width - int(extent * min(1.0, width / extent))) // 2), 17)
    cv2.putText(canvas, text, place, font, size, (_DARK,) * 3, 1, cv2.LINE_AA)


def _colour(number: int, count: int) -> tuple[int, int, int]:
    hue = np.array([[[180 * number // count, 230, 255]]], np.uint8)
    return tuple(cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].tolist())
