"""`python -m preprocessing.estimate_pose`: photos in, OpenPose's JSON out."""

import importlib.util
import json
import os

import numpy as np
import pytest
from pg2_tf_helpers import command_error, run_command, run_script
from preprocessing_estimation_helpers import box_model, picture

from preprocessing.estimation import folder
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.poses.pose_files import read_one
from preprocessing.system import download, files

MODULE = "preprocessing.estimate_pose"
BOX = (10, 4, 33, 60)


@pytest.fixture
def places(tmp_path):
    """Flags that name a model and the folders `photos` and `poses`."""
    model = tmp_path / "box.tflite"
    model.write_bytes(box_model())
    return (
        f"--images={tmp_path / 'photos'}",
        f"--out={tmp_path / 'poses'}",
        f"--model={model}",
    )


def add(root, name, box=BOX, size=(64, 48)):
    """Writes a picture of a person, or of nobody."""
    encode = images.encode_jpeg if name.endswith("jpg") else images.encode_png
    files.write_bytes(root / "photos" / name, encode(picture(size, box)))


def written(root):
    """Returns the names of the files below `poses`."""
    poses = root / "poses"
    return sorted(p.relative_to(poses).as_posix() for p in poses.rglob("*.*"))


def test_one_json_for_each_image_in_the_same_folders(capsys, tmp_path, places):
    for name in ("anna/01.png", "anna/02.jpg", "ben/x/1.2.JPG", "me.webp"):
        add(tmp_path, name)
    add(tmp_path, "nobody.png", box=None)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    result = run_command(capsys, MODULE, *places)
    assert result.status == 0
    assert "4 of 5 images have a person" in result.out
    assert files.sha256(tmp_path / "box.tflite") in result.out
    names = ["anna/01", "anna/02", "ben/x/1.2", "me", "nobody"]
    assert written(tmp_path) == [f"{name}_keypoints.json" for name in names]
    (pose,) = read_one(tmp_path / "poses" / "anna" / "01_keypoints.json").people
    assert kp.found(pose).all()
    right, left = (pose[kp.INDEX[f"{side}_shoulder"], 0] for side in ("right", "left"))
    assert right == pytest.approx(BOX[0], abs=1)
    assert left == pytest.approx(BOX[2], abs=1)
    assert not len(read_one(tmp_path / "poses" / "nobody_keypoints.json").people)


def test_a_photo_is_turned_upright_first(capsys, tmp_path, places):
    """EXIF orientation 6: the rows of the file are the columns of the photo."""
    upright = picture((48, 64), (3, 20, 24, 40))
    lying = images.encode_jpeg(np.ascontiguousarray(np.rot90(upright)))
    tag = b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00" + tag + bytes(4)
    marker = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    files.write_bytes(tmp_path / "photos" / "a.jpg", lying[:2] + marker + lying[2:])
    assert run_command(capsys, MODULE, *places).status == 0
    (pose,) = read_one(tmp_path / "poses" / "a_keypoints.json").people
    np.testing.assert_allclose(pose[kp.INDEX["nose"], :2], (13.5, 20), atol=2)


def test_a_single_image(capsys, tmp_path, places):
    add(tmp_path, "anna/01.png")
    _, *others = places
    flag = f"--images={tmp_path / 'photos' / 'anna' / '01.png'}"
    assert run_command(capsys, MODULE, flag, *others).status == 0
    assert written(tmp_path) == ["01_keypoints.json"]


def test_the_poses_do_not_depend_on_the_workers(capsys, tmp_path, places, monkeypatch):
    monkeypatch.setattr(folder, "_FEW", 0)
    for number in range(9):
        add(tmp_path, f"{number}.png", (2 * number, 4, 25 + 2 * number, 60))
    contents = []
    ways = ["--workers=1", "--workers=3"]
    if importlib.util.find_spec("ray"):
        monkeypatch.setenv("RAY_ADDRESS", "local")
        ways.append("--engine=ray")
    for way in ways:
        flags = (way, "--overwrite")
        assert run_command(capsys, MODULE, *places, *flags).status == 0
        poses = tmp_path / "poses"
        contents.append([(poses / name).read_bytes() for name in written(tmp_path)])
    assert all(content == contents[0] for content in contents)
    assert len(set(contents[0])) == 9


