"""One way to load run folders, SavedModels and TensorFlow Lite files."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import make_run, random_poses

from pg2_tf.inference.loading import load_model
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.serving.saved_model import export_saved_model
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
    # More than are taken at once.
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
        ({"stage": 1}, "--stage=1"),
        ({"weights": "ema"}, "--weights=ema"),
        ({"precision": "bfloat16"}, "--precision=bfloat16"),
    ],
)
def test_options_of_run_folders_are_refused_for_others(exported, option, flag):
    with pytest.raises(InputError, match=f"SavedModel is as it was .*{flag} is for"):
        load_model(exported, **option)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such file"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "model.tflite").write_bytes(b"not one of them")
    (tmp_path / "empty").mkdir()
    for name in ("model.tflite", "empty"):
        with pytest.raises(InputError, match=f"{name}: no model; allowed are a run"):
            load_model(tmp_path / name)


def test_damaged_models_are_refused(exported, tmp_path):
    (tmp_path / "half.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(range(200)))
    with pytest.raises(InputError, match=r"half.tflite: damaged TensorFlow Lite"):
        load_model(tmp_path / "half.tflite")
    shutil.copytree(exported / "9", tmp_path / "9")
    (tmp_path / "9" / "saved_model.pb").write_bytes(b"half")
    with pytest.raises(InputError, match="9: damaged SavedModel"):
        load_model(tmp_path / "9")


def test_models_of_others_are_refused(tmp_path):
    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4], name="features")])
        def __call__(self, features):
            return {"sum": tf.reduce_sum(features, axis=1)}

    other = Other()
    tf.saved_model.save(other, str(tmp_path / "bare"))
    # A function without a signature that could be served.
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
            match=rf"{name}: a {kind}, but none .* takes features float32 \[any, 4\]",
        ):
            load_model(tmp_path / name)
