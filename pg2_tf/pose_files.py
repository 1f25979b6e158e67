"""Pose files of the commands that put somebody into a pose."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preprocessing import fitting, target_poses
from preprocessing import keypoints as kp
from preprocessing.errors import InputError
from preprocessing.samples import Notes


def find(paths: Sequence[str | Path]) -> list[Path]:
    """Returns pose files, and those in folders in the order of their names.

    Raises:
        InputError: a folder without any.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(path.glob("*.json"))
            if not inside:
                raise InputError(f"{path}: no JSON file in this folder")
            found += inside
        else:
            found.append(path)
    return found


def name(path: Path) -> str:
    """Returns what a pose file is called: OpenPose's ends in `_keypoints.json`."""
    return path.stem.removesuffix("_keypoints")


def read(path: Path, pose_size: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Reads the pose of the most confident person of a file.

    Args:
        path: of poses in one image, in any format of `preprocessing.poses`.
        pose_size: height and width of that image.
        size: height and width of the model's images.

    Returns:
        float32 [18, 3] in pixels of the model's images.

    Raises:
        InputError: nobody is in it, or keypoints lie outside of the image.
    """
    notes = Notes()
    pose = target_poses.read_pose(path, pose_size, notes=notes)
    for line in notes.said:
        print(line)
    places = pose[kp.found(pose), :2]
    if (places < -0.5).any() or (places >= pose_size[::-1]).any():
        (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
        raise InputError(
            f"{path}: its keypoints reach from x {left:.0f}, y {top:.0f} to x "
            f"{right:.0f}, y {bottom:.0f}, outside {pose_size[0]}x{pose_size[1]}; give "
            "--pose_size=HEIGHTxWIDTH of the image they were found in"
        )
    return fitting.fit_pose(pose, fitting.fit(pose_size, size))
