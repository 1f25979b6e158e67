"""Pictures of poses, heatmaps and masks, and sheets of them."""

import colorsys
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from preprocessing.images.image_files import resize
from preprocessing.poses import keypoints as kp

Images = Sequence[np.ndarray] | np.ndarray

_TEXT = 20
_MARGIN = 4
_SMALLEST = 192
_LIGHT = 255
_DARK = 40
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.42

# The person's right and left are told apart at a glance; arms are lighter than legs.
_COLOURS = {
    "right": (255, 120, 90),
    "right_leg": (230, 30, 30),
    "left": (90, 190, 255),
    "left_leg": (40, 90, 255),
    "middle": (255, 220, 60),
}
_OUTLINE = (120, 255, 80)


def draw_pose(
    pose: np.ndarray,
    *,
    size: tuple[int, int],
    scale: int = 4,
    image: np.ndarray | None = None,
) -> np.ndarray:
    """Draws a pose as a skeleton: right limbs red, left ones blue, the middle yellow.

    Args:
        pose: float32 [18, 3]: x, y in pixels, confidence.
        size: Height and width of the image that the pose is of.
        scale: Factor by which the picture is enlarged.
        image: uint8 [H, W, 3] to draw it on. Default: black.

    Returns:
        uint8 [height * scale, width * scale, 3], RGB.
    """
    large = (size[0] * scale, size[1] * scale)
    if image is None:
        canvas = np.zeros((*large, 3), np.uint8)
    else:
        canvas = resize(image, large).copy()
    thick = max(1, round(large[0] / 120))
    points = np.round((pose[:, :2] + 0.5) * scale - 0.5).astype(int).tolist()
    found = kp.found(pose)
    for start, end in kp.SKELETON:
        if found[start] and found[end]:
            cv2.line(
                canvas,
                points[start],
                points[end],
                keypoint_colour(end),
                thick,
                cv2.LINE_AA,
            )
    for index in np.flatnonzero(found).tolist():
        cv2.circle(
            canvas, points[index], thick + 1, keypoint_colour(index), -1, cv2.LINE_AA
        )
    return canvas


def fold_heatmaps(heatmaps: np.ndarray, *, scale: int = 4) -> np.ndarray:
    """Folds heatmaps into one picture, each in a colour of its own.

    Args:
        heatmaps: uint8 [18, H, W] of 0 and 1.
        scale: Factor by which the picture is enlarged.

    Returns:
        uint8 [H * scale, W * scale, 3], RGB; where several are 1, their mean colour.
    """
    colours = np.array([_hue(i / len(heatmaps)) for i in range(len(heatmaps))])
    folded = np.einsum("nhw,nc->hwc", heatmaps, colours)
    folded /= np.maximum(heatmaps.sum(axis=0), 1)[..., None]
    return _enlarge(np.round(folded).astype(np.uint8), scale)


def draw_mask_on(image: np.ndarray, mask: np.ndarray, *, scale: int = 4) -> np.ndarray:
    """Darkens an image outside of a mask, which is outlined.

    Args:
        image: uint8 [H, W, 3].
        mask: uint8 [H, W] of 0 and 1.
        scale: Factor by which the picture is enlarged.

    Returns:
        uint8 [H * scale, W * scale, 3], RGB.
    """
    height, width = mask.shape
    inside = _enlarge(mask, scale)
    picture = resize(image, (height * scale, width * scale))
    picture = np.where(inside[..., None] > 0, picture, picture // 4)
    outlines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(picture, outlines, -1, _OUTLINE, 1)


def pose_sheet(
    source: Images, poses: Images, others: Mapping[str, Images]
) -> np.ndarray:
    """Lays out persons, target poses and generated images, one row each.

    Args:
        source: Images of the persons, uint8 [H, W, 3].
        poses: Target poses, float32 [18, 3] in pixels of the images.
        others: Further images by heading, placed to the right of source and pose.

    Returns:
        uint8 [.., .., 3], RGB.
    """
    size = source[0].shape[:2]
    skeletons = [draw_pose(pose, size=size) for pose in poses]
    return sheet({"source": source, "target pose": skeletons, **others})


def sheet(
    columns: Mapping[str, Images],
    *,
    height: int | None = None,
    captions: Sequence[str] = (),
) -> np.ndarray:
    """Lays images out in columns, one heading above each.

    Args:
        columns: Images uint8 [H, W, 3] by heading, as many in each column, all of the
            first one's proportions.
        height: Height of each image in the sheet, in pixels. Default: twice that of the
            first, and at least 192.
        captions: Text above each row.

    Returns:
        uint8 [.., .., 3], RGB, on white.
    """
    first = next(iter(columns.values()))[0]
    tall = height or max(2 * first.shape[0], _SMALLEST)
    wide = round(tall * first.shape[1] / first.shape[0])
    above = _MARGIN + _TEXT * bool(captions)
    rows = max(map(len, columns.values()))
    whole = (
        _TEXT + rows * (above + tall) + _MARGIN,
        len(columns) * (wide + _MARGIN) + _MARGIN,
        3,
    )
    canvas = np.full(whole, _LIGHT, np.uint8)
    for row, caption in enumerate(captions):
        top = _TEXT + row * (above + tall) + _MARGIN
        _write(canvas[top : top + _TEXT, _MARGIN:-_MARGIN], caption)
    for column, (heading, images) in enumerate(columns.items()):
        left = _MARGIN + column * (wide + _MARGIN)
        _write(canvas[:_TEXT, left : left + wide], heading, centred=True)
        for row, image in enumerate(images):
            top = _TEXT + row * (above + tall) + above
            canvas[top : top + tall, left : left + wide] = resize(image, (tall, wide))
    return canvas


def beside(sheets: Sequence[np.ndarray], *, note: str) -> np.ndarray:
    """Puts sheets side by side, uint8 [.., .., 3], and a line of text below them."""
    tall = max(part.shape[0] for part in sheets)
    padded = [
        np.pad(
            part,
            ((0, tall + _TEXT - part.shape[0]), (0, 0), (0, 0)),
            constant_values=_LIGHT,
        )
        for part in sheets
    ]
    whole = np.hstack(padded)
    _write(whole[tall:, _MARGIN:-_MARGIN], note)
    return whole


def keypoint_colour(keypoint: int) -> tuple[int, int, int]:
    """Returns the RGB colour, 0 to 255, of a keypoint and of the limb that ends there.

    Args:
        keypoint: Number of the keypoint, 0 to 17.
    """
    side, _, part = kp.NAMES[keypoint].partition("_")
    leg = "_leg" * (part in ("hip", "knee", "ankle"))
    return _COLOURS.get(side + leg, _COLOURS["middle"])


def _enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """Repeats pixels, so that each stays a square of one colour."""
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def _write(strip: np.ndarray, text: str, *, centred: bool = False) -> None:
    """Writes text into a strip of a picture, smaller, then cut off if it is narrow."""
    width = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0]
    shrink = min(1.0, max(0.7, strip.shape[1] / max(width, 1)))
    left = max(0, round(strip.shape[1] - width * shrink) // 2) if centred else 0
    scale, colour = _FONT_SCALE * shrink, (_DARK,) * 3
    cv2.putText(strip, text, (left, 15), _FONT, scale, colour, 1, cv2.LINE_AA)


def _hue(share: float) -> np.ndarray:
    """Returns a bright colour by its place on the wheel, 0 to 1, float64 [3]."""
    return 255 * np.array(colorsys.hsv_to_rgb(share, 0.8, 1))
