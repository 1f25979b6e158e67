"""Finds several people in a photo with an estimator of one person's pose."""

from typing import Protocol

import cv2
import numpy as np

from preprocessing.images import heatmaps
from preprocessing.poses import keypoints as kp

# Keypoints of a person other than the first; the estimator itself asks for fewer.
_FEWEST = 5
_MOST = 8
# Thickness of limbs as a share of the torso's length.
_THICK = 0.32
# A pose is a remainder of another person if its middle is nearer to the box of their
# keypoints than this share of the box's height. Percentiles bound the box, because one
# stray keypoint would make it far too wide.
_NEAR = 0.1
_BODY = (10, 90)
# Size of a closer look, as a multiple of the pose seen before.
_CLOSER = 3


class Estimator(Protocol):
    """Finds one person's pose in an image, as `movenet.PoseEstimator` does."""

    def estimate(self, image: np.ndarray) -> np.ndarray:
        """Returns the pose, float32 [18, 3], in an image, uint8 [H, W, 3]."""


def find_people(photo: np.ndarray, estimator: Estimator) -> list[np.ndarray]:
    """Finds the people in a photo, from left to right.

    Each person found is painted over before the next one is looked for. People who
    stand close together may be missed; `docs/photos.md` says how many.

    Args:
        photo: uint8 [H, W, 3], RGB, upright.
        estimator: finds one person.

    Returns:
        Poses, float32 [18, 3] each, in pixels of the photo, at most 8; empty if nobody
        was found.
    """
    people: list[np.ndarray] = []
    left = photo
    for _ in range(_MOST):
        pose = _estimate(left, estimator)
        if not kp.found(pose).any():
            break
        enough = not people or kp.found(pose).sum() >= _FEWEST
        if enough and not any(_within(pose, other) for other in people):
            people.append(pose)
        left = _without(left, pose)
    return sorted(people, key=lambda pose: float(pose[kp.found(pose), 0].mean()))


def height(pose: np.ndarray) -> float:
    """Returns the longer side of the box around a pose's keypoints, in pixels."""
    low, high = _box(pose)
    return float((high - low).max()) + 1


def largest(people: list[np.ndarray]) -> int:
    """Returns the index of the largest person of a list that is not empty."""
    return int(np.argmax([height(pose) for pose in people]))


def _estimate(photo: np.ndarray, estimator: Estimator) -> np.ndarray:
    """Estimates a pose, and looks closer at one with few keypoints."""
    pose = estimator.estimate(photo)
    if not 0 < kp.found(pose).sum() < _FEWEST:
        return pose
    low, high = _box(pose)
    reach = _CLOSER * height(pose) / 2
    left, top = np.maximum((low + high) / 2 - reach, 0).astype(int)
    right, bottom = np.ceil((low + high) / 2 + reach).astype(int)
    closer = estimator.estimate(photo[top:bottom, left:right])
    if kp.found(closer).sum() <= kp.found(pose).sum():
        return pose
    closer[kp.found(closer), :2] += (left, top)
    return closer


def _box(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = pose[kp.found(pose), :2].astype(float)
    return places.min(axis=0), places.max(axis=0)


def _within(pose: np.ndarray, other: np.ndarray) -> bool:
    """Whether a pose is a remainder of another person."""
    places = other[kp.found(other), :2]
    low, high = np.percentile(places, _BODY, axis=0)
    middle = np.median(pose[kp.found(pose), :2], axis=0)
    reach = _NEAR * (high - low).max()
    return bool(((middle >= low - reach) & (middle <= high + reach)).all())


def _without(photo: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Returns a photo with a body painted over in the photo's mean colour."""
    painted = photo.copy()
    colour = photo.mean(axis=(0, 1)).tolist()
    found = kp.found(pose)
    thick = max(2, round(_THICK * _torso(pose)))
    points = np.round(pose[:, :2]).astype(int).tolist()
    for start, end in heatmaps.LIMBS:
        if found[start] and found[end]:
            cv2.line(painted, points[start], points[end], colour, thick)
    for index in np.flatnonzero(found).tolist():
        cv2.circle(painted, points[index], round(0.6 * thick), colour, -1)
    return painted


def _torso(pose: np.ndarray) -> float:
    """Returns the approximate length of the torso in pixels."""
    places, found = pose[:, :2], kp.found(pose)
    if kp.has_torso(pose):
        right, left, right_hip, left_hip = places[list(kp.TORSO)]
        return float(np.linalg.norm(right + left - right_hip - left_hip)) / 2
    return height(pose) / (3 if found[[10, 13]].any() else 1.5)
