"""Finds people in photos, places poses on them, and puts images back."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from pg2_tf.inference.inputs import check_grey_levels, described
from pg2_tf.posing import retargeting
from pg2_tf.posing.retargeting import Target
from preprocessing.images import framing, heatmaps, image_files
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

CROPS = ("auto", "none")
_ANKLES = [kp.INDEX["right_ankle"], kp.INDEX["left_ankle"]]

# Fewest keypoints of a person after the first. The estimator's own limit is lower.
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
    """Pose estimator for one person, such as `movenet.PoseEstimator`."""

    def estimate(self, image: np.ndarray) -> np.ndarray:
        """Returns the pose, float32 [18, 3], in an image, uint8 [H, W, 3]."""


class Photo(NamedTuple):
    """A photo in memory.

    Attributes:
        pixels: Photo, uint8 [H, W, 3], RGB, upright.
        name: Path of its file, or another name for messages.
        reduced: Factor by which it is smaller than its file: 1, 2, 4 or 8.
    """

    pixels: np.ndarray
    name: str
    reduced: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


class Person(NamedTuple):
    """A person in a photo.

    Attributes:
        name: Name of the photo, for messages.
        photo: Photo, uint8 [H, W, 3], RGB, upright.
        pose: Pose, float32 [18, 3], in pixels of the photo. `missing_pose()` if it was
            not estimated.
        fit: Part of the photo that the model sees.
        crop: This part in the size of the model's images, uint8 [h, w, 3].
        others: Number of other people in the photo.
    """

    name: str
    photo: np.ndarray
    pose: np.ndarray
    fit: framing.Fit
    crop: np.ndarray
    others: int = 0

    @property
    def pose_in_crop(self) -> np.ndarray:
        """The pose in pixels of the crop, float32 [18, 3]."""
        return framing.fit_pose(self.pose, self.fit)


def read_photo(photo: Any, *, name: str = "photo") -> Photo:
    """Reads a photo.

    Args:
        photo: Path, PIL image or array, uint8 [H, W, 3]. Files and PIL images are
            turned upright by their EXIF orientation. Files of more than 16 megapixels
            are read at a smaller size.
        name: Name of a photo without a file, for messages.

    Raises:
        InputError: The file cannot be read as an image.
        ValueError: The array has another type, shape or range.
    """
    if isinstance(photo, (str, Path)):
        pixels, reduced = image_files.read_bounded(photo)
        return Photo(pixels, str(photo), reduced)
    if hasattr(photo, "convert"):
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(photo).convert("RGB")
        return Photo(np.array(upright), getattr(photo, "filename", "") or name)
    pixels, needed = np.asarray(photo), "uint8 [H, W, 3] with values 0 to 255"
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(
            f"{name}: {described(pixels)}; expected a path, a PIL image or {needed}"
        )
    check_grey_levels(name, pixels, needed)
    return Photo(pixels, name)


def find_people(photo: np.ndarray, estimator: Estimator) -> list[np.ndarray]:
    """Finds the people in a photo, from left to right.

    Each person found is painted over before the next one is looked for. People who
    stand close together may be missed; `docs/photos.md` says how many.

    Args:
        photo: Photo, uint8 [H, W, 3], RGB, upright.
        estimator: Pose estimator for one person.

    Returns:
        Poses, float32 [18, 3] each, in pixels of the photo, at most 8. Empty if nobody
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


def extent(pose: np.ndarray) -> float:
    """Returns the longer side of the box around a pose's keypoints, in pixels."""
    low, high = _box(pose)
    return float((high - low).max()) + 1


def largest(people: list[np.ndarray]) -> int:
    """Returns the index of the largest person in a list with at least one."""
    return int(np.argmax([extent(pose) for pose in people]))


def find_person(
    photo: np.ndarray,
    image_size: tuple[int, int],
    *,
    name: str = "photo",
    estimator: Estimator | None = None,
    pose: np.ndarray | None = None,
    number: int | None = None,
    crop: str = "auto",
) -> Person:
    """Finds a person and the part of the photo that a model sees.

    Args:
        photo: Photo, uint8 [H, W, 3], RGB, upright, of any size.
        image_size: Height and width of the model's images in pixels.
        name: Name of the photo, for messages.
        estimator: Pose estimator, used if `pose` is None.
        pose: The person's pose, float32 [18, 3], in pixels of the photo. Without pose
            and estimator, `crop` must be `none`.
        number: The person's number from the left, from 1. Default: the largest person.
        crop: `auto`: the part around the person with a margin. `none`: the whole photo.
            The border is repeated to reach the model's proportions.

    Raises:
        InputError: Nobody was found, or no person has this number.
        ValueError: `crop` has another value.
    """
    if crop not in CROPS:
        raise ValueError(f"crop={crop}; allowed are {', '.join(CROPS)}")
    others = 0
    if pose is None and estimator is not None:
        people = find_people(photo, estimator)
        pose, others = _choose(people, number, name), len(people) - 1
    if pose is None:
        pose = kp.missing_pose()
    size = (photo.shape[0], photo.shape[1])
    if crop == "auto":
        if not kp.found(pose).any():
            raise InputError(f"{name}: no person found to crop the photo to")
        fit = framing.around(pose, size, image_size)
    else:
        fit = framing.fit(size, image_size)
    return Person(name, photo, pose, fit, framing.fit_image(photo, fit), others)


