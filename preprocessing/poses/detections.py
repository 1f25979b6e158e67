"""The people that an estimator found in one image, and the choice of one."""

from dataclasses import dataclass

import numpy as np

from preprocessing.poses import keypoints as kp

POLICIES = ("confident", "largest", "central")


@dataclass(frozen=True)
class Detection:
    """The people found in one image.

    Attributes:
        people: float32 [P, 18, 3], a pose for each person in whom any keypoint was
            found; P may be 0.
        scores: float32 [P], how sure the estimator is of each person.
        normalized: Whether x and y are shares of the image's width and height, 0 to
            1, rather than pixels.
        size: Height and width of the image, as the file of the poses declares it, or
            None if it does not. Pixels are those of an image of this size.
    """

    people: np.ndarray
    scores: np.ndarray
    normalized: bool = False
    size: tuple[int, int] | None = None

    def in_pixels(self, size: tuple[int, int]) -> np.ndarray:
        """Returns the people in pixels of an image of `size` (height, width)."""
        if self.normalized:
            moved = self.people.copy()
            moved[..., :2] = moved[..., :2] * size[::-1] - 0.5
            return kp.clean(moved)
        if self.is_scaled_to(size) and self.size:
            return kp.resize(self.people, size=self.size, new_size=size)
        return self.people

    def is_scaled_to(self, size: tuple[int, int]) -> bool:
        """True if the poses have to be scaled to an image of `size`."""
        return not self.normalized and self.size not in (None, size)


def detection(
    people: list[np.ndarray],
    scores: list[float] | None = None,
    *,
    normalized: bool = False,
    size: tuple[int, int] | None = None,
) -> Detection:
    """Returns a `Detection` of the people with at least one keypoint.

    Args:
        people: Poses [18, 3].
        scores: Score of each. Default: mean confidence over all 18 keypoints; missing
            ones count 0.
        normalized: As in `Detection`.
        size: As in `Detection`.
    """
    poses = kp.clean(np.reshape(people, (-1, kp.NUM_KEYPOINTS, 3)))
    mean = poses[..., 2].mean(axis=1)
    sure = mean if scores is None else np.array(scores, np.float32)
    seen = kp.found(poses).any(axis=1)
    return Detection(poses[seen], sure[seen], normalized, size)


def choose(
    found: Detection, size: tuple[int, int], *, policy: str = "confident"
) -> np.ndarray | None:
    """Returns the pose of the chosen person in pixels, or None if there is nobody.

    Args:
        found: The people in the image.
        size: Height and width of the image.
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
