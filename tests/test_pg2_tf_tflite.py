"""TensorFlow Lite files: images, operators, metadata, loading and the command."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    command_error,
    make_run,
    random_poses,
    run_command,
    tiny_config,
)

from pg2_tf.data import examples
from pg2_tf.inference.loading import load_model
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.machine import isolated
from pg2_tf.model.config import ModelConfig, RunConfig
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.serving import tflite
from pg2_tf.serving.tflite import draw_heatmaps
from preprocessing.system.errors import InputError

MODULE = "pg2_tf.export"
# Operators at inputs and outputs. All others use integers.
FLOAT_OPERATORS = {"BITCAST", "CAST", "DEQUANTIZE", "QUANTIZE", "ROUND"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("lite") / "run")


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """All kinds of files of a run's model, and their operators."""
    place = tmp_path_factory.mktemp("lite") / "tflite"
    calibration = examples.of_drawn_people((32, 32), count=16)
    written = tflite.export_lite(
        PoseTransfer.load(run), place, kinds=tflite.KINDS, calibration=calibration
    )
    assert not written.failures
    return place, written.operators


@pytest.fixture
def in_process(monkeypatch):
    """Avoids the time that TensorFlow needs to start in another process."""
    monkeypatch.setattr(
        isolated, "call", lambda function, *arguments, **_: function(*arguments)
    )


def assert_near(made, expected, *, largest, mean=1.0):
    assert set(made) == set(expected)
    for name, images in expected.items():
        assert made[name].dtype == np.uint8
        difference = np.abs(made[name].astype(int) - images)
        assert difference.max() <= largest
        assert difference.mean() <= mean


def inputs(count, size=(32, 32)):
    people = examples.of_drawn_people(size, count=count, seed=9)
    poses = people.poses.copy()
    poses[0, :4] = [[np.nan, 3, 1], [5, np.inf, 1], [6, 6, np.nan], [7, 7, 0]]
    return people.images, poses


# === Agreement ===


def test_integer_heatmaps_equal_those_of_the_layer():
    poses = random_poses(6, size=(64, 32))
    poses[0, :8] = [
        *([-0.7, 5.9, 1e-30], [40, 70, 0.5], [-3, -4, 1], [9, 9, -1]),
        *([1e30, 4, 1], [4, -1e30, 1], [np.nan, 3, 1], [3, 3, np.inf]),
    ]
    poses[1, :2] = [[3, 3, np.nan], [3, -np.inf, 1]]
    drawn = draw_heatmaps(tf.constant(poses), size=(64, 32)).numpy()
    expected = np.array(PoseHeatmaps((64, 32))(poses))
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    ("kind", "largest"), [("float32", 1), ("float16", 2), ("dynamic", 8), ("int8", 16)]
)
def test_every_kind_generates_the_images_of_the_run(run, exported, kind, largest):
    images, poses = inputs(5)
    expected = PoseTransfer.load(run)(images, poses)
    for fixed in (True, False):
        model = load_model(tflite.path_of(exported[0], kind, fixed=fixed))
        assert (model.stage, model.image_size) == (2, (32, 32))
        mean = 0.01 if kind == "float32" else 2
        assert_near(model(images, poses), expected, largest=largest, mean=mean)


@pytest.mark.parametrize("size", [(128, 64), (256, 256)])
def test_sizes_of_the_data_sets(tmp_path, size):
    model = ModelConfig(image_size=size, width=4, bottleneck=8)
    config = RunConfig("tiny", "paper", model)
    of_run = PoseTransfer.load(make_run(tmp_path / "run", config=config))
    tflite.export_lite(of_run, tmp_path, kinds=["float32"])
    images, poses = inputs(2, size)
    made = load_model(tmp_path / "float32_batch.tflite")(images, poses)
    assert_near(made, of_run(images, poses), largest=1, mean=0.01)


