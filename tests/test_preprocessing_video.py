"""Frames out of videos and animated GIFs, and into them."""

import cv2
import numpy as np
import pytest

from preprocessing.images import video
from preprocessing.system.errors import InputError

RATE = 12.5


def frames(count=12, size=(48, 64)):
    """A square that goes across."""
    pictures = []
    for number in range(count):
        picture = np.full((*size, 3), (40, 60, 90), np.uint8)
        cv2.circle(picture, (8 + 4 * number, 24), 7, (230, 120, 30), -1)
        pictures.append(picture)
    return pictures


def read(path, *, frames_per_second=60.0, most=100):
    rate, pictures = video.read_frames(
        path, frames_per_second=frames_per_second, most=most
    )
    return rate, list(pictures)


ENCODE = {"gif": video.write_gif, "mp4": video.write_mp4}


@pytest.fixture(params=ENCODE)
def path(request, tmp_path):
    content = ENCODE[request.param](frames(), frames_per_second=RATE)
    path = tmp_path / f"video.{request.param}"
    path.write_bytes(content)
    return path


def test_frames_come_back_in_order_and_at_their_rate(path):
    rate, found = read(path)
    assert rate == pytest.approx(RATE, rel=0.03)
    assert len(found) == 12
    for expected, picture in zip(frames(), found, strict=True):
        assert picture.shape == (48, 64, 3)
        assert np.abs(picture.astype(int) - expected).mean() < 6


def test_fewer_frames_a_second_are_spread_evenly(path):
    rate, found = read(path, frames_per_second=RATE / 3)
    assert rate == pytest.approx(RATE / 3)
    assert len(found) == 4
    whole = frames()
    for number, picture in enumerate(found):
        assert np.abs(picture.astype(int) - whole[3 * number]).mean() < 6


def test_no_more_frames_than_asked_for(path):
    assert len(read(path, most=5)[1]) == 5


def test_odd_sizes_can_be_written():
    for encode in ENCODE.values():
        assert encode(frames(3, size=(33, 47)), frames_per_second=5)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_video_that_is_cut_off_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="cut off") as error:
        read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["video.mp4", "video.gif", "video.avi"])
def test_what_is_no_video_is_refused(tmp_path, name):
    path = tmp_path / name
    for content, message in ((b"", "empty"), (b"no video;", "cannot be read")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read(path)
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.mp4")


def test_a_video_without_frames_is_refused(tmp_path):
    path = tmp_path / "empty.avi"
    code = cv2.VideoWriter.fourcc(*"MJPG")
    cv2.VideoWriter(str(path), code, 10, (64, 48)).release()
    with pytest.raises(InputError, match=r"empty\.avi: (the video has no|cannot be)"):
        read(path)
