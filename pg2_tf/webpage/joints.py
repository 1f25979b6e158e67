"""The skeleton whose joints are dragged: what the page shows of it and sends back."""

import json
from typing import Any

import numpy as np

from pg2_tf.webpage.parts import data_address
from preprocessing.images.drawing import keypoint_colour
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError


def to_page(pose: np.ndarray, image: np.ndarray) -> str:
    """Returns what the skeleton's component shows.

    Args:
        pose: float32 [18, 3], in pixels of the image.
        image: uint8 [H, W, 3], to stand behind it.

    Returns:
        JSON: `pose`, `height`, `width`, `image` (a data address), and of the skeleton
        `names`, `limbs` and `colours`.
    """
    height, width = image.shape[:2]
    shown: dict[str, Any] = {
        "pose": np.round(pose.astype(float), 2).tolist(),
        "height": height,
        "width": width,
        "image": data_address(image),
        "names": [name.replace("_", " ") for name in kp.NAMES],
        "limbs": kp.SKELETON,
        "colours": [
            f"#{bytes(keypoint_colour(i)).hex()}" for i in range(kp.NUM_KEYPOINTS)
        ],
    }
    return json.dumps(shown)


def from_page(text: str, size: tuple[int, int]) -> np.ndarray:
    """Returns the pose that the component sends back.

    Args:
        text: JSON with `pose`; anything else in it is passed over.
        size: height and width of the image in pixels.

    Returns:
        float32 [18, 3]; what was dragged out of the image is not found.

    Raises:
        InputError: no pose, or nothing of it in the image.
    """
    try:
        rows = json.loads(text)["pose"]
        pose = np.array(rows, np.float32)
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise InputError("the page sent no pose; load it again") from error
    if pose.shape != (kp.NUM_KEYPOINTS, 3):
        raise InputError(
            f"the page sent a pose of shape {list(pose.shape)}, needed is [18, 3]"
        )
    pose = kp.within(kp.clean(pose), size)
    if not kp.found(pose).any():
        raise InputError("no joint is in the image; choose a pose again")
    return pose
