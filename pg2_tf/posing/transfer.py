"""`pg2_tf.load`: a trained model that takes a photo and a pose.

transfer = pg2_tf.load("runs/market1501")
transfer("me.jpg", "walking").save("walking.png")
"""

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pg2_tf.inference.inputs import check_poses
from pg2_tf.inference.loading import Model, load_model
from pg2_tf.posing import finding, photo, retargeting
from pg2_tf.posing.photo import Person
from pg2_tf.posing.results import Clip, Result
from pg2_tf.posing.target_poses import Size, Target, TargetReader, read_pose
from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes


class Transfer:
    """Puts people in photos into poses.

    Args:
        model: generates the images.
        estimator: returns the pose estimator; called when a pose is first needed.
        notes: receives remarks, such as that a photo shows several people. Default:
            each remark becomes a Python warning.

    Example:
        transfer = pg2_tf.load("drawn-people")
        image = transfer("me.jpg", "walking")
        images = transfer("me.jpg", ["standing", "pose.json", "other.jpg"])
        transfer("me.jpg", "dance.mp4").save("me.gif")
    """

    def __init__(
        self,
        model: Model,
        *,
        estimator: Callable[[], finding.Estimator],
        notes: Notes | None = None,
    ):
        self.model = model
        self._estimator = estimator
        self._notes = notes or _Warnings()

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the model's images, in pixels."""
        return self.model.image_size

    def __call__(
        self,
        photo: Any,
        pose: Any,
        *,
        photo_pose: Any = None,
        person: int | None = None,
        crop: str = "auto",
        retarget: str = "scale",
        shrink: bool = True,
        paste_back: bool = False,
        **reading: Any,
    ) -> Any:
        """Generates images of a person in poses.

        Args:
            photo: a path, a PIL image or an array, uint8 [H, W, 3].
            pose: a pose, or a list of them, as `read_poses` takes them.
            photo_pose: the person's pose, as `find`.
            person: the person's number from the left, from 1. Default: the largest.
            crop: `auto` or `none`, as `find`.
            retarget: `scale`, `limbs` or `none`, as `generate`.
            shrink: whether poses are scaled down to fit, as `generate`.
            paste_back: whether the image is put back into the photo.
            **reading: arguments of `TargetReader`: `pose_size`, `sequence`,
                `frames_per_second`, `most_frames`, `smooth`.

        Returns:
            A PIL image for a pose, a `Clip` for a sequence of poses (a video, a motion,
            an array [N, 18, 3]); for a list of poses a list of them.

        Raises:
            InputError: an unusable file, or nobody found in the photo.
            ValueError: an array of another type, shape or range.
        """
        several = isinstance(pose, (list, tuple)) and not _is_keypoints(pose)
        found = self.find(photo, pose=photo_pose, number=person, crop=crop)
        targets = [
            target
            for each in (pose if several else [pose])
            for target in self.read_poses(each, **reading)
        ]
        made = [
            _as_pil(
                self.generate(found, target, retarget=retarget, shrink=shrink),
                paste_back,
            )
            for target in targets
        ]
        return made if several or len(made) > 1 else made[0]

    def find(
        self,
        image: Any,
        *,
        pose: Any = None,
        number: int | None = None,
        crop: str = "auto",
        look: bool = True,
    ) -> Person:
        """Finds a person in a photo.

        Args:
            image: a path, a PIL image or an array, uint8 [H, W, 3].
            pose: the person's pose: a pose file, or an array [18, 3] in pixels of the
                photo. Default: the estimator finds it.
            number: the person's number from the left, from 1. Default: the largest.
            crop: `auto`: the part of the photo around the person; `none`: all of it.
            look: whether the estimator looks for the person if `pose` is None.

        Raises:
            InputError: an unusable file, or no such person.
            ValueError: an array of another type, shape or range.
        """
        read = photo.read_photo(image)
        if read.reduced > 1:
            height, width = read.size
            self._notes.say(
                f"{read.name}: read {read.reduced} times smaller, {height}x{width}"
            )
        person = photo.find_person(
            read.pixels,
            self.image_size,
            name=read.name,
            estimator=self._estimator() if pose is None and look else None,
            pose=None if pose is None else self._photo_pose(pose, read),
            number=number,
            crop=crop,
        )
        if number is None and (line := photo.describe(person)) is not None:
            self._notes.say(line)
        return person

    def read_poses(
        self, value: Any, *, pose_size: Size | None = None, **reading: Any
    ) -> list[Target]:
        """Reads poses.

        Args:
            value: a pose with a name (`named_poses.NAMES`), a motion with a name
                (`named_poses.MOTIONS`), a pose file, a photo (path, PIL image or uint8
                array) or video of somebody in the pose, a folder of these, or an array
                [18, 3] or [N, 18, 3]: x, y in pixels, confidence.
            pose_size: height and width of the image that poses in files and arrays
                belong to. Default: the model's.
            **reading: other arguments of `TargetReader`.

        Raises:
            InputError: an unusable file, or nobody in it.
            ValueError: an array of another type, shape or range.
        """
        size = pose_size or self.image_size
        reader = TargetReader(
            self._estimator, notes=self._notes, pose_size=size, **reading
        )
        if isinstance(value, (str, Path)):
            return reader.read(str(value))
        if hasattr(value, "convert") or np.asarray(value).dtype == np.uint8:
            read = photo.read_photo(value, name="pose")
            return [reader.estimate(read.pixels, Path(read.name))]
        array = np.asarray(value)
        poses = check_poses(
            array[None] if array.ndim == 2 else array, (None, 18, 3), name="pose"
        )
        rate = reader.frames_per_second if array.ndim == 3 else 0.0
        return [Target("pose", np.stack([kp.clean(p) for p in poses]), size, rate)]

    def generate(
        self,
        person: Person,
        target: Target,
        *,
        retarget: str = "scale",
        shrink: bool = True,
    ) -> Result:
        """Generates images of a person in a pose, or in the poses of a sequence.

        Args:
            person: as `find` returns it.
            target: as `read_poses` returns it.
            retarget: `scale`: the poses get the person's place and size; `limbs`: also
                the person's limb lengths; `none`: they stay as they are.
            shrink: whether poses that do not fit in the image are scaled down;
                otherwise keypoints outside become missing.

        Raises:
            InputError: as `photo.place`.
        """
        if retarget not in retargeting.MODES:
            raise ValueError(
                f"retarget={retarget}; allowed are {', '.join(retargeting.MODES)}"
            )
        poses, factor = photo.place(person, target, retarget=retarget, shrink=shrink)
        if factor < 0.995:
            name = f"{Path(person.name).name} as {target.name}, {factor:.0%}"
            self._notes.add("poses scaled down to fit in the image", name)
        sources = np.repeat(person.crop[None], len(poses), axis=0)
        return Result(person, target, poses, self.model(sources, poses), factor)

    def _photo_pose(self, pose: Any, read: photo.Photo) -> np.ndarray:
        """Returns a person's pose in pixels of the photo as it was read."""
        height, width = read.size
        whole = (height * read.reduced, width * read.reduced)
        if isinstance(pose, (str, Path)):
            found = read_pose(Path(pose), whole, notes=self._notes)
        else:
            found = kp.clean(
                check_poses(pose, (18, 3), image_size=whole, name="photo_pose")
            )
        return kp.within(kp.resize(found, size=whole, new_size=read.size), read.size)