@pytest.mark.parametrize("variant", ["G1-CE-L1", "G1-HME-L1"])
def test_other_embeddings_of_the_pose(tmp_path, variant):
    config = tiny_config(variant=variant)
    of_run = PoseTransfer.load(make_run(tmp_path / "run", config=config, stages=(1,)))
    calibration = examples.of_drawn_people((32, 32), count=16)
    kinds = ["float32", "int8"]
    tflite.export_lite(of_run, tmp_path, kinds=kinds, calibration=calibration)
    images, poses = inputs(4)
    poses[1, :, 2] *= 1e-3  # Low confidence still counts as found.
    expected = of_run(images, poses)
    for kind, largest in (("float32", 1), ("int8", 32)):
        model = load_model(tmp_path / f"{kind}.tflite")
        assert model.stage == 1
        assert_near(model(images, poses), expected, largest=largest, mean=2)


# === Batches ===


def test_one_file_takes_one_image_the_other_any_number(exported):
    images, poses = inputs(3)
    for kind in tflite.KINDS:
        one = load_model(tflite.path_of(exported[0], kind))
        many = load_model(tflite.path_of(exported[0], kind, fixed=False))
        assert (one.batch_size, many.batch_size) == (1, None)
        for count in (3, 1, 2):
            made = many(images[:count], poses[:count])
            assert_near(made, one(images[:count], poses[:count]), largest=1)


# === Operators ===


def test_int8_computes_in_integers_except_at_inputs_and_outputs(exported):
    counted = exported[1]
    assert set(counted["int8"]["float"]) <= FLOAT_OPERATORS
    for name in ("CONV_2D", "FULLY_CONNECTED", "CONCATENATION", "ADD"):
        assert counted["int8"]["whole"][name] >= counted["float32"]["float"][name]


def test_keypoints_are_never_quantized(exported):
    # Eight bits would move them by pixels.
    for kind in tflite.KINDS:
        whole = exported[1][kind]["whole"]
        assert {"SQUARED_DIFFERENCE", "LESS_EQUAL"} <= set(whole)


def test_int8_without_calibration_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="int8 needs calibration data"):
        tflite.export_lite(PoseTransfer.load(run), tmp_path / "out", kinds=["int8"])
    assert not (tmp_path / "out").exists()


def test_bfloat16_is_refused(run, tmp_path):
    model = PoseTransfer.load(run, precision="bfloat16")
    with pytest.raises(InputError, match="needs a float32 model"):
        tflite.export_lite(model, tmp_path / "out", kinds=["float32"])


# === Metadata ===


def test_metadata_has_names_units_and_ranges(exported):
    for fixed, batch in ((True, 1), (False, "any")):
        path = tflite.path_of(exported[0], "int8", fixed=fixed)
        said = tflite.read_metadata(path)
        assert (said["kind"], said["stage"], said["step"]) == ("int8", 2, 7)
        assert said["inputs"]["image"]["shape"] == [batch, 32, 32, 3]
        assert said["inputs"]["image"]["range"] == [0, 255]
        keypoints = said["inputs"]["keypoints"]
        assert keypoints["range"] == [[0, 31], [0, 31], [0, 1]]
        assert len(keypoints["order"]) == keypoints["shape"][1] == 18
        assert "pixels" in keypoints["unit"]
        assert set(said["outputs"]) == {"coarse", "refined"}


def test_a_file_without_metadata_is_refused(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([1, 4])])
    def double(values):
        return values * 2

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [double.get_concrete_function()], double
    )
    (tmp_path / "other.tflite").write_bytes(converter.convert())
    with pytest.raises(InputError, match=r"other.tflite: no metadata entry"):
        tflite.read_metadata(tmp_path / "other.tflite")


# === Loading ===


def test_a_file_is_recognised_by_its_content(exported, tmp_path):
    shutil.copy(exported[0] / "int8.tflite", tmp_path / "model.bin")
    assert load_model(tmp_path / "model.bin").stage == 2
    with pytest.raises(InputError, match=r"stage=1 needs a run folder; a TensorFlow"):
        load_model(tmp_path / "model.bin", stage=1)


def test_a_truncated_file_is_refused(exported, tmp_path):
    content = (exported[0] / "float32.tflite").read_bytes()
    (tmp_path / "half.tflite").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"half.tflite: damaged TensorFlow Lite"):
        load_model(tmp_path / "half.tflite")


# === Time limit ===


