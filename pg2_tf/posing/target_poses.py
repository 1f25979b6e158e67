"""Reads target poses: from pose files, photos and videos, and by name."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pg2_tf.posing import named_poses
from pg2_tf.posing.photo import Estimator, find_people, largest
from pg2_tf.posing.retargeting import Size, Target, smooth_sequence
from preprocessing.images import image_files, video
from preprocessing.poses import detections, pose_files
from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError


class TargetReader:
    """Reads target poses.

    Args:
        estimator: Function that returns the pose estimator. It is called when a pose
            is first estimated.
        notes: Collects remarks, for example about files with several people.
        pose_size: Height and width of the images that poses in files belong to.
        sequence: Whether the pose files of a folder are the frames of one sequence.
        frames_per_second: Speed of folders of frames, and highest speed of videos.
        most_frames: Largest number of frames. Later frames are left out.
        smooth: Whether to smooth sequences; see `retargeting.smooth_sequence`.
    """

    def __init__(
        self,
        estimator: Callable[[], Estimator],
        *,
        notes: Notes,
        pose_size: Size,
        sequence: bool = False,
        frames_per_second: float = 12.0,
        most_frames: int = 240,
        smooth: bool = True,
    ):
        self.frames_per_second = frames_per_second
        self._estimator = estimator
        self._notes = notes
        self._pose_size = pose_size
        self._sequence = sequence
        self._most = most_frames
        self._smooth = smooth

    def read(self, value: str) -> list[Target]:
        """Reads the poses that a value of `--pose` names.

        Args:
            value: Pose file; folder of pose files, each a target or a frame; photo;
                folder of photos, the frames of a sequence; video; or a name of
                `named_poses.NAMES` or `named_poses.MOTIONS`. Files take precedence
                over names.

        Raises:
            InputError: The value is none of these, a file is damaged, or nobody was
                found in it.
        """
        path = Path(value)
        suffix = path.suffix.lower()
        if path.is_dir():
            return self._read_folder(path)
        if not path.exists() and (named := named_target(value)) is not None:
            return [named]
        if not suffix and not path.exists():
            raise InputError(
                f"pose {value}: no such file, folder or named pose; poses: "
                f"{', '.join(named_poses.NAMES)}; motions: "
                f"{', '.join(named_poses.MOTIONS)}"
            )
        if suffix in video.SUFFIXES:
            rate, frames = video.read_frames(
                path, frames_per_second=self.frames_per_second, most=self._most
            )
            return [self._estimate_frames(path, frames, rate)]
        if suffix in image_files.SUFFIXES:
            return [self.estimate(image_files.read_bounded(path)[0], path)]
        return [self._read_file(path)]

    def estimate(self, photo: np.ndarray, path: Path) -> Target:
        """Estimates the pose of the largest person in a photo.

        Args:
            photo: Photo, uint8 [H, W, 3], RGB, upright.
            path: Path of the photo, for messages and the name of the target.

        Raises:
            InputError: Nobody was found.
        """
        people = find_people(photo, self._estimator())
        if not people:
            raise InputError(f"{path}: no person found")
        if len(people) > 1:
            self._notes.say(f"{path}: {len(people)} people; the largest one is used")
        pose = people[largest(people)]
        return Target(path.stem, pose[None], (photo.shape[0], photo.shape[1]))

    def _read_folder(self, folder: Path) -> list[Target]:
        files = sorted(folder.glob("*.json"))
        if files and not self._sequence:
            return [self._read_file(path) for path in files]
        rate = self.frames_per_second
        if files:
            files = self._first(folder, files)
            size = self._size_of(files[0])
            poses = [find_pose(path, size, notes=self._notes) for path in files]
            return [self._as_sequence(folder, poses, size, rate)]
        photos = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in image_files.SUFFIXES
        )
        if not photos:
            raise InputError(f"{folder}: no JSON file or image in this folder")
        photos = self._first(folder, photos)
        frames = (image_files.read_bounded(path)[0] for path in photos)
        return [self._estimate_frames(folder, frames, rate)]

    def _first(self, folder: Path, paths: list[Path]) -> list[Path]:
        if len(paths) > self._most:
            self._notes.say(f"{folder}: first {self._most} of {len(paths)} frames used")
        return paths[: self._most]

    def _read_file(self, path: Path) -> Target:
        size = self._size_of(path)
        pose = read_pose(path, size, notes=self._notes)
        return Target(name_of(path), pose[None], size)

    def _size_of(self, path: Path) -> Size:
        """Returns the image size in a pose file, or else `pose_size`."""
        return pose_files.read_one(path).size or self._pose_size

    def _estimate_frames(
        self, path: Path, frames: Iterable[np.ndarray], rate: float
    ) -> Target:
        estimator = self._estimator()
        poses: list[np.ndarray | None] = []
        sizes: set[Size] = set()
        for frame in tqdm(frames, desc=f"poses of {path.name}", unit=" frames"):
            pose = estimator.estimate(frame)
            poses.append(pose if kp.found(pose).any() else None)
            sizes.add((frame.shape[0], frame.shape[1]))
        if len(sizes) > 1:
            raise InputError(f"{path}: the frames have different sizes")
        return self._as_sequence(path, poses, next(iter(sizes), (0, 0)), rate)

    def _as_sequence(
        self, path: Path, poses: Sequence[np.ndarray | None], size: Size, rate: float
    ) -> Target:
        if not poses:
            raise InputError(f"{path}: no frames")
        sequence = np.stack([kp.missing_pose() if p is None else p for p in poses])
        if self._smooth:
            sequence = smooth_sequence(sequence, frames_per_second=rate)
        found = np.array([kp.found(pose).any() for pose in sequence])
        if not found.any():
            raise InputError(f"{path}: no person in any of {len(poses)} frames")
        if not found.all():
            self._notes.say(
                f"{path}: {np.sum(~found)} of {len(found)} frames without a person "
                "left out"
            )
        return Target(path.stem, sequence[found], size, rate)


def named_target(name: str) -> Target | None:
    """Returns the pose or motion with a name, or None if there is none."""
    size = named_poses.SIZE
    if name in named_poses.NAMES:
        return Target(name, named_poses.named_pose(name)[None], size)
    if name in named_poses.MOTIONS:
        rate = named_poses.FRAMES_PER_SECOND
        return Target(name, named_poses.motion(name), size, rate)
    return None


def find_pose(path: Path, size: Size, *, notes: Notes) -> np.ndarray | None:
    """Reads the pose of the most confident person in a pose file.

    Args:
        path: File with the poses of one image, in any format of `poses.pose_files`.
        size: Height and width of the image, for poses as fractions of its size.
        notes: Collects remarks, for example about files with several people.

    Returns:
        The pose, float32 [18, 3], or None if the file contains nobody.

    Raises:
        InputError: The file is not a pose file.
    """
    found = pose_files.read_one(path)
    if len(found.people) > 1:
        notes.say(f"{path}: {len(found.people)} people; the most confident one is used")
    return detections.choose(found, size)


def read_pose(path: Path, size: Size, *, notes: Notes) -> np.ndarray:
    """Reads a pose like `find_pose`, and raises `InputError` if there is none."""
    pose = find_pose(path, size, notes=notes)
    if pose is None:
        raise InputError(f"{path}: no person in this file")
    return pose


def find_pose_files(paths: Sequence[str | Path]) -> list[Path]:
    """Returns pose files, with folders replaced by their JSON files, sorted by name.

    Raises:
        InputError: A folder has no JSON file.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"{path}: no JSON file in this folder")
        found += inside
    return found


def name_of(path: Path) -> str:
    """Returns a pose file's name without suffix and without OpenPose's `_keypoints`."""
    return path.stem.removesuffix("_keypoints")
