"""The benchmark runs, says everything it measured, and refuses what it cannot use.

Nothing here depends on how fast a machine is.
"""

import json
import os
import shutil
import time

import numpy as np
import pytest
from pg2_tf_helpers import command_error, run_command

from pg2_tf.benchmarks import data, measurement, preprocess, training_input
from pg2_tf.benchmarks.measurement import Figure, Measurement, Options
from pg2_tf.data.dataset import read_split
from pg2_tf.machine import description, isolated
from preprocessing.system import command
from preprocessing.system.errors import InputError

MODULE = "pg2_tf.benchmark"
HAS_PROC = isolated._STATM.exists()
CAN_BE_ZERO = {
    "peak memory / data kept",
    "processor time: gather",
}


@pytest.fixture
def in_process(monkeypatch):
    """Spares the seconds that TensorFlow needs to start in another process."""
    monkeypatch.setattr(
        isolated, "call", lambda function, *arguments, **_: function(*arguments)
    )


def values(measurement):
    return {figure.name: figure.value for figure in measurement.figures}


def assert_positive(measurement):
    for figure in measurement.figures:
        if figure.unit == "MB" and figure.name != "data kept":
            assert (figure.value is None) == (not HAS_PROC), figure
        elif figure.name not in CAN_BE_ZERO:
            assert figure.value > 0, figure


@pytest.mark.parametrize(
    ("source", "size"),
    [("market1501", (128, 64)), ("deepfashion", (256, 256))],
)
def test_drawn_files_become_a_data_set_and_every_step_is_timed(tmp_path, source, size):
    options = Options(folder=tmp_path, num_images=96)
    drawn = next(some for some in data.photos(options) if some.source == source)
    out = data.place(options, drawn)
    measured = preprocess.measure(drawn, out, tmp_path / "profile")
    assert_positive(measured)
    assert values(measured)["images"] == 96
    assert "96 JPEG files of 48 different drawings" in measured.on
    profiled = [name for name in values(measured) if name.startswith("processor time")]
    assert len(profiled) == 8
    assert "% of the time" in measured.bound
    assert profiled[0].endswith(measured.bound.split("there by ")[1])
    split = read_split(out, "train", image_size=size)
    assert len(split.pairs)
    assert (split.keypoints[..., 2] > 0).any(axis=1).all()


@pytest.mark.parametrize("kept", ["decoded", "encoded"])
def test_input_is_measured_with_its_parts_and_its_memory(people_dir, kept):
    measured = training_input.measure(people_dir, kept, 0.05)
    assert_positive(measured)
    found = values(measured)
    decoded = kept == "decoded"
    assert ("processor time: decode" in found) == (not decoded)
    assert {"processor time: mirror", "processor time: unpack masks"} <= set(found)
    split = read_split(people_dir, "train", image_size=(32, 32))
    pixels = len(split.names) * 32 * 32 * 3
    assert (found["data kept"] * 1e6 > pixels) == decoded
    assert kept in measured.case


def test_scale_repeats_shards_until_there_are_enough_images(
    capsys, tmp_path, people_dir, in_process
):
    copy = shutil.copytree(people_dir, tmp_path / "data")
    flags = ["--what=scale", f"--data_dir={copy}", "--quick", f"--out={tmp_path}"]
    result = run_command(capsys, MODULE, *flags)
    assert result.status == 0, result.err
    content = json.loads((tmp_path / "benchmark.json").read_text())
    cases = content["benchmarks"]["scale"]
    assert [case["case"] for case in cases] == [
        "32x32, 108 images on disk, batch 16",
        "32x32, 204 images on disk, batch 16",
    ]
    for case in cases:
        figures = {figure["name"]: figure["value"] for figure in case["figures"]}
        assert figures["speed"] > 0
        assert figures["peak resident memory"] > 50
    # The copies are gone.
    assert {path.name for path in tmp_path.iterdir()} == {"data", "benchmark.json"}


def test_command_measures_all_and_keeps_every_figure(capsys, tmp_path, in_process):
    result = run_command(capsys, MODULE, "--quick", f"--out={tmp_path}")
    assert result.status == 0, result.err
    content = json.loads((tmp_path / "benchmark.json").read_text())
    assert content["machine"]["versions"]["tensorflow"]
    assert content["machine"]["cores_used"] > 0
    cases = content["benchmarks"]
    assert len(cases["preprocess"]) == 2
    assert len(cases["input"]) == 6
    assert len(cases["train"]) == 4
    for name, measurements in cases.items():
        for case in measurements:
            assert f"{name}: {case['case']}" in result.out
            assert f"bound by {case['bound']}" in result.out
            if name in ("preprocess", "input"):
                speed = case["figures"][0]
                assert speed["name"] == "speed"
            for figure in case["figures"]:
                assert figure["name"] in result.out
    assert result.out.splitlines()[-1] == str(tmp_path / "benchmark.json")


