"""The people that an estimator found in one image, and which of them is meant."""

from dataclasses import dataclass

import numpy as np

from preprocessing.poses import keypoints as kp

POLICIES = ("confident", "largest", "central")


@dataclass(frozen=True)
class Detection:
    """What was found in one image.

    Attributes:
        people: float32 [P, 18, 3], a pose for each person in whom any keypoint was
            found; P may be 0.
        scores: float32 [P], how sure the estimator is of each person.
        normalized: whether x and y are shares of the image's width and height, 0 to
            1, rather than pixels.
    """

    people: np.ndarray
    scores: np.ndarray
    normalized: bool = False

    def in_pixels(self, size: tuple[int, int]) -> np.ndarray:
        """Returns the people in pixels of an image of `size` (height, width)."""
        if not self.normalized:
            return self.people
        moved = self.people.copy()
        moved[..., :2] = moved[..., :2] * size[::-1] - 0.5
        return kp.clean(moved)


def detection(
    people: list[np.ndarray],
    scores: list[float] | None = None,
    *,
    normalized: bool = False,
) -> Detection:
    """Returns a `Detection` of those people in whom any keypoint was found.

    Args:
        people: poses [18, 3].
        scores: of each; by default the mean confidence over all 18 keypoints, those
            not found counting 0.
        normalized: as in `Detection`.
    """
    poses = kp.clean(np.reshape(people, (-1, kp.NUM_KEYPOINTS, 3)))
    mean = poses[..., 2].mean(axis=1)
    sure = mean if scores is None else np.array(scores, np.float32)
    seen = kp.found(poses).any(axis=1)
    return Detection(poses[seen], sure[seen], normalized)


def choose(
    found: Detection, size: tuple[int, int], *, policy: str = "confident"
) -> np.ndarray | None:
    """Returns the pose of the person who is meant, in pixels, or None for nobody.

    Args:
        found: the people in the image.
        size: height and width of the image.
        policy: `confident`: the highest score; `largest`: the largest box around the
            keypoints found; `central`: the box whose middle is nearest the image's.
            The first of equals is taken.

    Returns:
        float32 [18, 3] or None.
    """
    people = found.in_pixels(size)
    if not len(people):
        return None
    if policy == "confident":
        return people[int(np.argmax(found.scores))]
    seen = kp.found(people)[..., None]
    low = np.where(seen, people[..., :2], np.inf).min(axis=1)
    high = np.where(seen, people[..., :2], -np.inf).max(axis=1)
    if policy == "largest":
        return people[int(np.argmax(np.prod(high - low + 1, axis=1)))]
    middle = (np.array(size[::-1]) - 1) / 2
    away = np.linalg.norm((low + high) / 2 - middle, axis=1)
    return people[int(np.argmin(away))]
