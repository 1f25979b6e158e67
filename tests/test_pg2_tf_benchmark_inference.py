"""The inference benchmark: times of every model."""

import json

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
    for case in cases[:2]:
        assert all(figure["value"] > 0 for figure in case["figures"])


def test_the_released_code_is_shown_for_comparison(tmp_path):
    seconds = {_Timed("run folder, float32", tmp_path): 0.5}
    first, second = _figures(seconds, RELEASED["market1501", 1])
    assert (first.name, first.value) == ("released code, TensorFlow 1.15", 540)
    assert second.value == 500
    assert len(_figures(seconds, None)) == 1


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