def test_a_conversion_in_its_own_process_writes_the_same_files(run, exported, tmp_path):
    model = PoseTransfer.load(run)
    written = tflite.export_lite(model, tmp_path, kinds=["float32"], timeout=600)
    assert written == ({"float32": exported[1]["float32"]}, {})
    for name in ("float32.tflite", "float32_batch.tflite"):
        assert (tmp_path / name).read_bytes() == (exported[0] / name).read_bytes()


def test_conversions_that_reach_the_time_limit_leave_nothing(run, tmp_path):
    model = PoseTransfer.load(run)
    kinds = ["float32", "float16"]
    written = tflite.export_lite(model, tmp_path / "out", kinds=kinds, timeout=0.01)
    stopped = {kind: f"{kind}: conversion stopped after 0.01 s" for kind in kinds}
    assert written == ({}, stopped)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def stop_float16(monkeypatch):
    def call(function, *arguments, name="", timeout=None, **_):
        if name == "float16: conversion":
            raise isolated.StoppedError(f"{name} stopped after {timeout:g} s")
        return function(*arguments)

    monkeypatch.setattr(isolated, "call", call)


def test_command_writes_the_other_kinds(capsys, stop_float16, run, tmp_path):
    place = tmp_path / "out" / "tflite"
    place.mkdir(parents=True)
    (place / "float16.tflite").write_text("old")
    flags = ["--nosaved_model", "--num_compared=2", "--overwrite", "--tflite_timeout=9"]
    flags += [f"--run_dir={run}", f"--out={tmp_path / 'out'}"]
    error = command_error(capsys, MODULE, *flags, "--tflite=float16,float32")
    assert "float16: conversion stopped after 9 s; --tflite_timeout" in error
    assert {path.name for path in place.iterdir()} == {
        *("float32.tflite", "float32_batch.tflite", "tflite.json", "tflite.txt")
    }


# === Command ===


def test_command_writes_files_and_a_table(
    capsys, in_process, run, people_dir, tmp_path
):
    out = tmp_path / "out"
    arguments = [f"--run_dir={run}", f"--out={out}", "--nosaved_model"]
    more = [f"--data_dir={people_dir}", "--num_compared=4", "--num_calibration=4"]
    result = run_command(capsys, MODULE, *arguments, "--tflite=float16,int8", *more)
    assert result.status == 0, result
    assert [path.name for path in out.iterdir()] == ["tflite"]
    scores = json.loads((out / "tflite" / "tflite.json").read_text())
    assert list(scores["kinds"]) == ["float16", "int8"]
    for row in scores["kinds"].values():
        assert row["megabytes"] > 0
        assert set(row["milliseconds"]) == {"1", "2"}
        assert row["images"]["refined"]["ssim"] > 0.8
        assert row["images"]["refined"]["mask_ssim"] < 1
        assert row["batch_difference"] <= 1
    assert (out / "tflite" / "tflite.txt").read_text() in result.out
    for words in ("on 4 test pairs", "float16 ", "int8, operators with float"):
        assert words in result.out
    # Other kinds of an earlier export are removed.
    again = [*arguments, "--tflite=dynamic", "--num_compared=2", "--overwrite"]
    result = run_command(capsys, MODULE, *again)
    assert result.status == 0, result
    assert "on 2 drawn people" in result.out
    assert {path.name for path in (out / "tflite").glob("*.tflite")} == {
        *("dynamic.tflite", "dynamic_batch.tflite")
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tflite=int4"], "--tflite=int4: allowed are float32, float16, dynamic"),
        (["--tflite=int8"], "--tflite=int8 requires --data_dir"),
        (["--data_dir=data"], "--data_dir requires --tflite"),
        (["--nosaved_model"], "there is nothing to export"),
        (["--tflite=float32", "--out={there}"], "tflite: exists; use another"),
    ],
)
def test_command_refuses_contradicting_flags(capsys, run, tmp_path, arguments, message):
    (tmp_path / "there" / "tflite").mkdir(parents=True)
    given = [each.format(there=tmp_path / "there") for each in arguments]
    error = command_error(
        capsys, MODULE, f"--run_dir={run}", f"--out={tmp_path / 'out'}", *given
    )
    assert message in error
    assert not (tmp_path / "out").exists()
