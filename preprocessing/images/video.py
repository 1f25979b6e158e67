"""Reads and writes video files and animated GIFs."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from preprocessing.system.errors import InputError

# FFmpeg's messages would repeat the InputError.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".gif")
# Last byte of a GIF. Without it the file is cut off.
_GIF_END = b";"
# Containers count their frames only roughly.
_MISCOUNTED = 0.9
_RATE = 12.0


def read_frames(
    path: str | Path, *, frames_per_second: float, most: int
) -> tuple[float, Iterator[np.ndarray]]:
    """Opens a video.

    Args:
        path: Video file in any format that FFmpeg reads, or animated GIF.
        frames_per_second: Largest number of frames returned for a second of video.
        most: Largest number of frames; later ones are left out.

    Returns:
        The frames for a second of video, and an iterator of the frames, uint8
        [H, W, 3], RGB, upright.

    Raises:
        InputError: The file is missing, empty, not a video or without frames; while
            the frames are read: it ends too early.
    """
    _check(Path(path))
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise InputError(f"{path}: cannot be read as a video; it may be cut off")
    given = video.get(cv2.CAP_PROP_FPS)
    given = given if 0 < given < 1000 else _RATE
    rate = min(frames_per_second, given)
    return rate, _frames(video, path, rate / given, most)


def write_gif(frames: Sequence[np.ndarray], *, frames_per_second: float) -> bytes:
    """Encodes frames, uint8 [H, W, 3] RGB, as an animated GIF that never ends."""
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in frames]
    # GIFs count in hundredths of a second, and players slow down what is below two.
    hundredths = max(2, round(100 / frames_per_second))
    animation.durations = [10 * hundredths] * len(frames)
    # The finest; by default photos are covered with dots.
    finest = [cv2.IMWRITE_GIF_QUALITY, 8, cv2.IMWRITE_GIF_DITHER, 3]
    _, content = cv2.imencodeanimation(".gif", animation, finest)
    return content.tobytes()


def write_mp4(frames: Sequence[np.ndarray], *, frames_per_second: float) -> bytes:
    """Encodes frames, uint8 [H, W, 3] RGB, as an MP4 (VP9, which browsers play).

    VP9 takes even sizes; the border of odd ones is repeated.

    Raises:
        InputError: OpenCV was built without VP9, or cannot write.
    """
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        even = (width + width % 2, height + height % 2)
        code = cv2.VideoWriter.fourcc(*"vp09")
        writer = cv2.VideoWriter(str(path), code, frames_per_second, even)
        for frame in frames:
            whole = cv2.copyMakeBorder(
                *(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            )
            writer.write(cv2.cvtColor(whole, cv2.COLOR_RGB2BGR))
        writer.release()
        if not path.exists() or not path.stat().st_size:
            raise InputError("OpenCV cannot write MP4 videos here; write a .gif")
        return path.read_bytes()


def _check(path: Path) -> None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if not size:
                raise InputError(f"{path}: the video file is empty")
            file.seek(max(0, size - 64))
            end = file.read().rstrip(b"\0")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if path.suffix.lower() == ".gif" and not end.endswith(_GIF_END):
        raise InputError(f"{path}: the GIF is cut off")


def _frames(
    video: cv2.VideoCapture, path: str | Path, share: float, most: int
) -> Iterator[np.ndarray]:
    read = given = 0
    try:
        while given < most:
            there, frame = video.read()
            if not there:
                break
            if int(read * share + 1e-6) >= given:
                given += 1
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            read += 1
        promised = video.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        video.release()
    if not read:
        raise InputError(f"{path}: the video has no frames")
    if given < most and read < _MISCOUNTED * promised - 2:
        raise InputError(
            f"{path}: only {read} of {promised:.0f} frames can be read; it is cut off"
        )
