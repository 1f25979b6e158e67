"""PCKh: how much of a target pose is found again in a generated image.

As PATN's calPCKH_market.py and calPCKH_fashion.py count it (Zhu et al. 2019), on poses
that MoveNet, not OpenPose, finds in the generated images: its values are to be compared
with each other, and with those of the real target images, not with published ones.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from preprocessing.estimation import download
from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.poses import keypoints as kp
from preprocessing.system import files

# Whose box is the head's, in PATN's scripts.
HEAD = tuple(
    kp.INDEX[name]
    for name in ("nose", "neck", "right_eye", "left_eye", "right_ear", "left_ear")
)
SHARE = 0.5


class Estimator(Protocol):
    """Finds a pose, float32 [18, 3], in an image, uint8 [H, W, 3]."""

    def estimate(self, image: np.ndarray) -> np.ndarray:
        """Returns the pose; confidence 0 where a keypoint was not found."""


class PoseAccuracy:
    """The measure, with the estimators that it looks at images with.

    Args:
        estimators: alike; so many images are worked on at once.
        checksum: SHA-256 of the model's file.
    """

    def __init__(self, estimators: Sequence[Estimator], *, checksum: str = ""):
        self.checksum = checksum
        self._estimators = estimators
        # By image: the same source and target images come again in many pairs.
        self._known: dict[bytes, np.ndarray] = {}

    @classmethod
    def load(cls, model_path: str | Path | None) -> "PoseAccuracy":
        """Loads MoveNet, once for each CPU core.

        Args:
            model_path: a MoveNet SinglePose model (`.tflite`). None: the one of
                `preprocessing.estimate_pose`, fetched if it is not there.

        Raises:
            InputError: it cannot be fetched, or is no such model.
        """
        path = download.given_or_fetched(model_path, flag="pose_model")
        estimators = [PoseEstimator(path) for _ in range(os.cpu_count() or 1)]
        return cls(estimators, checksum=files.sha256(path))

    def correct(
        self, images: np.ndarray, poses: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Says which keypoints of target poses are found again.

        PCKh is the sum of the first result by that of the second, over all images: the
        mean over keypoints, not over images.

        Args:
            images: generated, uint8 [B, H, W, 3].
            poses: that they should show, float32 [B, 18, 3]: x, y in pixels,
                confidence.

        Returns:
            Which keypoints are found where they should be, and which count at all, both
            bool [B, 18]; see `compare`.
        """
        if images.ndim != 4 or poses.shape != (len(images), kp.NUM_KEYPOINTS, 3):
            raise ValueError(
                f"images {images.shape} and poses {poses.shape}, needed [B, H, W, 3] "
                f"and [B, {kp.NUM_KEYPOINTS}, 3]"
            )
        return compare(self._estimate(images), poses)

    def _estimate(self, images: np.ndarray) -> np.ndarray:
        keys = [hashlib.sha256(image.tobytes()).digest() for image in images]
        unknown = {
            key: image
            for key, image in zip(keys, images, strict=True)
            if key not in self._known
        }
        todo, workers = list(unknown.items()), len(self._estimators)

        def work(first: int) -> None:
            for key, image in todo[first::workers]:
                self._known[key] = self._estimators[first].estimate(image)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
        return np.stack([self._known[key] for key in keys])


def head_sizes(poses: np.ndarray) -> np.ndarray:
    """Returns the widths and heights of the heads of poses.

    The box around those of nose, neck, eyes and ears that were found.

    Args:
        poses: float32 [B, 18, 3].

    Returns:
        float64 [B, 2] in pixels; NaN where fewer than two were found.
    """
    head = poses[:, HEAD]
    there = kp.found(head)
    places = np.where(there[..., None], head[..., :2].astype(np.float64), np.nan)
    enough = there.sum(axis=1) >= 2
    places[~enough] = 0
    sizes = np.nanmax(places, axis=1) - np.nanmin(places, axis=1)
    return np.where(enough[:, None], sizes, np.nan)


def compare(found: np.ndarray, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compares found poses with target poses, all float32 [B, 18, 3].

    A found keypoint is correct if it is off by less than half the head's width across
    and less than half its height down. A keypoint counts if the target pose has it and
    a head of at least two keypoints; one that the found pose lacks counts as wrong. A
    head whose keypoints stand exactly above or beside each other has no width or
    height, so that, as in PATN's scripts, nothing of its pose is correct.

    Returns:
        Which keypoints are correct, and which count, both bool [B, 18].
    """
    sizes = head_sizes(poses)
    counted = kp.found(poses) & ~np.isnan(sizes[:, :1])
    off = np.abs(found[..., :2].astype(np.float64) - poses[..., :2])
    near = (off < SHARE * sizes[:, None]).all(axis=-1)
    return near & kp.found(found) & counted, counted
