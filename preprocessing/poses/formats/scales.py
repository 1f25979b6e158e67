"""Tells coordinates in pixels from shares of the image's width and height.

Coordinates are decided on for all people of a file at once. They are shares where two
or more keypoints were found, all with x and y from 0 to 1.5 (an estimator may guess
beyond the border) and not all of them whole numbers; a person of less than two pixels
is nobody. OpenPose writes shares with `--keypoint_scale 3`. With `--keypoint_scale 4`
it writes -1 to 1, which is refused where it shows, by a negative number.
"""

import numpy as np

from preprocessing.system.errors import InputError

PIXELS, NORMALIZED = "pixels", "normalized"
SCALES = ("auto", PIXELS, NORMALIZED)
_LARGEST_SHARE = 1.5
# Forced shares are believed further, but nobody is ten images away.
_LARGEST_FORCED = 10.0


def may_be_shares(places: np.ndarray) -> bool:
    """True if no coordinate, float [N, 2], is too large for a share of an image."""
    return float(np.abs(places).max(initial=0)) <= _LARGEST_FORCED


def is_normalized(path: object, places: np.ndarray, scale: str = "auto") -> bool:
    """True if coordinates are shares of width and height, False if pixels.

    Args:
        path: of the file, for messages.
        places: x and y of every keypoint found in the file, float [N, 2].
        scale: one of `SCALES`.

    Raises:
        InputError: they are from -1 to 1, or too large for the shares that `scale`
            says they are.
    """
    if scale == PIXELS:
        return False
    furthest = float(np.abs(places).max(initial=0))
    if scale == NORMALIZED:
        if furthest > _LARGEST_FORCED:
            raise InputError(
                f"{path}: coordinates up to {furthest:.0f} are not {NORMALIZED}, which "
                "would be 0 to 1"
            )
        return True
    if len(places) < 2 or furthest > _LARGEST_SHARE or (places % 1 == 0).all():
        return False
    if (places < 0).any():
        raise InputError(
            f"{path}: coordinates from {places.min():.2f} to {places.max():.2f} look "
            "like OpenPose's --keypoint_scale=4; run it with 0 (pixels) or 3 (0 to 1), "
            f"or say that they are {PIXELS} or {NORMALIZED}"
        )
    return True