class _Warnings(Notes):
    """Notes that become Python warnings."""

    def say(self, line: str) -> None:
        """Warns of a fact; see `Notes.say`."""
        if line not in self.said:
            warnings.warn(line, stacklevel=4)
        super().say(line)

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Warns of what befell one input; see `Notes.add`."""
        warnings.warn(f"{name}: {reason}", stacklevel=4)
        super().add(reason, name, count)


def load(
    model: str | Path,
    *,
    stage: int | None = None,
    weights: str = "auto",
    precision: str = "float32",
    trust_model: bool = False,
    pose_model: str | Path | None = None,
    notes: Notes | None = None,
) -> Transfer:
    """Loads a model that puts the person of a photo into a pose.

    Args:
        model: a run folder, a SavedModel, a `.tflite` file or the name of a shipped
            model; see `loading.load_model`.
        stage: 1 or 2; default the last stage of the model.
        weights: `auto`, `last`, `ema` or `best`; see `runs.weights`.
        precision: `float32` or `bfloat16`.
        trust_model: whether a SavedModel with foreign operations is loaded.
        pose_model: path of a MoveNet SinglePose model (`.tflite`). Default: Lightning
            int8, fetched once, when a pose is first estimated.
        notes: receives remarks; default: Python warnings.

    Raises:
        InputError: no model, or a damaged or foreign one.

    Example:
        transfer = pg2_tf.load("runs/market1501")
        image = transfer("me.jpg", "walking")
    """
    loaded = load_model(
        model,
        stage=stage,
        weights=weights,
        precision=precision,
        trust_model=trust_model,
    )
    return Transfer(loaded, estimator=pose_estimator(pose_model), notes=notes)


def pose_estimator(path: str | Path | None) -> Callable[[], finding.Estimator]:
    """Returns a function that loads MoveNet at its first call.

    Args:
        path: a MoveNet SinglePose model; None to fetch Lightning int8 once.
    """

    @cache
    def loaded() -> finding.Estimator:
        from preprocessing.estimation.movenet import PoseEstimator, model_path

        return PoseEstimator(model_path(path, flag="pose_model"))

    return loaded


def _is_keypoints(pose: Sequence[Any]) -> bool:
    """True for a pose as nested lists, [18][3] or [N][18][3]."""
    first = pose[0] if pose else None
    return isinstance(first, (list, tuple)) and all(
        isinstance(part, (int, float, list, tuple)) for part in first
    )


def _as_pil(result: Result, paste_back: bool) -> Any:
    from PIL import Image

    frames = [
        Image.fromarray(result.shown(frame, paste_back=paste_back))
        for frame in range(len(result.poses))
    ]
    if not result.target.is_sequence:
        return frames[0]
    return Clip(frames, frames_per_second=result.target.frames_per_second)
