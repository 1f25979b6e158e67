"""From a video of a person to a model of them, and a clip in another video's motion."""

import json

import numpy as np
import pytest
from pg2_tf_helpers import command_error, run_script, steps_kept
from preprocessing_estimation_helpers import box_model, picture

from preprocessing.images import image_files as images
from preprocessing.images import video
from preprocessing.poses import pose_files
from preprocessing.sources.samples import Notes
from preprocessing.sources.video import samples

MODULE = "pg2_tf.one_person"
SIZE = (32, 32)


def film(path, boxes, *, blurred=(), size=(120, 160)):
    """Writes a video of a bright box, the person of `box_model`."""
    frames = []
    for number, box in enumerate(boxes):
        frame = picture(size, box)
        if number in blurred:
            frame = images.resize(images.resize(frame, (12, 16)), size)
        frames.append(frame)
    path.write_bytes(video.write_gif(frames, frames_per_second=10))
    return path


def boxes(count):
    """Returns boxes of different widths: different poses."""
    return [(40, 20, 56 + 12 * n, 99) for n in range(count)]


class Box:
    """Takes a bright box for a person, as `box_model` does."""

    def __init__(self, tmp_path):
        from preprocessing.estimation.movenet import PoseEstimator

        path = tmp_path / "box.tflite"
        path.write_bytes(box_model())
        self.estimate = PoseEstimator(path).estimate


def sampled(path, tmp_path, **options):
    notes = Notes()
    found = list(samples(path, notes, size=SIZE, estimator=Box(tmp_path), **options))
    return found, "\n".join(notes.lines())


def test_frames_of_a_video_are_crops_around_the_person(tmp_path):
    path = film(tmp_path / "me.gif", boxes(6))
    found, said = sampled(path, tmp_path)
    assert [sample.name for sample in found] == [f"me/{n:05d}.jpg" for n in range(6)]
    assert {sample.identity for sample in found} == {"me"}
    assert {sample.split for sample in found} == {"train"}
    for sample in found:
        crop = images.decode(sample.read(), name=sample.name)
        assert crop.shape == (*SIZE, 3)
        assert sample.pose.shape == (18, 3)
        hips = sample.pose[[8, 11], 1].mean()
        assert crop[round(hips), round(sample.pose[[8, 11], 0].mean())].min() > 128
    assert "me.gif: 6 of 6 sharp frames chosen" in said


def test_equal_poses_blurred_frames_and_frames_without_anybody_are_left_out(tmp_path):
    every = [box for box in boxes(5) for _ in range(3)] + [None]
    path = film(tmp_path / "me.gif", every, blurred=(3, 4, 5))
    found, said = sampled(path, tmp_path)
    assert len(found) == 4
    assert "3 blurred frames left out (e.g. me.gif 3" in said
    assert "1 frames without a whole torso left out (e.g. me.gif 15)" in said


def test_chosen_frames_are_spread_over_the_poses(tmp_path):
    # Nine frames of nearly one width, then a wide one.
    every = [(50, 20, 62 + n, 99) for n in (0, 2, 4, 6, 8, 10, 12, 14, 60)]
    found, _ = sampled(film(tmp_path / "me.gif", every), tmp_path, frames_per_video=3)
    numbers = [int(sample.name[3:8]) for sample in found]
    assert len(numbers) == 3
    assert 8 in numbers
    assert np.ptp(numbers) >= 4


def test_every_video_of_a_folder_is_a_person(tmp_path):
    (tmp_path / "films").mkdir()
    for name in ("anna", "ben"):
        film(tmp_path / "films" / f"{name}.gif", boxes(3))
    found, _ = sampled(tmp_path / "films", tmp_path)
    assert {sample.identity for sample in found} == {"anna", "ben"}
    assert {sample.split for sample in found} == {None}


def command_line(tmp_path, *more):
    flags = ["--preset=tiny", "--image_size=32x32", "--stage1_steps=2"]
    flags += ["--stage2_steps=2", f"--pose_model={tmp_path / 'box.tflite'}"]
    flags += [f"--video={tmp_path / 'me.gif'}", f"--out={tmp_path / 'out'}", *more]
    script = f"import sys, runpy; sys.argv[1:] = {flags!r}\n"
    return script + f"runpy.run_module({MODULE!r}, run_name='__main__')"


def test_from_two_videos_to_a_model_and_a_clip(tmp_path):
    (tmp_path / "box.tflite").write_bytes(box_model())
    film(tmp_path / "me.gif", boxes(6))
    film(tmp_path / "dance.gif", boxes(9)[::-1], size=(150, 150))
    out = tmp_path / "out"
    flag = f"--motion={tmp_path / 'dance.gif'},walk"
    shown = run_script(command_line(tmp_path, flag))
    assert shown.count("$ python -m ") == 5
    assert (
        json.loads((out / "data" / "manifest.json").read_text())["splits"]["train"][
            "images"
        ]
        == 6
    )
    assert [steps_kept(out / "run", stage) for stage in (1, 2)] == [[2], [2]]
    photo = images.read(out / "photo.png")
    assert photo.shape == (*SIZE, 3)
    assert pose_files.read_one(out / "photo_keypoints.json").people.shape == (1, 18, 3)
    for name, count in (("dance", 9), ("walk", 16)):
        _, frames = video.read_frames(
            out / f"{name}.mp4", frames_per_second=60, most=99
        )
        assert len(list(frames)) == count
    # Again: nothing is built or trained a second time.
    before = (out / "run" / "stage2" / "metrics.jsonl").read_text()
    built = (out / "data" / "manifest.json").stat().st_mtime_ns
    run_script(command_line(tmp_path))
    assert (out / "run" / "stage2" / "metrics.jsonl").read_text() == before
    assert (out / "data" / "manifest.json").stat().st_mtime_ns == built
    assert json.loads((out / "run" / "config.json").read_text())["dataset"] == "tiny"


def test_bad_input_is_one_line(tmp_path, capsys):
    error = command_error(capsys, MODULE, f"--out={tmp_path / 'out'}")
    assert "--video is needed" in error
    gone = tmp_path / "gone.mp4"
    error = command_error(capsys, MODULE, f"--video={gone}", f"--out={tmp_path}")
    assert f"--video={gone}: no such file" in error
    (tmp_path / "empty").mkdir()
    (tmp_path / "box.tflite").write_bytes(box_model())
    flags = ["--source=video", f"--root={tmp_path / 'empty'}", f"--out={tmp_path}/d"]
    flags.append(f"--pose_model={tmp_path / 'box.tflite'}")
    error = command_error(capsys, "preprocessing.build", *flags)
    assert "empty: no video in this folder (.mp4" in error


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_a_damaged_video_is_one_line(tmp_path, capsys, content):
    (tmp_path / "box.tflite").write_bytes(box_model())
    (tmp_path / "me.mp4").write_bytes(content)
    flags = ["--source=video", f"--root={tmp_path / 'me.mp4'}", f"--out={tmp_path}/d"]
    flags.append(f"--pose_model={tmp_path / 'box.tflite'}")
    error = command_error(capsys, "preprocessing.build", *flags)
    assert "me.mp4" in error
