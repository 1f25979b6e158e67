"""The command `generate` with photos of any size and poses of any kind."""

import shutil

import numpy as np
import pytest
from pg2_tf_helpers import command_error, make_run, random_poses, run_command
from preprocessing_estimation_helpers import box_model, picture

from pg2_tf.posing import named_poses
from preprocessing.images import image_files, video
from preprocessing.poses.formats import openpose

MODULE = "pg2_tf.generate"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A photo of a bright box, a pose model that finds a person in it, and a pose."""
    place = tmp_path_factory.mktemp("files")
    (place / "box.tflite").write_bytes(box_model())
    box = picture((200, 300), (120, 30, 169, 150))
    (place / "box.png").write_bytes(image_files.encode_png(box))
    openpose.write_json(place / "pose.json", random_poses(1)[0])
    return place


def generate(capsys, run, *flags):
    return run_command(capsys, MODULE, f"--model={run}", *flags)


def test_the_person_is_found_and_the_pose_is_placed(run, files, tmp_path, capsys):
    flags = [f"--image={files / 'box.png'}", f"--pose_model={files / 'box.tflite'}"]
    flags += ["--pose=hands-up", "--save_intermediate", f"--out={tmp_path / 'out.png'}"]
    result = generate(capsys, run, *flags)
    assert result.status == 0, result
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.png",
        *(f"out_{name}.png" for name in ("coarse", "difference", "skeleton")),
    ]
    coarse, refined, difference = (
        image_files.read(tmp_path / f"out{name}.png").astype(int)
        for name in ("_coarse", "", "_difference")
    )
    np.testing.assert_array_equal(difference, 128 + (refined - coarse) // 2)
    assert image_files.read(tmp_path / "out_skeleton.png").any()


def test_photo_pose_replaces_the_estimated_pose(run, files, tmp_path, capsys):
    person = tmp_path / "person"
    flags = ["--seed=3", "--num_poses=2", f"--out={person}"]
    drawn = run_command(capsys, "preprocessing.draw_person", *flags)
    assert drawn.status == 0
    flags = [f"--image={person / 'photo.png'}", "--retarget=limbs"]
    flags += [f"--photo_pose={person / 'photo_keypoints.json'}"]
    flags += [f"--pose=sitting,{person}", f"--out={tmp_path / 'out'}"]
    assert generate(capsys, run, *flags).status == 0
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names == {"000_sitting", "001_photo", "002_pose1", "003_pose2", "sheet"}
    flags[0] += f",{files / 'box.png'}"
    error = command_error(capsys, MODULE, f"--model={run}", *flags)
    assert "--photo_pose is for one photo" in error


def test_an_exported_model_gives_the_same_images(run, files, tmp_path, capsys):
    exported = tmp_path / "exported"
    flags = [f"--run_dir={run}", f"--out={exported}"]
    assert run_command(capsys, "pg2_tf.export", *flags).status == 0
    made = []
    for model in (run, exported):
        out = tmp_path / f"{model.name}.png"
        flags = [f"--image={files / 'box.png'}", "--pose=walking", f"--out={out}"]
        flags.append(f"--pose_model={files / 'box.tflite'}")
        assert generate(capsys, model, *flags).status == 0
        made.append(image_files.read(out).astype(int))
    assert np.abs(made[0] - made[1]).max() <= 1


def test_many_photos_and_poses_give_a_sheet_of_all(run, files, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in ("anna", "ben"):
        shutil.copy(files / "box.png", tmp_path / "photos" / f"{name}.png")
    flags = [
        f"--image={tmp_path / 'photos'}",
        "--pose=standing,sitting",
        "--crop=none",
        "--retarget=none",
    ]
    out = tmp_path / "out"
    result = generate(capsys, run, *flags, f"--out={out}")
    assert "4 images of 32x32" in result.out
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        *("000_anna_standing.png", "001_anna_sitting.png"),
        *("002_ben_standing.png", "003_ben_sitting.png", "sheet.png"),
    ]


def test_photos_without_a_person_are_left_out(run, files, tmp_path, capsys):
    (tmp_path / "nobody.png").write_bytes(image_files.encode_png(picture((300, 300))))
    (tmp_path / "text.jpg").write_text("no photo")
    flags = [f"--image={tmp_path},{files / 'box.png'}", "--pose=hands-up"]
    flags += [f"--pose_model={files / 'box.tflite'}", f"--out={tmp_path / 'out'}"]
    result = generate(capsys, run, *flags)
    assert result.status == 0
    assert "2 photos left out" in result.out
    assert "nobody.png: no person found" in result.out
    assert "1 images of 32x32" in result.out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"000_box_hands-up.png", "sheet.png"}
    flags[0] = f"--image={tmp_path / 'nobody.png'},{tmp_path / 'text.jpg'}"
    assert "nobody.png" in command_error(capsys, MODULE, f"--model={run}", *flags)


def test_paste_back_gives_the_photos_size(run, files, tmp_path, capsys):
    out = tmp_path / "out.png"
    flags = [f"--image={files / 'box.png'}", f"--pose_model={files / 'box.tflite'}"]
    flags += ["--pose=standing", "--paste_back", f"--out={out}"]
    assert generate(capsys, run, *flags).status == 0
    photo, after = image_files.read(files / "box.png"), image_files.read(out)
    assert after.shape == photo.shape
    np.testing.assert_array_equal(after[:, :60], photo[:, :60])
    assert (after[90, 145] != photo[90, 145]).any()


# === Sequences ===


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """An animated GIF of somebody, as a bright box, who becomes taller."""
    path = tmp_path_factory.mktemp("clip") / "clip.gif"
    frames = [picture((100, 80), (30, 20, 50, 60 + n)) for n in range(8)]
    path.write_bytes(video.write_gif(frames, frames_per_second=10))
    return path


def moving(files, clip):
    return [
        *(f"--image={files / 'box.png'}", f"--pose_model={files / 'box.tflite'}"),
        *(f"--pose={clip}", "--frames_per_second=5"),
    ]


def test_a_video_of_poses_gives_images_a_gif_and_an_mp4(
    run, files, clip, tmp_path, capsys
):
    out = tmp_path / "out"
    flags = [*moving(files, clip), "--save_intermediate", f"--out={out}"]
    result = generate(capsys, run, *flags)
    assert result.status == 0, result
    names = {path.name for path in out.iterdir()}
    assert names == {"000_clip", "000_clip.gif", "000_clip.mp4", "sheet.png"}
    assert len(list((out / "000_clip").iterdir())) == 4 * 4
    assert image_files.read(out / "000_clip" / "0003.png").shape == (32, 32, 3)
    for suffix in ("gif", "mp4"):
        rate, frames = video.read_frames(
            out / f"000_clip.{suffix}", frames_per_second=60, most=99
        )
        assert len(list(frames)) == 4
        assert rate == pytest.approx(5)


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_single_sequence_can_be_one_file(run, files, clip, tmp_path, capsys, suffix):
    out = tmp_path / f"out.{suffix}"
    flags = [*moving(files, clip), "--paste_back", f"--out={out}"]
    assert generate(capsys, run, *flags).status == 0
    _, frames = video.read_frames(out, frames_per_second=60, most=99)
    assert [frame.shape for frame in frames] == [(200, 300, 3)] * 4
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    for more, message in (
        (["--pose=standing"], "file holds one photo in one sequence"),
        (
            [f"--image={files / 'box.png'},{files / 'box.png'}"],
            "file holds one photo in one sequence",
        ),
        (["--save_intermediate"], "requires a folder"),
    ):
        error = command_error(capsys, MODULE, f"--model={run}", *flags, *more)
        assert message in error


# === Bad input ===


def test_unusable_input_is_one_line(run, files, tmp_path, capsys):
    (tmp_path / "nobody.json").write_text('{"people": []}')
    (tmp_path / "text.jpg").write_text("photo")
    (tmp_path / "zero.jpg").write_bytes(b"")
    gif = video.write_gif([picture((40, 40))] * 3, frames_per_second=5)
    (tmp_path / "cut.gif").write_bytes(gif[:-20])
    (tmp_path / "dark.png").write_bytes(image_files.encode_png(picture((300, 300))))
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "saved_model.pb").write_bytes(b"another model")
    good = {
        "model": run,
        "image": files / "box.png",
        "pose": files / "pose.json",
        "pose_model": files / "box.tflite",
        "out": tmp_path / "out.png",
    }
    for changes, message in (
        ({"image": tmp_path / "text.jpg"}, "text.jpg: cannot be decoded"),
        ({"image": tmp_path / "zero.jpg"}, "zero.jpg: the image file is empty"),
        ({"image": tmp_path / "none.png"}, "none.png: cannot be read"),
        ({"image": tmp_path / "empty"}, "empty: no image in it"),
        ({"image": tmp_path / "dark.png"}, "dark.png: no person found; crop"),
        ({"image": tmp_path / "cut.gif"}, "cut.gif: cannot be decoded"),
        ({"person": 2}, "box.png: person 2"),
        ({"pose": tmp_path / "nobody.json"}, "nobody.json: no person in this file"),
        ({"pose": tmp_path / "cut.gif"}, "cut.gif: the GIF is cut off"),
        (
            {"pose": "handstand"},
            "pose handstand: no such file, folder or named pose",
        ),
        (
            {"photo_pose": tmp_path / "nobody.json"},
            "nobody.json: no person in this file",
        ),
        ({"pose_size": "64"}, "--pose_size=64: expected HEIGHTxWIDTH"),
        ({"model": tmp_path / "empty"}, "empty: not a model"),
        ({"model": other}, "other: damaged SavedModel"),
        ({"pose_model": tmp_path / "none.tflite"}, "none.tflite: no such model file"),
        *(
            ({name: None}, f"--{name} is needed")
            for name in good
            if name[:6] != "pose_m"
        ),
    ):
        flags = {k: v for k, v in {**good, **changes}.items() if v is not None}
        flags = [f"--{name}={value}" for name, value in flags.items()]
        error = command_error(capsys, MODULE, *flags)
        assert message in error
    assert not good["out"].exists()


def test_a_photo_of_40_megapixels_is_read_smaller(run, files, tmp_path, capsys):
    large = picture((5000, 8000), (3000, 1000, 4300, 4200))
    (tmp_path / "large.jpg").write_bytes(image_files.encode_jpeg(large))
    flags = [f"--image={tmp_path / 'large.jpg'}", "--pose=walking"]
    flags += [f"--pose_model={files / 'box.tflite'}", f"--out={tmp_path / 'out.png'}"]
    result = generate(capsys, run, *flags)
    assert "large.jpg: read at 1/2 of its size, 2500x4000" in result.out
    assert image_files.read(tmp_path / "out.png").shape == (32, 32, 3)


def test_named_poses_are_listed(capsys):
    result = run_command(capsys, MODULE, "--list_poses")
    assert result.status == 0
    assert result.out.split() == [*named_poses.NAMES, *named_poses.MOTIONS]
