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

from pg2_tf.inference.pose_transfer import PoseTransfer
from preprocessing.images import image_files
from preprocessing.poses.formats import openpose

MODULE = "pg2_tf.generate"
# The whole photo, and poses where they are.
AS_IT_IS = ("--crop=none", "--retarget=none")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A photo, three poses, and the folder that they are in."""
    place = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    photo = cv2.resize(small, (32, 32))
    (place / "photo.png").write_bytes(image_files.encode_png(photo))
    (place / "poses").mkdir()
    for number, pose in enumerate(random_poses(3)):
        openpose.write_json(place / "poses" / f"p{number}_keypoints.json", pose)
    return place


def read(path):
    return image_files.read(path)


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
    assert "use one of them" in error


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
    (tmp_path / "big.png").write_bytes(image_files.encode_png(photo))
    pose = random_poses(3)[0]
    pose[:, :2] = (pose[:, :2] + 0.5) * 2 - 0.5
    openpose.write_json(tmp_path / "big.json", pose)
    out = tmp_path / "out.png"
    flags = [f"--image={tmp_path / 'big.png'}", f"--out={out}", *AS_IT_IS]
    flags.append(f"--pose={tmp_path / 'big.json'}")
    error = command_error(capsys, MODULE, f"--model={run}", *flags)
    assert "pose_size" in error
    assert not out.exists()
    assert generate(capsys, run, *flags, "--pose_size=64x64").status == 0
    small = image_files.resize(photo, (32, 32))
    expected = PoseTransfer.load(run)(small[None], random_poses(3)[:1])["refined"][0]
    assert np.abs(read(out).astype(int) - expected).mean() < 1


# === Export ===


def test_export_replaces_a_version_only_with_overwrite(run, tmp_path, capsys):
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
    assert "stage 2 is not trained yet" in error
    for flags, message in (([], "--run_dir"), ([f"--run_dir={run}"], "--out")):
        assert f"{message} is needed" in command_error(capsys, "pg2_tf.export", *flags)
    assert not out.exists()


@pytest.mark.parametrize("weights", ["ema", "best"])
@pytest.mark.parametrize("command", ["generate", "evaluate", "export"])
def test_missing_weights_are_refused(run, files, tmp_path, capsys, command, weights):
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
