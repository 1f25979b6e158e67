"""The commands that use a trained run: generate and export."""

import shutil

import cv2
import numpy as np
import pytest
from pg2_tf_helpers import (
    command_error,
    make_run,
    random_poses,
    run_command,
)
from preprocessing_estimation_helpers import box_model, picture

from pg2_tf.inference import PoseTransfer
from preprocessing import images, video
from preprocessing.formats import openpose
from preprocessing.people import named

MODULE = "pg2_tf.generate"
# The whole photo, and poses where they are.
AS_IT_IS = ("--crop=none", "--retarget=none")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A photo, three poses in a folder, and a pose model that sees bright boxes."""
    place = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    photo = cv2.resize(small, (32, 32))
    (place / "photo.png").write_bytes(images.encode_png(photo))
    (place / "poses").mkdir()
    for number, pose in enumerate(random_poses(3)):
        openpose.write_json(place / "poses" / f"p{number}_keypoints.json", pose)
    (place / "box.tflite").write_bytes(box_model())
    box = picture((200, 300), (120, 30, 169, 150))
    (place / "box.png").write_bytes(images.encode_png(box))
    return place


def read(path):
    return images.read(path)


def generate(capsys, run, *flags):
    return run_command(capsys, MODULE, f"--model={run}", *flags)


def test_one_pose_gives_one_image(run, files, tmp_path, capsys):
    out = tmp_path / "out.png"
    pose_file = files / "poses" / "p1_keypoints.json"
    flags = [f"--image={files / 'photo.png'}", f"--pose={pose_file}", f"--out={out}"]
    flags += AS_IT_IS
    result = generate(capsys, run, *flags)
    assert result.status == 0, result
    photo, pose = read(files / "photo.png"), random_poses(3)[1]
    for stage, name in ((1, "coarse"), (2, "refined")):
        assert generate(capsys, run, *flags, f"--stage={stage}").status == 0
        expected = PoseTransfer.load(run)(photo[None], pose[None])[name][0]
        assert np.abs(read(out).astype(int) - expected).max() <= 1


def test_run_dir_is_the_same_as_model(run, files, tmp_path, capsys):
    out = tmp_path / "out.png"
    flags = [f"--image={files / 'photo.png'}", f"--pose={files / 'poses'}", *AS_IT_IS]
    flags += [f"--out={out}", f"--run_dir={run}"]
    assert run_command(capsys, MODULE, *flags).status == 0
    error = command_error(capsys, MODULE, *flags, f"--model={run}")
    assert "give one of them" in error


def test_folder_of_poses_gives_a_folder_of_images(run, files, tmp_path, capsys):
    out = tmp_path / "out"
    flags = [f"--image={files / 'photo.png'}", f"--pose={files / 'poses'}", *AS_IT_IS]
    assert generate(capsys, run, *flags, f"--out={out}").status == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == ["000_p0.png", "001_p1.png", "002_p2.png", "sheet.png"]
    photo = read(files / "photo.png")
    expected = PoseTransfer.load(run)(np.stack([photo] * 3), random_poses(3))
    for name, image in zip(names[:3], expected["refined"], strict=True):
        assert np.abs(read(out / name).astype(int) - image).max() <= 1
    assert generate(capsys, run, *flags, f"--out={tmp_path / 's.png'}").status == 0
    np.testing.assert_array_equal(read(tmp_path / "s.png"), read(out / "sheet.png"))


def test_photo_and_pose_of_another_size_are_fitted(run, files, tmp_path, capsys):
    photo = cv2.resize(read(files / "photo.png"), (64, 64))
    (tmp_path / "big.png").write_bytes(images.encode_png(photo))
    pose = random_poses(3)[0]
    pose[:, :2] = (pose[:, :2] + 0.5) * 2 - 0.5
    openpose.write_json(tmp_path / "big.json", pose)
    out = tmp_path / "out.png"
    flags = [f"--image={tmp_path / 'big.png'}", f"--out={out}", *AS_IT_IS]
    flags.append(f"--pose={tmp_path / 'big.json'}")
    error = command_error(capsys, MODULE, f"--model={run}", *flags)
    assert "--pose_size" in error
    assert not out.exists()
    assert generate(capsys, run, *flags, "--pose_size=64x64").status == 0
    small = images.resize(photo, (32, 32))
    expected = PoseTransfer.load(run)(small[None], random_poses(3)[:1])["refined"][0]
    assert np.abs(read(out).astype(int) - expected).mean() < 1


def test_the_person_is_found_and_the_pose_comes_to_them(run, files, tmp_path, capsys):
    flags = [f"--image={files / 'box.png'}", f"--pose_model={files / 'box.tflite'}"]
    flags += ["--pose=hands-up", "--save_intermediate", f"--out={tmp_path / 'out.png'}"]
    result = generate(capsys, run, *flags)
    assert result.status == 0, result
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.png",
        *(f"out_{name}.png" for name in ("coarse", "difference", "skeleton")),
    ]
    coarse, refined, difference = (
        read(tmp_path / f"out{name}.png").astype(int)
        for name in ("_coarse", "", "_difference")
    )
    np.testing.assert_array_equal(difference, 128 + (refined - coarse) // 2)
    assert read(tmp_path / "out_skeleton.png").any()


def test_the_photos_pose_can_be_given(run, files, tmp_path, capsys):
    pose = named.named_pose("walking")
    openpose.write_json(tmp_path / "own.json", pose)
    photo = np.full((*named.SIZE, 3), 90, np.uint8)
    (tmp_path / "drawn.png").write_bytes(images.encode_png(photo))
    flags = [f"--image={tmp_path / 'drawn.png'}", "--pose=sitting,waving"]
    flags += [f"--photo_pose={tmp_path / 'own.json'}", "--retarget=limbs"]
    assert generate(capsys, run, *flags, f"--out={tmp_path / 'out'}").status == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"000_sitting.png", "001_waving.png", "sheet.png"}
    two = f"--image={tmp_path / 'drawn.png'},{files / 'photo.png'}"
    error = command_error(
        capsys, MODULE, f"--model={run}", *flags, two, f"--out={tmp_path / 'o'}"
    )
    assert "--photo_pose is the pose of one photo" in error


def test_many_photos_and_poses_give_a_sheet_of_all(run, files, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in ("anna", "ben"):
        shutil.copy(files / "photo.png", tmp_path / "photos" / f"{name}.png")
    flags = [f"--image={tmp_path / 'photos'}", "--pose=standing,sitting", *AS_IT_IS]
    out = tmp_path / "out"
    result = generate(capsys, run, *flags, f"--out={out}")
    assert "4 images of 32x32" in result.out
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        *("000_anna_standing.png", "001_anna_sitting.png"),
        *("002_ben_standing.png", "003_ben_sitting.png", "sheet.png"),
    ]


def test_pasted_back_the_image_has_the_photos_size(run, files, tmp_path, capsys):
    out = tmp_path / "out.png"
    flags = [f"--image={files / 'box.png'}", f"--pose_model={files / 'box.tflite'}"]
    flags += ["--pose=standing", "--paste_back", f"--out={out}"]
    assert generate(capsys, run, *flags).status == 0
    photo, after = read(files / "box.png"), read(out)
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
    assert read(out / "000_clip" / "0003.png").shape == (32, 32, 3)
    for suffix in ("gif", "mp4"):
        rate, frames = video.read_frames(
            out / f"000_clip.{suffix}", frames_per_second=60, most=99
        )
        assert len(list(frames)) == 4
        assert rate == pytest.approx(5)


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_sequence_alone_can_be_one_file(run, files, clip, tmp_path, capsys, suffix):
    out = tmp_path / f"out.{suffix}"
    flags = [*moving(files, clip), "--paste_back", f"--out={out}"]
    assert generate(capsys, run, *flags).status == 0
    _, frames = video.read_frames(out, frames_per_second=60, most=99)
    assert [frame.shape for frame in frames] == [(200, 300, 3)] * 4
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    for more, message in (
        (["--pose=standing"], "takes one photo and one sequence"),
        ([f"--image={files}"], "takes one photo and one sequence"),
        (["--save_intermediate"], "needs a folder"),
    ):
        error = command_error(capsys, MODULE, f"--model={run}", *flags, *more)
        assert message in error


# === Bad input ===


def test_unusable_input_is_one_line(run, files, tmp_path, capsys):
    (tmp_path / "nobody.json").write_text('{"people": []}')
    (tmp_path / "text.json").write_text("pose")
    (tmp_path / "text.jpg").write_text("photo")
    (tmp_path / "zero.jpg").write_bytes(b"")
    gif = video.write_gif([picture((40, 40))] * 3, frames_per_second=5)
    (tmp_path / "dark.gif").write_bytes(gif)
    (tmp_path / "cut.gif").write_bytes(gif[:-20])
    (tmp_path / "zero.mp4").write_bytes(b"")
    (tmp_path / "dark.png").write_bytes(images.encode_png(picture((300, 300))))
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "saved_model.pb").write_bytes(b"another model")
    good = {
        "model": run,
        "image": files / "box.png",
        "pose": files / "poses",
        "pose_model": files / "box.tflite",
        "out": tmp_path / "out.png",
    }
    for changes, message in (
        ({"image": tmp_path / "text.jpg"}, "text.jpg: cannot be decoded"),
        ({"image": tmp_path / "zero.jpg"}, "zero.jpg: the image file is empty"),
        ({"image": tmp_path / "none.png"}, "none.png: cannot be read"),
        ({"image": tmp_path / "empty"}, "empty: no image there"),
        ({"image": tmp_path / "dark.png"}, "dark.png: no person found in it"),
        ({"image": tmp_path / "cut.gif"}, "cut.gif: cannot be decoded"),
        ({"person": 2}, "box.png: no person 2"),
        ({"pose": tmp_path / "nobody.json"}, "nobody.json: no person in it"),
        ({"pose": tmp_path / "text.json"}, "text.json: not JSON"),
        ({"pose": tmp_path / "none.json"}, "none.json: cannot be read"),
        ({"pose": tmp_path / "empty"}, "no JSON file and no image in this folder"),
        ({"pose": tmp_path / "text.jpg"}, "text.jpg: cannot be decoded"),
        ({"pose": tmp_path / "cut.gif"}, "cut.gif: the GIF is cut off"),
        ({"pose": tmp_path / "dark.gif"}, "dark.gif: no person in any of 3 frames"),
        ({"pose": tmp_path / "zero.mp4"}, "zero.mp4: the video file is empty"),
        (
            {"pose": "handstand"},
            "--pose=handstand: no such file or folder, and no pose",
        ),
        ({"photo_pose": tmp_path / "nobody.json"}, "nobody.json: no person in it"),
        ({"pose_size": "64"}, "--pose_size=64: expected HEIGHTxWIDTH"),
        ({"model": tmp_path / "empty"}, "empty: no model"),
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
    (tmp_path / "large.jpg").write_bytes(images.encode_jpeg(large))
    flags = [f"--image={tmp_path / 'large.jpg'}", "--pose=walking", "--paste_back"]
    flags += [f"--pose_model={files / 'box.tflite'}", f"--out={tmp_path / 'out.png'}"]
    result = generate(capsys, run, *flags)
    assert "large.jpg: read 2 times smaller, 2500x4000" in result.out
    assert read(tmp_path / "out.png").shape == (2500, 4000, 3)


def test_the_poses_with_a_name_are_listed(capsys):
    result = run_command(capsys, MODULE, "--list_poses")
    assert result.status == 0
    assert result.out.split() == list(named.NAMES)


# === Export ===


def test_export_replaces_a_version_only_when_told(run, tmp_path, capsys):
    out = tmp_path / "out"
    flags = [f"--run_dir={run}", f"--out={out}", "--version=4"]
    assert run_command(capsys, "pg2_tf.export", *flags).status == 0
    mark = out / "4" / "mark"
    mark.touch()
    error = command_error(capsys, "pg2_tf.export", *flags)
    assert "--overwrite" in error
    assert mark.exists()
    assert run_command(capsys, "pg2_tf.export", *flags, "--overwrite").status == 0
    assert not mark.exists()
    assert [path.name for path in out.iterdir()] == ["4"]


def test_export_refuses_a_run_without_its_second_stage(run, tmp_path, capsys):
    first = tmp_path / "first"
    shutil.copytree(run, first)
    shutil.rmtree(first / "stage2")
    out = tmp_path / "out"
    error = command_error(capsys, "pg2_tf.export", f"--run_dir={first}", f"--out={out}")
    assert "no stage 2" in error
    for flags, message in (([], "--run_dir"), ([f"--run_dir={run}"], "--out")):
        assert f"{message} is needed" in command_error(capsys, "pg2_tf.export", *flags)
    assert not out.exists()


@pytest.mark.parametrize("weights", ["ema", "best"])
@pytest.mark.parametrize("command", ["generate", "evaluate", "export"])
def test_weights_that_a_run_does_not_have_are_refused(
    run, files, tmp_path, capsys, command, weights
):
    flags = {
        "generate": [
            f"--image={files / 'photo.png'}",
            f"--pose={files / 'poses'}",
            *AS_IT_IS,
        ],
        "evaluate": [f"--data_dir={tmp_path}"],
        "export": [],
    }[command]
    flags = [*flags, f"--run_dir={run}", f"--out={tmp_path / 'out'}"]
    error = command_error(capsys, f"pg2_tf.{command}", *flags, f"--weights={weights}")
    assert str(run / "stage2") in error
    assert not (tmp_path / "out").exists()
