"""The 18 body keypoints of OpenPose's COCO model.

A pose is a float32 array [18, 3]: x and y in pixels (x to the right, y down, the
centre of the first pixel at 0), and a confidence. A confidence of 0 or less means
that the keypoint is missing; its x and y are then 0. "Left" and "right" are the
person's own.
"""

import numpy as np

NAMES = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
NUM_KEYPOINTS = len(NAMES)
INDEX = {name: index for index, name in enumerate(NAMES)}

# The same keypoint on the other side of the body.
MIRROR = tuple(
    INDEX[
        name.replace("right", "LEFT").replace("left", "right").replace("LEFT", "left")
    ]
    for name in NAMES
)

# Both shoulders and both hips: the pair rule `torso`.
TORSO = tuple(
    INDEX[name] for name in ("right_shoulder", "left_shoulder", "right_hip", "left_hip")
)

# Limbs as drawn in a picture of the skeleton.
SKELETON = (
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 4),
    (1, 5),
    (5, 6),
    (6, 7),
    (1, 8),
    (8, 9),
    (9, 10),
    (1, 11),
    (11, 12),
    (12, 13),
    (0, 14),
    (14, 16),
    (0, 15),
    (15, 17),
)

# Position of each of our 18 keypoints in OpenPose's BODY_25.
FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)


def is_number(value: object) -> bool:
    """True if a value is a number below the size of the largest image."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e5


def missing_pose() -> np.ndarray:
    """Returns a pose without keypoints, float32 [18, 3] of zeros."""
    return np.zeros((NUM_KEYPOINTS, 3), np.float32)


def found(pose: np.ndarray) -> np.ndarray:
    """Returns which keypoints of a pose [..., 18, 3] were found, bool [..., 18]."""
    return pose[..., 2] > 0


def has_torso(pose: np.ndarray) -> bool:
    """True if both shoulders and both hips of a pose [18, 3] were found."""
    return bool(found(pose)[list(TORSO)].all())


def clean(pose: np.ndarray) -> np.ndarray:
    """Returns a pose as float32 with every missing keypoint set to zeros.

    A keypoint whose coordinates or confidence are not finite counts as missing.
    """
    pose = np.array(pose, np.float32)
    lost = ~(np.isfinite(pose).all(axis=-1) & (pose[..., 2] > 0))
    pose[lost] = 0
    return pose


def within(pose: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns poses [..., 18, 3] without the keypoints outside of `size` pixels.

    Args:
        pose: The poses.
        size: Height and width of the image.
    """
    places = pose[..., :2]
    inside = (places >= -0.5) & (places < np.array(size[::-1]))
    return np.where(inside.all(axis=-1, keepdims=True), pose, np.zeros_like(pose))


def resize(
    pose: np.ndarray, *, size: tuple[int, int], new_size: tuple[int, int]
) -> np.ndarray:
    """Scales poses [..., 18, 3] with their image from `size` to `new_size`.

    Both sizes are (height, width).

    Pixel centres are at whole numbers, so x becomes (x + 0.5) * scale - 0.5.
    """
    if size == new_size:
        return pose
    scale = np.array([new_size[1] / size[1], new_size[0] / size[0]])
    moved = pose.copy()
    moved[..., :2] = (pose[..., :2] + 0.5) * scale - 0.5
    return clean(moved)


def flip(pose: np.ndarray, *, width: int) -> np.ndarray:
    """Mirrors a pose [..., 18, 3] with an image `width` pixels wide.

    Left and right keypoints change places. A keypoint stays in the pixel that
    `int(x)` names, so that the heatmaps of the flipped pose are exactly the flipped
    heatmaps.
    """
    mirrored = pose[..., list(MIRROR), :].copy()
    mirrored[..., 0] = width - 1 - np.trunc(mirrored[..., 0])
    return clean(mirrored)
