"""Videos of people: each video shows one person, whose frames become images.

Of every video those frames are taken that are spread most widely over its poses.
Blurred frames, frames without a whole torso and nearly equal poses are left out. The
images are crops around the person. All crops of a video have one scale and one ground
line, so that a small person in one image is small in all.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from scipy.ndimage import median_filter
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
# Height of the crop that sharpness is measured at, in pixels.
_MEASURED = 128
# Scale and ground line follow the person by the median of so many seconds.
_FOLLOWED_SECONDS = 2.0
# Share of the frames whose whole body is inside its crop.
_INSIDE = 0.95
# Room under the lowest keypoint, as a share of the crop's height.
_BELOW = 0.06
_HIPS = [kp.INDEX["right_hip"], kp.INDEX["left_hip"]]


class Estimator(Protocol):
    """Finds one person's pose in an image, as `movenet.PoseEstimator` does."""

    def estimate(self, image: np.ndarray) -> np.ndarray:
        """Returns the pose, float32 [18, 3], in an image, uint8 [H, W, 3]."""


class _Frame(NamedTuple):
    """A frame that could become an image.

    Attributes:
        number: Number of the frame in the video.
        pose: float32 [18, 3], in pixels of the frame.
        around: The smallest crop around the person.
        sharpness: Mean squared Laplacian of this crop.
    """

    number: int
    pose: np.ndarray
    around: framing.Fit
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
        root: A video of one person, or a folder of such videos.
        notes: Receives the counts of frames that are left out.
        size: Height and width of the images in pixels.
        estimator: Finds the poses.
        frames_per_video: The most images of each video.

    Raises:
        InputError: No video, a damaged one, or one without a person.
    """
    paths = _videos(root)
    for path in paths:
        frames = list(_frames(path, size, estimator, notes))
        if not frames:
            raise InputError(f"{path}: no frame shows a person's torso")
        sharp = _sharp(frames, notes, path)
        chosen = _spread(sharp, frames_per_video)
        notes.say(f"{path.name}: {len(chosen)} of {len(sharp)} sharp frames chosen")
        crops = dict(zip([f.number for f in frames], _crops(frames, size), strict=True))
        for frame, pixels in _read_again(path, chosen):
            fit = crops[frame.number]
            content = image_files.encode_jpeg(framing.fit_image(pixels, fit))
            yield Sample(
                name=f"{path.stem}/{frame.number:05d}.jpg",
                identity=path.stem,
                read=partial(bytes, content),
                split="train" if len(paths) == 1 else None,
                pose=kp.within(framing.fit_pose(frame.pose, fit), size),
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


def _read(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the frames of a video with their numbers."""
    _, frames = video.read_frames(
        path, frames_per_second=_FRAMES_PER_SECOND, most=_MOST_READ
    )
    yield from enumerate(tqdm(frames, desc=path.name, unit=" frames", leave=False))


def _read_again(
    path: Path, frames: list[_Frame]
) -> Iterator[tuple[_Frame, np.ndarray]]:
    """Yields some frames with their pixels."""
    wanted = {frame.number: frame for frame in frames}
    for number, pixels in _read(path):
        if number in wanted:
            yield wanted[number], pixels


def _frames(
    path: Path, size: tuple[int, int], estimator: Estimator, notes: Notes
) -> Iterator[_Frame]:
    """Yields the frames that show a torso."""
    for number, pixels in _read(path):
        pose = estimator.estimate(pixels)
        if not kp.has_torso(pose):
            notes.add("frames without a whole torso left out", f"{path.name} {number}")
            continue
        around = framing.around(pose, (pixels.shape[0], pixels.shape[1]), size)
        crop = framing.fit_image(pixels, around)
        yield _Frame(number, pose, around, _sharpness(crop))


def _crops(frames: list[_Frame], size: tuple[int, int]) -> list[framing.Fit]:
    """Returns a crop for each frame, all of one scale and one ground line.

    The scale follows the length of the torso and the ground line the lowest keypoint,
    each by a median over time, because the camera or the person may move. Across, a
    crop is centred at the hips.
    """
    length = round(_FOLLOWED_SECONDS * _FRAMES_PER_SECOND) + 1
    torso, lowest = (
        median_filter(
            np.array([measure(f.pose) for f in frames]), length, mode="nearest"
        )
        for measure in (_torso, _lowest)
    )
    needed = np.array([frame.around.framed[0] for frame in frames])
    heights = torso * np.quantile(needed / torso, _INSIDE)
    fits = []
    for frame, height, ground in zip(frames, heights, lowest, strict=True):
        tall, wide = round(height), max(1, round(height * size[1] / size[0]))
        middle = frame.pose[_HIPS, 0].mean()
        top = round(ground + _BELOW * height) - tall
        left = round(middle - wide / 2)
        fits.append(framing.Fit(frame.around.size, -top, -left, (tall, wide), size))
    return fits


def _torso(pose: np.ndarray) -> float:
    right, left, right_hip, left_hip = pose[list(kp.TORSO), :2]
    length = float(np.linalg.norm((right + left - right_hip - left_hip) / 2))
    return max(length, 1.0)


def _lowest(pose: np.ndarray) -> float:
    return float(pose[kp.found(pose), 1].max())


def _sharpness(crop: np.ndarray) -> float:
    width = max(1, round(crop.shape[1] * _MEASURED / crop.shape[0]))
    resized = image_files.resize(crop, (_MEASURED, width))
    grey = cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY)
    return float(np.square(cv2.Laplacian(grey, cv2.CV_32F)).mean())


def _sharp(frames: list[_Frame], notes: Notes, path: Path) -> list[_Frame]:
    """Returns the frames that are not blurred."""
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
    hips = pose[_HIPS, :2].mean(axis=0)
    places = (pose[:, :2] - hips) / _torso(pose)
    return np.where(kp.found(pose)[:, None], places, np.nan)


def _distances(poses: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Returns the mean distance [N] of the keypoints found in both."""
    return np.nanmean(np.linalg.norm(poses - pose, axis=2), axis=1)
