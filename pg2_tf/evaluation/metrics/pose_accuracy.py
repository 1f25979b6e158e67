"""PCKh: share of a target pose's keypoints that are detected in a generated image.

Counted as in PATN's calPCKH_market.py and calPCKH_fashion.py (Zhu et al. 2019), but
with poses from MoveNet instead of OpenPose. Compare the values with each other and with
those of the real target images, not with published ones.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from preprocessing.estimation import movenet
from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.poses import keypoints as kp
from preprocessing.system import files

# Keypoints of the head's bounding box, in PATN's scripts.
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
    """The metric, with its pose estimators.

    Args:
        estimators: Equal estimators, used in parallel.
        checksum: SHA-256 of the pose model's file.
    """

    def __init__(self, estimators: Sequence[Estimator], *, checksum: str = ""):
        self.checksum = checksum
        self._estimators = estimators
        # Poses by image: source and target images are part of many pairs.
        self._known: dict[bytes, np.ndarray] = {}

    @classmethod
    def load(cls, model_path: str | Path | None) -> "PoseAccuracy":
        """Loads MoveNet, once for each CPU core.

        Args:
            model_path: A MoveNet SinglePose model (`.tflite`). None: the model of
                `preprocessing.estimate_pose`, downloaded if it is missing.

        Raises:
            InputError: The model cannot be downloaded or read.
        """
        path = movenet.model_path(model_path, flag="pose_model")
        estimators = [PoseEstimator(path) for _ in range(os.cpu_count() or 1)]
        return cls(estimators, checksum=files.sha256(path))

    def correct(
        self, images: np.ndarray, poses: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns which keypoints of target poses are detected in images.

        PCKh is the sum of the first result over the sum of the second, over all images:
        the mean over keypoints, not over images.

        Args:
            images: Generated images, uint8 [B, H, W, 3].
            poses: Target poses, float32 [B, 18, 3]: x, y in pixels, confidence.

        Returns:
            Correct keypoints, and counted keypoints, both bool [B, 18]; see `compare`.
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

    A head is the bounding box of the found keypoints among nose, neck, eyes and ears.

    Args:
        poses: float32 [B, 18, 3].

    Returns:
        float64 [B, 2] in pixels; NaN with fewer than two keypoints.
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

    A found keypoint is correct if its horizontal error is less than half the head's
    width and its vertical error less than half the head's height. A keypoint counts if
    the target pose has it and a head of at least two keypoints; if the found pose lacks
    it, it counts as wrong. As in PATN's scripts, no keypoint is correct if the head has
    width or height 0.

    Returns:
        Which keypoints are correct, and which count, both bool [B, 18].
    """
    sizes = head_sizes(poses)
    counted = kp.found(poses) & ~np.isnan(sizes[:, :1])
    off = np.abs(found[..., :2].astype(np.float64) - poses[..., :2])
    near = (off < SHARE * sizes[:, None]).all(axis=-1)
    return near & kp.found(found) & counted, counted
