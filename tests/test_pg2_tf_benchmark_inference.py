"""The inference benchmark: times of every model, and goals."""

import json

import pytest
from pg2_tf_helpers import run_command

from pg2_tf.benchmarks import inference
from pg2_tf.benchmarks.inference import RELEASED, _figures, _Timed
from pg2_tf.machine import isolated

MODULE = "pg2_tf.benchmark"
KINDS = ("float32", "float16", "dynamic", "int8")


def test_command_measures_every_model_and_batch_size(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        isolated, "call", lambda function, *arguments, **_: function(*arguments)
    )
    monkeypatch.setattr(inference, "_CALIBRATION", 2)
    flags = ("--what=infer", "--quick", f"--out={tmp_path}", "--precision=bfloat16")
    told = run_command(capsys, MODULE, *flags)
    assert told.status == 0, told
    content = json.loads((tmp_path / "benchmark.json").read_text())
    cases = content["benchmarks"]["infer"]
    assert [case["case"] for case in cases] == [
        "tiny, width 4, batch 1",
        "tiny, width 4, batch 4",
        "tiny, width 4, loading and batches up to 4",
    ]
    ways = ["run folder, bfloat16", "SavedModel, bfloat16"]
    ways += [f"TensorFlow Lite, {kind}" for kind in KINDS]
    for case in cases:
        assert [figure["name"] for figure in case["figures"]] == ways
        assert all(figure["goal"] is None for figure in case["figures"])
    for case in cases[:2]:
        assert all(figure["value"] > 0 for figure in case["figures"])


def test_goals_relate_to_the_released_code_and_to_float32(tmp_path):
    ways = {
        _Timed("run folder, float32", tmp_path): 0.5,
        _Timed("SavedModel, bfloat16", tmp_path, "bfloat16"): 0.26,
        _Timed("TensorFlow Lite, float32", tmp_path, kind="float32"): 0.4,
        _Timed("TensorFlow Lite, int8", tmp_path, kind="int8"): 0.21,
    }
    released = RELEASED["market1501", 1]
    first, *rest = _figures(ways, released, goals=True)
    assert (first.value, first.goal) == (pytest.approx(540), None)
    goals = [figure.goal and figure.goal.value for figure in rest]
    assert goals == [pytest.approx(540 / 1.1), pytest.approx(270), None, 200]
    assert [figure.goal.met(figure.value) for figure in rest if figure.goal] == [
        *(False, True, False)
    ]
    assert all(not figure.goal for figure in _figures(ways, None, goals=False))


def test_a_stopped_conversion_is_a_row_without_a_value(capsys, tmp_path, monkeypatch):
    def call(function, *arguments, name="", timeout=None, **_):
        if name == "float32: conversion":
            raise isolated.StoppedError(f"{name} stopped after {timeout:g} s")
        return function(*arguments)

    monkeypatch.setattr(isolated, "call", call)
    monkeypatch.setattr(inference, "_CALIBRATION", 2)
    flags = ("--what=infer", "--quick", f"--out={tmp_path}", "--precision=float32")
    told = run_command(capsys, MODULE, *flags, "--batch_size=1", "--tflite_timeout=7")
    assert told.status == 0, told
    content = json.loads((tmp_path / "benchmark.json").read_text())
    for case in content["benchmarks"]["infer"]:
        unmeasured = [f["name"] for f in case["figures"] if f["value"] is None]
        assert unmeasured == ["TensorFlow Lite, float32"]
    assert "float32: conversion stopped after 7 s" in told.out