def test_what_is_written_is_kept_and_counted(capsys, tmp_path, places):
    for name in ("1.png", "2.png", "3.png"):
        add(tmp_path, name)
    kept = tmp_path / "poses" / "2_keypoints.json"
    files.write_json(kept, {"people": []})
    result = run_command(capsys, MODULE, *places)
    assert "2 of 3 images have a person" in result.out
    assert "1 existing poses kept" in result.out
    assert json.loads(kept.read_text()) == {"people": []}
    # Nothing is left to do, so no model is needed.
    again = run_command(capsys, MODULE, *places[:2], "--model=none.tflite")
    assert again.status == 0
    assert "2 of 3 images have a person" in again.out
    assert "3 existing poses kept" in again.out
    result = run_command(capsys, MODULE, *places, "--overwrite")
    assert "3 of 3 images have a person" in result.out
    assert "already" not in result.out
    assert len(read_one(kept).people) == 1


def test_goes_on_where_it_was_interrupted(capsys, tmp_path, places, monkeypatch):
    for number in range(6):
        add(tmp_path, f"{number}.png")
    estimated = []

    def interrupted(model, path, estimate=folder._estimate):
        if len(estimated) == 3:
            raise KeyboardInterrupt
        estimated.append(path.name)
        return estimate(model, path)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_estimate", interrupted)
        result = run_command(capsys, MODULE, *places, "--workers=1")
    assert result.status == 130
    assert len(written(tmp_path)) == 3
    result = run_command(capsys, MODULE, *places)
    assert "6 of 6 images have a person" in result.out
    assert "3 existing poses kept" in result.out


def test_unreadable_images_are_counted_and_named(capsys, tmp_path, places):
    add(tmp_path, "good.png")
    for name in ("empty.jpg", "text.png"):
        (tmp_path / "photos" / name).write_bytes(b"none" * (name == "text.png"))
    result = run_command(capsys, MODULE, *places)
    assert result.status == 0
    assert "1 of 3 images have a person" in result.out
    assert "2 unreadable images left out" in result.out
    assert "empty.jpg: the image file is empty" in result.out
    assert "text.png: cannot be decoded" in result.out
    assert written(tmp_path) == ["good_keypoints.json"]


def test_nothing_is_written_where_no_image_has_a_person(capsys, tmp_path, places):
    add(tmp_path, "1.png", box=None)
    add(tmp_path, "2.png", box=None)
    (tmp_path / "photos" / "3.png").write_bytes(b"none")
    line = command_error(capsys, MODULE, *places)
    assert "0 of 3 images have a person; 1 unreadable images left out" in line
    assert not (tmp_path / "poses").exists()


def test_two_images_with_one_name_are_refused(capsys, tmp_path, places):
    for name in ("a/1.png", "b/1.png", "b/1.jpg"):
        add(tmp_path, name)
    line = command_error(capsys, MODULE, *places)
    assert f"{tmp_path / 'photos' / 'b' / '1.png'}: its pose would have the" in line
    assert line.endswith("b/1.jpg; rename one of the images")
    assert not (tmp_path / "poses").exists()


def test_less_sure_keypoints_on_demand(capsys, tmp_path, places):
    dim = images.encode_png(picture((64, 48), BOX, brightness=80))
    files.write_bytes(tmp_path / "photos" / "1.png", dim)
    assert "0 of 1" in command_error(capsys, MODULE, *places)
    result = run_command(capsys, MODULE, *places, "--min_confidence=0.3")
    assert "1 of 1 images have a person" in result.out


def test_the_model_is_fetched_where_none_is_named(
    capsys, tmp_path, places, monkeypatch
):
    add(tmp_path, "1.png")
    asked = []

    def fetch(path, **_):
        asked.append(path.parent)
        return tmp_path / "box.tflite"

    monkeypatch.setattr(download, "fetch", fetch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run_command(capsys, MODULE, *places[:2]).status == 0
    flags = ("--cache_dir=mine", "--overwrite")
    assert run_command(capsys, MODULE, *places[:2], *flags).status == 0
    assert [os.fspath(cache) for cache in asked] == [f"{tmp_path}/pg2_tf", "mine"]


def test_flags_that_are_wrong_are_named(capsys, tmp_path, places):
    assert "--images is needed" in command_error(capsys, MODULE)
    assert "--out is needed" in command_error(capsys, MODULE, "--images=a")
    none, *others = places
    line = command_error(capsys, MODULE, *places)
    assert line == f"error: {none}: no such folder or file"
    (tmp_path / "photos").mkdir()
    assert f"{none}: no image there (.jpg, " in command_error(capsys, MODULE, *places)
    add(tmp_path, "1.png")
    line = command_error(capsys, MODULE, none, others[0], "--model=no.tflite")
    assert line == "error: no.tflite: no such model file"
    assert not (tmp_path / "poses").exists()


def test_starts_without_tensorflow():
    script = (
        f"import sys, {MODULE}; "
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    assert run_script(script) == "[]\n"
