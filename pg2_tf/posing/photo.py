"""Finds a person in a photo, places poses on them, and puts images back."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pg2_tf.inference.inputs import check_grey_levels, described
from pg2_tf.posing import finding, retargeting
from pg2_tf.posing.target_poses import Target, check_inside
from preprocessing.images import framing, image_files
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

CROPS = ("auto", "none")
_ANKLES = [kp.INDEX["right_ankle"], kp.INDEX["left_ankle"]]


class Photo(NamedTuple):
    """A photo in memory.

    Attributes:
        pixels: uint8 [H, W, 3], RGB, upright.
        name: the path of its file, or another name for messages.
        reduced: how many times smaller than its file it is: 1, 2, 4 or 8.
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
        name: name of the photo, for messages.
        photo: uint8 [H, W, 3], RGB, upright.
        pose: float32 [18, 3], in pixels of the photo; `missing_pose()` if nobody was
            looked for.
        fit: the part of the photo that the model sees.
        crop: this part, resized to the model's images, uint8 [h, w, 3].
        others: number of other people in the photo.
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
        photo: a path, a PIL image or an array, uint8 [H, W, 3]. Files and PIL images
            are turned upright by their EXIF orientation. A file of more than 16
            megapixels is read smaller.
        name: name of a photo that has no file, for messages.

    Raises:
        InputError: the file cannot be read as an image.
        ValueError: an array of another type, shape or range.
    """
    if isinstance(photo, (str, Path)):
        pixels, reduced = image_files.read_bounded(photo)
        return Photo(pixels, str(photo), reduced)
    if hasattr(photo, "convert"):
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(photo).convert("RGB")
        return Photo(np.array(upright), getattr(photo, "filename", "") or name)
    pixels, needed = np.asarray(photo), "uint8 [H, W, 3] with grey levels 0 to 255"
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(
            f"{name} {described(pixels)}; needed is a path, a PIL image or {needed}"
        )
    check_grey_levels(name, pixels, needed)
    return Photo(pixels, name)


def find_person(
    photo: np.ndarray,
    image_size: tuple[int, int],
    *,
    name: str = "photo",
    estimator: finding.Estimator | None = None,
    pose: np.ndarray | None = None,
    number: int | None = None,
    crop: str = "auto",
) -> Person:
    """Finds a person and the part of the photo that a model sees.

    Args:
        photo: uint8 [H, W, 3], RGB, upright, of any size.
        image_size: height and width of the model's images.
        name: name of the photo, for messages.
        estimator: finds the pose if `pose` is None.
        pose: float32 [18, 3] in pixels of the photo. Without pose and estimator nobody
            is looked for, which needs `crop="none"`.
        number: the person's number from the left, from 1. Default: the largest person.
        crop: `auto`: the part around the person, with some room; `none`: the whole
            photo. The border is repeated to reach the model's proportions.

    Raises:
        InputError: there is nobody, or no person of this number.
        ValueError: another crop.
    """
    if crop not in CROPS:
        raise ValueError(f"crop={crop}; allowed are {', '.join(CROPS)}")
    others = 0
    if pose is None and estimator is not None:
        people = finding.find_people(photo, estimator)
        pose, others = _choose(people, number, name), len(people) - 1
    if pose is None:
        pose = kp.missing_pose()
    size = (photo.shape[0], photo.shape[1])
    if crop == "auto":
        if not kp.found(pose).any():
            raise InputError(f"{name}: no person to crop the photo to")
        fit = framing.around(pose, size, image_size)
    else:
        fit = framing.fit(size, image_size)
    return Person(name, photo, pose, fit, framing.fit_image(photo, fit), others)


def place(
    person: Person, target: Target, *, retarget: str = "scale", shrink: bool = True
) -> tuple[np.ndarray, float]:
    """Places poses in the image that a model generates of a person.

    With `scale` and `limbs`, poses are kept inside the image if the photo shows the
    person down to the feet. Otherwise keypoints outside the image become missing.

    Args:
        person: the person who gets the poses.
        target: one pose, or the poses of a sequence.
        retarget: `scale` or `limbs`, see `retargeting.retarget`; `none`: the pose keeps
            its place in its image, which is padded to the model's proportions.
        shrink: whether poses that do not fit in the image are scaled down; otherwise
            keypoints outside become missing.

    Returns:
        float32 [N, 18, 3] in pixels of the crop, and the factor by which the poses
        were scaled down to fit: 1 or less.

    Raises:
        InputError: the bodies have no keypoints to compare their sizes by, a pose is
            outside the image, or with `none`, keypoints are outside `target.size`.
    """
    size, factor = person.fit.new_size, 1.0
    own = person.pose_in_crop
    if retarget == "none":
        check_inside(target.name, target.poses, target.size)
        fit = framing.fit(target.size, size)
        poses = np.stack([framing.fit_pose(pose, fit) for pose in target.poses])
    elif not retargeting.comparable(target.poses, own):
        raise InputError(
            f"{person.name}: the person found in it and the pose {target.name} share "
            "too few keypoints to compare their sizes; retarget=none uses the pose "
            "unchanged"
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
    """Puts a generated image in the place of the crop, with a soft border.

    Args:
        person: the person of the image.
        image: uint8 [h, w, 3] of the model's size.

    Returns:
        uint8 [H, W, 3], a copy of the photo.
    """
    return framing.put_back(image, person.photo, person.fit)


def describe(person: Person) -> str | None:
    """Returns a line on the choice among several people; None for one person."""
    if not person.others:
        return None
    return (
        f"{person.name}: {person.others + 1} people, the largest one was taken; "
        "person=N takes another, counted from the left"
    )


def _choose(people: list[np.ndarray], number: int | None, name: str) -> np.ndarray:
    if not people:
        raise InputError(
            f"{name}: no person found; crop the photo closer to the person, or give "
            "the person's pose with photo_pose"
        )
    if number is None:
        return people[finding.largest(people)]
    if number > len(people):
        raise InputError(
            f"{name}: no person {number} from the left; {len(people)} were found"
        )
    return people[number - 1]
