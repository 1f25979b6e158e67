"""`pg2_tf.load` loads a trained model that takes a photo and a pose.

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
from pg2_tf.posing import photo, retargeting
from pg2_tf.posing.photo import Estimator, Person
from pg2_tf.posing.results import Clip, Result
from pg2_tf.posing.retargeting import Size, Target
from pg2_tf.posing.target_poses import TargetReader, read_pose
from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes


class Transfer:
    """Generates images of people in photos, in other poses.

    Args:
        model: Loaded model.
        estimator: Function that returns the pose estimator. It is called when a pose
            is first estimated.
        notes: Collects remarks, for example about photos of several people. Default:
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
        estimator: Callable[[], Estimator],
        notes: Notes | None = None,
    ):
        self.model = model
        self._estimator = estimator
        self._notes = notes or _Warnings()

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the model's images in pixels."""
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
            photo: Path, PIL image or array, uint8 [H, W, 3].
            pose: A pose or a list of poses; see `read_poses`.
            photo_pose: The person's pose; see `find`.
            person: The person's number from the left, from 1. Default: the largest.
            crop: `auto` or `none`; see `find`.
            retarget: `scale`, `limbs` or `none`; see `generate`.
            shrink: Whether to scale down poses that do not fit in the image.
            paste_back: Whether to put the image back into the photo.
            **reading: Arguments for `TargetReader`: `pose_size`, `sequence`,
                `frames_per_second`, `most_frames`, `smooth`.

        Returns:
            A PIL image for a pose; a `Clip` for a sequence of poses (a video, a motion,
            an array [N, 18, 3]); a list of these for a list of poses.

        Raises:
            InputError: A file is unusable, or nobody was found in the photo.
            ValueError: An array has another type, shape or range.
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
            image: Path, PIL image or array, uint8 [H, W, 3].
            pose: The person's pose: a pose file, or an array [18, 3] in pixels of the
                photo. Default: the estimated pose.
            number: The person's number from the left, from 1. Default: the largest.
            crop: `auto`: the part of the photo around the person. `none`: the whole
                photo.
            look: Whether to estimate the pose if `pose` is None.

        Raises:
            InputError: The file is unusable, or the person was not found.
            ValueError: The array has another type, shape or range.
        """
        read = photo.read_photo(image)
        if read.reduced > 1:
            height, width = read.size
            self._notes.say(
                f"{read.name}: read at 1/{read.reduced} of its size, {height}x{width}"
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
            value: Name of a pose (`named_poses.NAMES`) or motion
                (`named_poses.MOTIONS`), pose file, photo (path, PIL image or uint8
                array) or video of somebody in the pose, folder of these, or array
                [18, 3] or [N, 18, 3]: x, y in pixels, confidence.
            pose_size: Height and width of the image that poses in files and arrays
                belong to. Default: the model's.
            **reading: Other arguments for `TargetReader`.

        Raises:
            InputError: The file is unusable, or nobody was found in it.
            ValueError: The array has another type, shape or range.
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
            person: Person from `find`.
            target: Target from `read_poses`.
            retarget: `scale`: the poses get the person's place and size. `limbs`: also
                the person's limb lengths. `none`: they stay unchanged.
            shrink: Whether to scale down poses that do not fit in the image. Otherwise
                keypoints outside become missing.

        Raises:
            InputError: See `photo.place`.
            ValueError: `retarget` has another value.
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
        """Returns a person's pose in pixels of the photo that was read."""
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
    """Notes that are also Python warnings."""

    def say(self, line: str) -> None:
        """Warns once per line; see `Notes.say`."""
        if line not in self.said:
            warnings.warn(line, stacklevel=4)
        super().say(line)

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Warns about an input; see `Notes.add`."""
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
    """Loads a model that generates an image of a photo's person in another pose.

    Args:
        model: Run folder, SavedModel, `.tflite` file or name of a shipped model; see
            `loading.load_model`.
        stage: 1 or 2. Default: the last stage of the model.
        weights: `auto`, `last`, `ema` or `best`; see `runs.weights`.
        precision: `float32` or `bfloat16`.
        trust_model: Whether to load a SavedModel with operations that `pg2_tf.export`
            never writes.
        pose_model: Path of a MoveNet SinglePose model (`.tflite`). Default: Lightning
            int8, downloaded once, when a pose is first estimated.
        notes: Collects remarks. Default: each remark becomes a Python warning.

    Raises:
        InputError: There is no model, it is damaged, or it was not exported by this
            project.

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


def pose_estimator(path: str | Path | None) -> Callable[[], Estimator]:
    """Returns a function that loads MoveNet at its first call.

    Args:
        path: Path of a MoveNet SinglePose model; None to download Lightning int8 once.
    """

    @cache
    def loaded() -> Estimator:
        from preprocessing.estimation.movenet import PoseEstimator, model_path

        return PoseEstimator(model_path(path, flag="pose_model"))

    return loaded


def _is_keypoints(pose: Sequence[Any]) -> bool:
    """Returns whether nested lists are poses, [18][3] or [N][18][3]."""
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
