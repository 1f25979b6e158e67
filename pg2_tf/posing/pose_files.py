"""Pose files of the commands that put somebody into a pose."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pg2_tf.posing import target_poses
from preprocessing.images import framing as fitting
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError


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


def read(path: Path, pose_size: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Reads the pose of the most confident person of a file.

    Args:
        path: of poses in one image, in any format of `preprocessing.poses.pose_files`.
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
    target_poses.check_inside(path, pose, pose_size)
    return fitting.fit_pose(pose, fitting.fit(pose_size, size))
