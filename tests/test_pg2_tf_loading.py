"""Loading of run folders, SavedModels and TensorFlow Lite files."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import make_run, random_poses, script_report, tiny_config

from pg2_tf.inference.exported import check_saved_model
from pg2_tf.inference.loading import load_model
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.config import VARIANTS
from pg2_tf.model.presets import PROFILES
from pg2_tf.serving.saved_model import export_saved_model
from pg2_tf.serving.tflite import export_lite
from preprocessing.images import image_files
from preprocessing.poses import detections, pose_files
from preprocessing.system.errors import InputError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("loading") / "run")


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("loading") / "models"
    return export_saved_model(PoseTransfer.load(run), out, version=9).parent


def inputs(count):
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return images, random_poses(count)


def assert_gives(model, expected, *, stage=2, count=3):
    assert model.image_size == (32, 32)
    assert model.stage == stage
    assert f"stage {stage}" in model.describe
    assert "\n" not in model.describe
    images, poses = inputs(count)
    made, wanted = model(images, poses), expected(images, poses)
    assert set(made) == ({"coarse", "refined"} if stage == 2 else {"coarse"})
    for name, image in wanted.items():
        assert made[name].dtype == np.uint8
        difference = np.abs(made[name].astype(int) - image)
        assert made[name].shape == image.shape
        assert difference.max() <= 1


def test_run_folder(run):
    assert_gives(load_model(run), PoseTransfer.load(run))
    assert_gives(load_model(run, stage=1), PoseTransfer.load(run, stage=1), stage=1)


def test_saved_model_of_many_images(run, exported):
    # More than one batch.
    assert_gives(load_model(exported / "9"), PoseTransfer.load(run), count=19)


def test_newest_version_is_the_highest_number(run, exported, tmp_path):
    other = make_run(tmp_path / "other", seed=5)
    shutil.copytree(exported / "9", tmp_path / "models" / "9")
    export_saved_model(PoseTransfer.load(other), tmp_path / "models", version=10)
    (tmp_path / "models" / "11").mkdir()
    assert_gives(load_model(tmp_path / "models"), PoseTransfer.load(other))


def test_saved_model_of_stage_1_has_no_refined_image(tmp_path):
    run = make_run(tmp_path / "run", stages=(1,))
    model = PoseTransfer.load(run)
    place = export_saved_model(model, tmp_path / "out", version=1)
    assert_gives(load_model(place), model, stage=1)


@pytest.mark.parametrize(
    ("option", "flag"),
    [
        ({"stage": 1}, "stage=1"),
        ({"weights": "ema"}, "weights=ema"),
        ({"precision": "bfloat16"}, "precision=bfloat16"),
    ],
)
def test_options_of_run_folders_are_refused_for_others(exported, option, flag):
    with pytest.raises(InputError, match=f"{flag} needs a run folder; a Saved"):
        load_model(exported, **option)


def test_other_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such file"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "model.tflite").write_bytes(b"not one of them")
    (tmp_path / "empty").mkdir()
    for name in ("model.tflite", "empty"):
        with pytest.raises(InputError, match=f"{name}: not a model; expected a run"):
            load_model(tmp_path / name)


def test_damaged_models_are_refused(exported, tmp_path):
    (tmp_path / "half.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(range(200)))
    with pytest.raises(InputError, match=r"half.tflite: damaged TensorFlow Lite"):
        load_model(tmp_path / "half.tflite")
    shutil.copytree(exported / "9", tmp_path / "9")
    (tmp_path / "9" / "saved_model.pb").write_bytes(b"half")
    with pytest.raises(InputError, match="9: damaged SavedModel"):
        load_model(tmp_path / "9")


def test_models_of_other_projects_are_refused(tmp_path):
    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4], name="features")])
        def __call__(self, features):
            return {"sum": tf.reduce_sum(features, axis=1)}

    other = Other()
    tf.saved_model.save(other, str(tmp_path / "bare"))
    # A function without a signature.
    tf.saved_model.save(tf.Module(), str(tmp_path / "none"))
    function = other.__call__.get_concrete_function()
    tf.saved_model.save(
        other, str(tmp_path / "named"), signatures={"serving_default": function}
    )
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "named"))
    (tmp_path / "lite").write_bytes(converter.convert())
    with pytest.raises(InputError, match=r"none: .* no signature serving_default"):
        load_model(tmp_path / "none")
    for name, kind in (("named", "SavedModel"), ("lite", "TensorFlow Lite model")):
        with pytest.raises(
            InputError,
            match=rf"{name}: this {kind} was .* inputs are features float32 \[any, 4\]",
        ):
            load_model(tmp_path / name)


# === Wrong input ===


@pytest.fixture(scope="module", params=["run folder", "SavedModel"])
def model(request, run, exported):
    return load_model(run if request.param == "run folder" else exported)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda images: images / np.float32(255),
            r"float32 \[3, 32, 32, 3\] with values 0.* to 1; expected uint8 .* 0 to "
            r"255; convert \[0, 1\] with",
        ),
        (
            lambda images: images / 127.5 - 1,
            r"values -1 to 1; .*convert \[-1, 1\] with",
        ),
        (lambda images: images.astype(np.float32), "float32 .* expected uint8"),
        (lambda images: images.astype(np.int64), "int64 .* expected uint8"),
        (lambda images: images[0], r"uint8 \[32, 32, 3\] .*expected uint8 \[B, 32"),
        (lambda images: images[:, :16], r"\[3, 16, 32, 3\]"),
        (lambda images: images[..., :1], r"\[3, 32, 32, 1\]"),
        (lambda images: images[:0], r"\[0, 32, 32, 3\]"),
    ],
)
def test_wrong_images_are_refused(model, change, says):
    images, poses = inputs(3)
    with pytest.raises(ValueError, match=f"images.* {says}"):
        model(change(images), poses)


def as_fractions(poses):
    return np.float32(poses / (32, 32, 1))


def transposed_of_wide(poses):
    """Returns poses of an image of 32x128 pixels."""
    return np.float32(poses * (4, 1, 1) + (8, 0, 0) * (poses[..., 2:] > 0))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (as_fractions, "fractions of the image size; .*multiply x by the width"),
        (
            lambda poses: poses[:2],
            r"float32 \[2, 18, 3\] .* numbers \[3, 18, 3",
        ),
        (lambda poses: poses[..., :2], r"\[3, 18, 2\]"),
        (lambda poses: poses[:, :17], r"\[3, 17, 3\]"),
        (lambda poses: poses > 0, "bool"),
        (lambda poses: poses.astype(str), "expected numbers"),
        (transposed_of_wide, "keypoints lie outside the image of 32x32 pixels"),
    ],
)
def test_wrong_poses_are_refused(model, change, says):
    images, poses = inputs(3)
    with pytest.raises(ValueError, match=f"poses.*{says}"):
        model(images, change(poses))


def test_integers_and_missing_keypoints_are_accepted(model):
    images, poses = inputs(3)
    whole = poses.round().astype(int)
    made = model(images, whole)
    again = model(images, whole.astype(np.float32))
    np.testing.assert_array_equal(made["coarse"], again["coarse"])
    nobody = np.zeros_like(poses)
    lost = np.full_like(poses, np.nan)
    np.testing.assert_array_equal(
        model(images, nobody)["coarse"], model(images, lost)["coarse"]
    )


def test_float_photo_and_fractional_pose_are_refused(shared, tmp_path):
    config = tiny_config()
    model = dataclasses.replace(config.model, image_size=(128, 64))
    config = dataclasses.replace(config, model=model)
    model = load_model(make_run(tmp_path / "run", config=config))
    photo = image_files.read(shared / "cases" / "photo.png")[None]
    found = pose_files.read_one(shared / "cases" / "photo_keypoints.json")
    pose = detections.choose(found, (128, 64))[None]
    assert model(photo, pose)["refined"].shape == photo.shape
    with pytest.raises(ValueError, match=r"float32 .* expected uint8"):
        model(np.float32(photo / 255), pose)
    with pytest.raises(ValueError, match="fractions of the image size"):
        model(photo, np.float32(pose / (64, 128, 1)))


# === Untrusted models ===


def stranger(place, path):
    """Writes a SavedModel with the same signature that writes a file when it runs."""
    image = tf.TensorSpec((None, 32, 32, 3), tf.uint8, "image")
    keypoints = tf.TensorSpec((None, 18, 3), tf.float32, "keypoints")

    class Stranger(tf.Module):
        @tf.function(input_signature=[image, keypoints])
        def __call__(self, image, keypoints):
            tf.io.write_file(str(path), "written")
            return {"coarse": image}

    module = Stranger()
    tf.saved_model.save(module, str(place), signatures=module.__call__)
    return place


def test_a_saved_model_that_writes_a_file_is_refused(tmp_path):
    written = tmp_path / "written.txt"
    place = stranger(tmp_path / "model", written)
    with pytest.raises(
        InputError,
        match=r"model: this SavedModel has the operation WriteFile.*trust_mod",
    ):
        load_model(place)
    images, poses = inputs(1)
    load_model(place, trust_model=True)(images, poses)
    assert written.read_text() == "written"


def test_a_saved_model_with_a_table_is_refused(tmp_path):
    class Table(tf.Module):
        def __init__(self):
            super().__init__()
            names = tf.lookup.TextFileInitializer(
                str(tmp_path / "names.txt"),
                *(tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
                *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
            )
            self.table = tf.lookup.StaticHashTable(names, -1)

    (tmp_path / "names.txt").write_text("a\nb\n")
    tf.saved_model.save(Table(), str(tmp_path / "model"))
    with pytest.raises(
        InputError, match=r"model: this SavedModel has .*object of kind"
    ):
        load_model(tmp_path / "model")


def test_a_saved_model_of_tensorflow_1_is_refused(tmp_path):
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        given = tf.compat.v1.placeholder(tf.float32, (None,))
        tf.compat.v1.saved_model.simple_save(
            session, str(tmp_path / "model"), {"a": given}, {"b": given + 1}
        )
    with pytest.raises(InputError, match="a TensorFlow 1 graph"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_export_is_accepted(profile, variant, tmp_path):
    run = make_run(tmp_path / "run", config=tiny_config(profile, variant))
    model = PoseTransfer.load(run)
    check_saved_model(export_saved_model(model, tmp_path / "models", version=1))


# === Without TensorFlow ===


def test_a_tflite_file_is_loaded_without_tensorflow(run, tmp_path):
    export_lite(PoseTransfer.load(run), tmp_path, kinds=["float32"])
    images, poses = inputs(3)
    np.savez(tmp_path / "inputs.npz", images=images, poses=poses)
    report = script_report(
        f"""
import json, sys
import numpy as np
from pg2_tf.inference.loading import load_model
given = np.load({str(tmp_path / "inputs.npz")!r})
model = load_model({str(tmp_path / "float32_batch.tflite")!r})
made = model(given["images"], given["poses"])
try:
    model(given["images"] / 255, given["poses"])
    refused = ""
except ValueError as error:
    refused = str(error)
heavy = [name for name in ("tensorflow", "keras") if name in sys.modules]
print("REPORT", json.dumps([heavy, made["refined"].tolist(), refused]))
"""
    )
    heavy, refined, refused = report
    assert not heavy
    wanted = load_model(run)(images, poses)["refined"].astype(int)
    assert np.abs(np.array(refined) - wanted).max() <= 1
    assert "expected uint8" in refused