def test_given_data_set_is_measured_in_place_of_drawn_people(
    capsys, tmp_path, people_dir, in_process
):
    flags = ["--what=input", f"--data_dir={people_dir}", "--quick", f"--out={tmp_path}"]
    result = run_command(capsys, MODULE, *flags)
    assert result.status == 0, result.err
    cases = json.loads((tmp_path / "benchmark.json").read_text())["benchmarks"]
    assert set(cases) == {"input"}
    assert [case["case"][:5] for case in cases["input"]] == ["32x32"] * 3


def test_given_files_are_measured_in_place_of_drawn_people(
    capsys, tmp_path, in_process
):
    drawn = data.photos(Options(folder=tmp_path, num_images=64))[0]
    flags = ["--what=preprocess", f"--source={drawn.source}", f"--root={drawn.root}"]
    result = run_command(capsys, MODULE, *flags, "--quick", f"--out={tmp_path}")
    assert result.status == 0, result.err
    cases = json.loads((tmp_path / "benchmark.json").read_text())["benchmarks"]
    assert [case["on"] for case in cases["preprocess"]] == [
        f"the files in {drawn.root}"
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--what=speed"], "--what=speed: allowed are preprocess, input"),
        (["--what="], "--what is empty: allowed are preprocess"),
        (["--root=."], "--root and --source must be given together"),
        (["--source=market1501"], "--root and --source must be given together"),
        (["--poses=a.csv"], "--poses requires --root"),
        (["--source=market1501", "--root=nowhere"], "--root=nowhere: no such folder"),
        (["--what=preprocess", "--data_dir=x"], "--data_dir is for --what=input"),
        (["--what=input", "--data_dir=nowhere"], "nowhere/manifest.json: no such file"),
        (["stray"], "stray: not a flag"),
    ],
)
def test_unusable_flags_are_one_line(capsys, tmp_path, in_process, flags, message):
    error = command_error(capsys, MODULE, *flags, "--quick", f"--out={tmp_path}")
    assert message in error
    assert not list(tmp_path.iterdir())


def test_function_runs_in_another_process_on_the_cores_allowed():
    assert isolated.call(os.getpid, cores=None) != os.getpid()
    here = isolated.usable_cores()
    there = isolated.call(isolated.usable_cores, cores=1)
    assert there == (1 if hasattr(os, "sched_setaffinity") else here)
    assert isolated.usable_cores() == here


def test_bad_input_and_an_early_end_of_the_process_are_one_line():
    with pytest.raises(InputError, match=r"--size=x: expected HEIGHTxWIDTH"):
        isolated.call(command.parse_size, "size", "x", cores=None)
    with pytest.raises(isolated.StoppedError, match="ended early"):
        isolated.call(os.abort, cores=None)
    with pytest.raises(isolated.StoppedError, match=r"^nap stopped after 0\.5 s$"):
        isolated.call(time.sleep, 60, cores=None, timeout=0.5, name="nap")


@pytest.mark.skipif(not HAS_PROC, reason="the system does not say")
def test_peak_memory_counts_what_is_gone_again():
    with isolated.PeakMemory() as watched:
        block = np.ones(60_000_000, np.uint8)
        time.sleep(0.2)  # Lets the watcher look, on a busy machine too.
        del block
        np.ones(1000)
    assert 55 < watched.megabytes < 120


def test_what_the_system_does_not_say_is_not_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(isolated, "_STATM", tmp_path / "none")
    with isolated.PeakMemory() as watched:
        pass
    assert watched.megabytes is None
    figure = Figure("peak memory", watched.megabytes, "MB")
    measured = Measurement("a case", "something", [figure], "nothing")
    text = measurement.describe("memory", [measured])
    assert "not measured MB" in text
    assert measurement.as_json([measured])[0]["figures"][0]["value"] is None


def test_machine_is_described_with_its_versions():
    described = description.describe(1)
    assert described["processor"]
    assert described["cores_used"] <= described["cores"]
    text = measurement.describe_machine(described)
    assert described["processor"] in text
    assert f"tensorflow {described['versions']['tensorflow']}" in text
