"""Reads the poses that people are to be put in, from whatever shows them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from pg2_tf.posing import finding as crowd
from pg2_tf.posing import named_poses as named
from preprocessing.images import image_files as images
from preprocessing.images import video
from preprocessing.poses import detections
from preprocessing.poses import keypoints as kp
from preprocessing.poses import pose_files as poses
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

Size = tuple[int, int]


class Target(NamedTuple):
    """One pose, or the poses of a sequence.

    Attributes:
        name: what results are named after.
        poses: float32 [N, 18, 3], in pixels; N is 1 for a single pose.
        size: height and width of the image that they are in.
        frames_per_second: of a sequence; 0 for a single pose.
    """

    name: str
    poses: np.ndarray
    size: Size
    frames_per_second: float = 0.0


class TargetReader:
    """Reads poses.

    Args:
        estimator: returns what finds the person in an image; called at the first.
        notes: takes what is to be told.
        pose_size: height and width of the images that poses in files are of.
        sequence: whether the pose files of a folder are frames of one sequence.
        frames_per_second: of videos, at most; and of folders of frames.
        most_frames: of a sequence; what follows is left out.
    """

    def __init__(
        self,
        estimator: Callable[[], crowd.Estimator],
        *,
        notes: Notes,
        pose_size: Size,
        sequence: bool = False,
        frames_per_second: float = 12.0,
        most_frames: int = 240,
    ):
        self._estimator = estimator
        self._notes = notes
        self._pose_size = pose_size
        self._sequence = sequence
        self._rate = frames_per_second
        self._most = most_frames

    def read(self, value: str) -> list[Target]:
        """Reads what `--pose` names.

        Args:
            value: a pose file; a folder of them, each a target, or frames; a photo; a
                folder of photos, which are frames of a sequence; a video; or a name of
                `people.named.NAMES`.

        Raises:
            InputError: nothing of these, damaged, or without a person.
        """
        path = Path(value)
        suffix = path.suffix.lower()
        if path.is_dir():
            return self._read_folder(path)
        if value in named.NAMES and not path.exists():
            return [Target(value, named.named_pose(value)[None], named.SIZE)]
        if not suffix and not path.exists():
            raise InputError(
                f"--pose={value}: no such file or folder, and no pose of this name; "
                f"there are {', '.join(named.NAMES)}"
            )
        if suffix in video.SUFFIXES:
            rate, frames = video.read_frames(
                path, frames_per_second=self._rate, most=self._most
            )
            return [self._estimate_frames(path, frames, rate)]
        if suffix in images.SUFFIXES:
            return [self._estimate(path)]
        return [self._read_file(path)]

    def _read_folder(self, folder: Path) -> list[Target]:
        files = sorted(folder.glob("*.json"))
        if files and not self._sequence:
            return [self._read_file(path) for path in files]
        if files:
            return [self._read_frames(folder, self._bounded(folder, files))]
        photos = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in images.SUFFIXES
        )
        if not photos:
            raise InputError(f"{folder}: no JSON file and no image in this folder")
        frames = (images.read_bounded(p)[0] for p in self._bounded(folder, photos))
        return [self._estimate_frames(folder, frames, self._rate)]

    def _bounded(self, folder: Path, paths: list[Path]) -> list[Path]:
        if len(paths) > self._most:
            self._notes.say(
                f"{folder}: the first {self._most} of {len(paths)} frames were taken"
            )
        return paths[: self._most]

    def _read_file(self, path: Path) -> Target:
        pose = read_pose(path, self._pose_size, notes=self._notes)
        return Target(name_of(path), pose[None], self._pose_size)

    def _read_frames(self, folder: Path, paths: list[Path]) -> Target:
        read = [find_pose(path, self._pose_size, notes=self._notes) for path in paths]
        found = [pose for pose in read if pose is not None]
        return self._as_sequence(folder, found, len(read), self._pose_size, self._rate)

    def _estimate(self, path: Path) -> Target:
        photo, _ = images.read_bounded(path)
        people = crowd.find_people(photo, self._estimator())
        if not people:
            raise InputError(f"{path}: no person found in it, so no pose to take")
        if len(people) > 1:
            self._notes.say(f"{path}: {len(people)} people, the largest one's pose")
        pose = people[crowd.largest(people)]
        return Target(path.stem, pose[None], photo.shape[:2])

    def _estimate_frames(
        self, path: Path, frames: Iterable[np.ndarray], rate: float
    ) -> Target:
        estimator, count = self._estimator(), 0
        found: list[np.ndarray] = []
        sizes: set[Size] = set()
        for frame in tqdm(frames, desc=f"poses of {path.name}", unit=" frames"):
            pose, count = estimator.estimate(frame), count + 1
            if kp.found(pose).any():
                sizes.add((frame.shape[0], frame.shape[1]))
                found.append(pose)
        if len(sizes) > 1:
            raise InputError(f"{path}: the frames of a sequence must be of one size")
        return self._as_sequence(path, found, count, next(iter(sizes), (0, 0)), rate)

    def _as_sequence(
        self, path: Path, found: list[np.ndarray], count: int, size: Size, rate: float
    ) -> Target:
        if not found:
            raise InputError(f"{path}: no person in any of {count} frames")
        if len(found) < count:
            self._notes.say(
                f"{path}: {count - len(found)} of {count} frames left out: nobody in "
                "them"
            )
        return Target(path.stem, np.stack(found), size, rate)


def find_pose(path: Path, size: Size, *, notes: Notes) -> np.ndarray | None:
    """Reads the pose of the most confident person in a pose file.

    Args:
        path: of the file, in any format that `poses` reads.
        size: height and width of the image, for poses in shares of it.
        notes: takes that there are several people.

    Returns:
        float32 [18, 3], or None where nobody is in it.

    Raises:
        InputError: no pose file.
    """
    found = poses.read_one(path)
    if len(found.people) > 1:
        notes.say(f"{path}: {len(found.people)} people, the most confident was taken")
    return detections.choose(found, size)


def read_pose(path: Path, size: Size, *, notes: Notes) -> np.ndarray:
    """Reads a pose as `find_pose` does; nobody in the file is an `InputError`."""
    pose = find_pose(path, size, notes=notes)
    if pose is None:
        raise InputError(f"{path}: no person in it")
    return pose


def name_of(path: Path) -> str:
    """Returns what a pose file is called: OpenPose's ends in `_keypoints.json`."""
    return path.stem.removesuffix("_keypoints")


def check_inside(name: str | Path, poses: np.ndarray, size: Size) -> None:
    """Refuses poses that are not of images of a size.

    Args:
        name: of the poses, for the message.
        poses: float32 [..., 18, 3] in pixels.
        size: height and width of the images.

    Raises:
        InputError: a keypoint lies outside.
    """
    places = poses[kp.found(poses)][:, :2]
    height, width = size
    if (places < -0.5).any() or (places >= (width, height)).any():
        (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
        raise InputError(
            f"{name}: its keypoints reach from x {left:.0f}, y {top:.0f} to x "
            f"{right:.0f}, y {bottom:.0f}, outside {height}x{width}; give "
            "--pose_size=HEIGHTxWIDTH of the image they were found in"
        )