def place(
    person: Person, target: Target, *, retarget: str = "scale", shrink: bool = True
) -> tuple[np.ndarray, float]:
    """Places target poses in the crop of a person.

    With `scale` and `limbs`, poses are kept inside the image if the photo shows the
    person down to the feet. Otherwise keypoints outside the image become missing.

    Args:
        person: The person.
        target: One pose, or the poses of a sequence.
        retarget: `scale` or `limbs`, see `retargeting.retarget`. `none`: poses keep
            their place in their image, which is padded to the model's proportions.
        shrink: Whether to scale down poses that do not fit in the image. Otherwise
            keypoints outside become missing.

    Returns:
        The poses, float32 [N, 18, 3], in pixels of the crop, and the factor by which
        they were scaled down to fit: 1 or less.

    Raises:
        InputError: The poses share too few keypoints to compare their sizes, a pose is
            outside the image, or with `none`, keypoints are outside `target.size`.
    """
    size, factor = person.fit.new_size, 1.0
    own = person.pose_in_crop
    if retarget == "none":
        _check_inside(target.name, target.poses, target.size)
        fit = framing.fit(target.size, size)
        poses = np.stack([framing.fit_pose(pose, fit) for pose in target.poses])
    elif not retargeting.comparable(target.poses, own):
        raise InputError(
            f"{person.name}: the person and the pose {target.name} share too few "
            "keypoints to compare their sizes; retarget=none uses the pose unchanged"
        )
    else:
        poses = retargeting.retarget(target.poses, own, mode=retarget)
        if shrink and kp.found(own[_ANKLES]).any():
            poses, factor = retargeting.fit_inside(poses, size)
    poses = kp.within(poses, size)
    if not kp.found(poses).any(axis=1).all():
        raise InputError(f"{person.name}: the pose {target.name} is outside the image")
    return poses, factor


def paste_back(person: Person, image: np.ndarray) -> np.ndarray:
    """Puts a generated image back into the photo, with a soft border.

    Args:
        person: The person in the image.
        image: Generated image in the size of the crop, uint8 [h, w, 3].

    Returns:
        A copy of the photo with the image, uint8 [H, W, 3].
    """
    return framing.put_back(image, person.photo, person.fit)


def describe(person: Person) -> str | None:
    """Returns a line about the choice among several people, or None for one person."""
    if not person.others:
        return None
    return (
        f"{person.name}: {person.others + 1} people; the largest one is used; "
        "person=N selects another, counted from the left"
    )


def _choose(people: list[np.ndarray], number: int | None, name: str) -> np.ndarray:
    if not people:
        raise InputError(
            f"{name}: no person found; crop the photo closer to the person, or give "
            "the person's pose with photo_pose"
        )
    if number is None:
        return people[largest(people)]
    if number > len(people):
        raise InputError(
            f"{name}: person {number} requested, but only {len(people)} found"
        )
    return people[number - 1]


def _check_inside(name: str, poses: np.ndarray, size: tuple[int, int]) -> None:
    """Raises `InputError` if a keypoint lies outside the image of the poses."""
    places = poses[kp.found(poses)][:, :2]
    height, width = size
    if (places < -0.5).any() or (places >= (width, height)).any():
        (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
        raise InputError(
            f"{name}: keypoints from x {left:.0f}, y {top:.0f} to x {right:.0f}, "
            f"y {bottom:.0f} lie outside the image of {height}x{width}; set pose_size "
            "to the HEIGHTxWIDTH of the image that the pose belongs to"
        )


def _estimate(photo: np.ndarray, estimator: Estimator) -> np.ndarray:
    """Estimates a pose. If it has few keypoints, estimates again in a closer part."""
    pose = estimator.estimate(photo)
    if not 0 < kp.found(pose).sum() < _FEWEST:
        return pose
    low, high = _box(pose)
    reach = _CLOSER * extent(pose) / 2
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
    """Returns whether a pose is a remainder of another person."""
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
    return extent(pose) / (3 if found[[10, 13]].any() else 1.5)
