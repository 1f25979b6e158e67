"""A person's own photo: the person is found, put into poses, and put back.

model = loading.load_model("runs/mine")
person = find_person(photo, model.image_size, estimator=PoseEstimator(path))
made = transfer(model, person, Target("hands-up", pose[None], size))
picture = paste_back(person, made.generated[0])
"""

from typing import NamedTuple

import numpy as np

from pg2_tf.inference.loading import Model
from pg2_tf.posing import finding as crowd
from pg2_tf.posing import retargeting
from pg2_tf.posing.target_poses import Target, check_inside
from preprocessing.images import framing as fitting
from preprocessing.images.framing import Fit
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

CROPS = ("auto", "none")
_ANKLES = [kp.INDEX["right_ankle"], kp.INDEX["left_ankle"]]


class Person(NamedTuple):
    """Somebody in a photo.

    Attributes:
        name: of the photo, for messages.
        photo: uint8 [H, W, 3], RGB, upright.
        pose: float32 [18, 3], in pixels of the photo; `missing_pose()` if not looked
            for.
        fitted: which part of the photo the model sees.
        crop: that part in the model's size, uint8.
        others: how many more people the photo shows.
    """

    name: str
    photo: np.ndarray
    pose: np.ndarray
    fitted: Fit
    crop: np.ndarray
    others: int = 0

    @property
    def pose_in_crop(self) -> np.ndarray:
        """The pose in pixels of the crop, float32 [18, 3]."""
        return fitting.fit_pose(self.pose, self.fitted)


class Transferred(NamedTuple):
    """A person in other poses.

    Attributes:
        poses: float32 [N, 18, 3], in pixels of the images.
        images: `coarse`, and of a model of stage 2 `refined`, uint8 [N, H, W, 3].
        shrunk: 1, or less where the poses were made smaller to be in the image.
    """

    poses: np.ndarray
    images: dict[str, np.ndarray]
    shrunk: float

    @property
    def generated(self) -> np.ndarray:
        """The last stage's images, uint8 [N, H, W, 3]."""
        return self.images.get("refined", self.images["coarse"])

    def intermediate(self, frame: int) -> dict[str, np.ndarray]:
        """Returns the images that lead to the refined one, uint8 [H, W, 3].

        `coarse`, and `difference`: half of refined less coarse, around grey. None of
        them where the model ends with its first stage.
        """
        if "refined" not in self.images:
            return {}
        coarse = self.images["coarse"][frame]
        change = (self.images["refined"][frame].astype(int) - coarse) // 2
        return {"coarse": coarse, "difference": (128 + change).astype(np.uint8)}


def find_person(
    photo: np.ndarray,
    image_size: tuple[int, int],
    *,
    name: str = "photo",
    estimator: crowd.Estimator | None = None,
    pose: np.ndarray | None = None,
    number: int | None = None,
    crop: str = "auto",
) -> Person:
    """Finds a person and the part of the photo that a model is to see.

    Args:
        photo: uint8 [H, W, 3], RGB, upright, of any size.
        image_size: height and width of the model's images.
        name: of the photo, for messages.
        estimator: finds the pose.
        pose: float32 [18, 3] in pixels of the photo, rather than `estimator`. Without
            both, nobody is looked for, which is for `crop="none"`.
        number: which of several people, counted from the left, from 1 on. Default:
            the largest.
        crop: `auto`: around the person, with some room; `none`: the whole photo.
            What is missing to the model's proportions is added by repeating borders.

    Raises:
        InputError: there is nobody, or no person of this number.
    """
    others = 0
    if pose is None and estimator is not None:
        people = crowd.find_people(photo, estimator)
        pose, others = _choose(people, number, name), len(people) - 1
    if pose is None:
        pose = kp.missing_pose()
    size = (photo.shape[0], photo.shape[1])
    if crop == "auto":
        if not kp.found(pose).any():
            raise InputError(f"{name}: nobody in it to crop the photo to")
        fitted = fitting.around(pose, size, image_size)
    else:
        fitted = fitting.fit(size, image_size)
    return Person(name, photo, pose, fitted, fitting.fit_image(photo, fitted), others)


def place(
    person: Person, target: Target, *, retarget: str = "scale"
) -> tuple[np.ndarray, float]:
    """Places poses in the image that a model is to make of a person.

    With `scale` and `limbs`, poses are kept inside the image where the photo shows the
    person down to the feet; of a half-length photo, what lies outside is not found.

    Args:
        person: whose body they are given to.
        target: one pose, or those of a sequence.
        retarget: `scale` or `limbs`, see `retargeting.retarget`; `none`: the image
            that the pose is in is padded to the model's proportions.

    Returns:
        float32 [N, 18, 3] in pixels of the crop, and the factor that the poses were
        made smaller by to be inside.

    Raises:
        InputError: nothing by which to compare the bodies, nothing of the pose is in
            the image, or with `none`, some of it is outside of `target.size`.
    """
    size, shrunk = person.fitted.new_size, 1.0
    own = person.pose_in_crop
    if retarget == "none":
        check_inside(target.name, target.poses, target.size)
        fitted = fitting.fit(target.size, size)
        poses = np.stack([fitting.fit_pose(pose, fitted) for pose in target.poses])
    elif not retargeting.comparable(target.poses, own):
        raise InputError(
            f"{person.name}: nothing was found of its person that the pose "
            f"{target.name} has, to compare their sizes by; --retarget=none takes a "
            "pose as it is"
        )
    else:
        poses = retargeting.retarget(target.poses, own, mode=retarget)
        if kp.found(own[_ANKLES]).any():
            poses, shrunk = retargeting.fit_inside(poses, size)
    poses = kp.within(poses, size)
    if not kp.found(poses).any(axis=1).all():
        raise InputError(
            f"{person.name}: the pose {target.name} is outside of the image"
        )
    return poses, shrunk


def transfer(
    model: Model, person: Person, target: Target, *, retarget: str = "scale"
) -> Transferred:
    """Puts a person into a pose, or into those of a sequence; see `place`."""
    poses, shrunk = place(person, target, retarget=retarget)
    made = model(np.repeat(person.crop[None], len(poses), axis=0), poses)
    return Transferred(poses, made, shrunk)


def paste_back(person: Person, image: np.ndarray) -> np.ndarray:
    """Puts a generated image where the crop was, with a soft border.

    Args:
        person: whose photo it is.
        image: uint8 [h, w, 3] of the model's size.

    Returns:
        uint8 [H, W, 3], a copy of the photo.
    """
    return fitting.put_back(image, person.photo, person.fitted)


def describe(person: Person) -> str | None:
    """Returns a line on a choice among people, None where there was none."""
    if not person.others:
        return None
    return (
        f"{person.name}: {person.others + 1} people, of whom --person=N takes another "
        "than the largest, counted from the left"
    )


def _choose(people: list[np.ndarray], number: int | None, name: str) -> np.ndarray:
    if not people:
        raise InputError(
            f"{name}: no person found in it; crop it nearer to the person, or give "
            "the pose of its person with --photo_pose"
        )
    if number is None:
        return people[crowd.largest(people)]
    if number > len(people):
        raise InputError(
            f"{name}: no person {number}, counted from the left; found were "
            f"{len(people)}"
        )
    return people[number - 1]
