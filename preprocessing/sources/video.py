"""Videos of people: each video shows one person, whose frames become images.

Of every video those frames are taken that are spread most widely over its poses.
Blurred frames, frames without a whole torso and nearly equal poses are left out. Each
image is the part of its frame around the person, in the proportions of the data set.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from tqdm import tqdm

from preprocessing.images import framing, image_files, video
from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes, Sample
from preprocessing.system.errors import InputError

# A minute of poses is spread well by this many frames a second.
_FRAMES_PER_SECOND = 10.0
_MOST_READ = 6000
# Sharpness below this share of the video's median is blur.
_BLURRED = 0.4
# Poses whose mean distance is below this share of the torso's length are nearly equal.
_EQUAL = 0.06
# Height of the crop that sharpness is measured at.
_MEASURED = 128


class Estimator(Protocol):
    """Finds one person's pose in an image, as `movenet.PoseEstimator` does."""

    def estimate(self, image: np.ndarray) -> np.ndarray:
        """Returns the pose, float32 [18, 3], in an image, uint8 [H, W, 3]."""


class _Frame(NamedTuple):
    """A frame that could become an image.

    Attributes:
        number: its number in the video.
        crop: the part around the person, uint8 [h, w, 3].
        pose: float32 [18, 3], in pixels of the crop.
        sharpness: mean squared Laplacian of the crop.
    """

    number: int
    crop: np.ndarray
    pose: np.ndarray
    sharpness: float


def samples(
    root: Path,
    notes: Notes,
    *,
    size: tuple[int, int],
    estimator: Estimator,
    frames_per_video: int = 150,
) -> Iterator[Sample]:
    """Yields images of the people in videos.

    Args:
        root: a video of one person, or a folder of such videos.
        notes: receives the counts of frames that are left out.
        size: height and width of the images in pixels.
        estimator: finds the poses.
        frames_per_video: the most images of each video.

    Raises:
        InputError: no video, a damaged one, or one without a person.
    """
    paths = _videos(root)
    for path in paths:
        frames = _sharp(list(_frames(path, size, estimator, notes)), notes, path)
        if not frames:
            raise InputError(f"{path}: no frame shows a person's torso")
        chosen = _spread(frames, frames_per_video)
        notes.say(f"{path.name}: {len(chosen)} of {len(frames)} sharp frames chosen")
        for frame in chosen:
            content = image_files.encode_jpeg(frame.crop)
            yield Sample(
                name=f"{path.stem}/{frame.number:05d}.jpg",
                identity=path.stem,
                read=partial(bytes, content),
                split="train" if len(paths) == 1 else None,
                pose=frame.pose,
            )


def _videos(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    paths = sorted(p for p in root.iterdir() if p.suffix.lower() in video.SUFFIXES)
    if not paths:
        allowed = ", ".join(video.SUFFIXES)
        raise InputError(f"{root}: no video in this folder ({allowed})")
    stems = [path.stem for path in paths]
    for path in paths:
        if stems.count(path.stem) > 1:
            raise InputError(f"{path}: another video has the name {path.stem}")
    return paths


def _frames(
    path: Path, size: tuple[int, int], estimator: Estimator, notes: Notes
) -> Iterator[_Frame]:
    """Yields the frames that show a torso, cropped to the person."""
    _, read = video.read_frames(
        path, frames_per_second=_FRAMES_PER_SECOND, most=_MOST_READ
    )
    frames = tqdm(read, desc=path.name, unit=" frames", leave=False)
    for number, pixels in enumerate(frames):
        pose = estimator.estimate(pixels)
        if not kp.has_torso(pose):
            notes.add("frames without a whole torso left out", f"{path.name} {number}")
            continue
        fit = framing.around(pose, (pixels.shape[0], pixels.shape[1]), size)
        crop = framing.fit_image(pixels, fit)
        moved = framing.fit_pose(pose, fit)
        yield _Frame(number, crop, moved, _sharpness(crop))


def _sharpness(crop: np.ndarray) -> float:
    width = max(1, round(crop.shape[1] * _MEASURED / crop.shape[0]))
    resized = image_files.resize(crop, (_MEASURED, width))
    grey = cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY)
    return float(np.square(cv2.Laplacian(grey, cv2.CV_32F)).mean())


def _sharp(frames: list[_Frame], notes: Notes, path: Path) -> list[_Frame]:
    """Returns the frames that are not blurred."""
    if not frames:
        return []
    least = _BLURRED * float(np.median([frame.sharpness for frame in frames]))
    for frame in frames:
        if frame.sharpness < least:
            notes.add("blurred frames left out", f"{path.name} {frame.number}")
    return [frame for frame in frames if frame.sharpness >= least]


def _spread(frames: list[_Frame], most: int) -> list[_Frame]:
    """Chooses frames by farthest-point sampling of their poses, in their order.

    It begins with the sharpest frame, and ends after `most` frames or where every
    other pose is nearly equal to a chosen one.
    """
    poses = np.stack([_normalised(frame.pose) for frame in frames])
    index = int(np.argmax([frame.sharpness for frame in frames]))
    nearest = np.full(len(frames), np.inf)
    chosen: list[int] = []
    while len(chosen) < most:
        chosen.append(index)
        nearest = np.minimum(nearest, _distances(poses, poses[index]))
        index = int(np.argmax(nearest))
        if nearest[index] < _EQUAL:
            break
    return [frames[i] for i in sorted(chosen)]


def _normalised(pose: np.ndarray) -> np.ndarray:
    """Returns a pose with the hips at 0 and a torso of length 1; missing: NaN."""
    right, left, right_hip, left_hip = pose[list(kp.TORSO), :2]
    hips = (right_hip + left_hip) / 2
    torso = max(float(np.linalg.norm((right + left) / 2 - hips)), 1.0)
    places = (pose[:, :2] - hips) / torso
    return np.where(kp.found(pose)[:, None], places, np.nan)


def _distances(poses: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Returns the mean distance [N] of the keypoints found in both."""
    return np.nanmean(np.linalg.norm(poses - pose, axis=2), axis=1)
