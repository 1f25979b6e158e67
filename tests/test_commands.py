"""Every command: help and version at once, and no noise of TensorFlow's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from preprocessing import __version__
from preprocessing.system import command, host

ROOT = Path(__file__).parents[1]
COMMANDS = [
    f"{package}.{path.stem}"
    for package in ("pg2_tf", "preprocessing")
    for path in sorted((ROOT / package).glob("*.py"))
    if 'if __name__ == "__main__":' in path.read_text("utf-8")
]


def run(*arguments, **options):
    """Runs Python; returns the finished process."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        **options,
    )


def test_the_commands_are_found():
    assert {"pg2_tf.train", "pg2_tf.generate", "preprocessing.build"} <= set(COMMANDS)
    assert len(COMMANDS) >= 15


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_prints_docstring_and_flags(flag):
    shown = run("-m", "preprocessing.estimate_pose", flag)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Finds the pose in each image")
    # The second is defined in a helper module.
    assert "--images:" in shown.stdout
    assert "--[no]overwrite:" in shown.stdout


# Runs a command, then prints the slow packages that it has imported.
WATCH = """
import runpy, sys
module = sys.argv.pop(1)
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    slow = {"tensorflow", "keras", "pandas", "matplotlib", "gradio"}
    print("imported", *sorted(slow & set(sys.modules)))
"""


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--version"])
def test_help_and_version_import_no_slow_package(module, flag):
    shown = run("-c", WATCH, module, flag)
    assert (shown.returncode, shown.stderr) == (0, "")
    *text, imported = shown.stdout.splitlines()
    assert imported == "imported"
    if flag == "--version":
        assert text == [f"pg2-tf {__version__}"]
    else:
        assert len(text) > 5


def test_the_list_of_poses_imports_no_slow_package():
    shown = run("-c", WATCH, "pg2_tf.generate", "--list_poses")
    assert (shown.returncode, shown.stderr) == (0, "")
    *poses, imported = shown.stdout.splitlines()
    assert "walking" in poses
    assert imported == "imported"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--workers=many"], ["--out"]])
def test_a_wrong_flag_is_one_line(arguments):
    shown = run("-m", "preprocessing.estimate_pose", *arguments)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith("error: ")
    assert shown.stderr.endswith("; see --help\n")
    assert shown.stderr.count("\n") == 1


def test_tensorflow_is_imported_without_its_notes():
    shown = run(
        "-c",
        "from preprocessing.system import host; host.import_tensorflow()\n"
        "import tensorflow as tf; print(tf.reduce_sum(tf.ones(3)).numpy())",
    )
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "3.0\n", "")


NOTES = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written\n"
    b"I0000 00:00:1795753611.805818   30031 port.cc:153] oneDNN custom operations\n"
    b"2026-01-01 10:00:00.1: I tensorflow/core/platform/cpu_feature_guard.cc:210] x\n"
    b"W0000 00:00:1795753611.805818   30031 gpu_device.cc:1] Cannot dlopen\n"
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild\n"
    b"E0000 00:00:1.5 3 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA "
    b"error: Failed call to cuInit: UNKNOWN ERROR (303)\n"
)
ERRORS = (
    b"E0000 00:00:1.5 3 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA "
    b"error: Failed call to cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\n"
    b"F0000 00:00:1.5 3 x.cc:1] compiled to use AVX instructions, but these aren't\n"
    b"UserWarning: something of Python's\n"
)


def test_errors_during_the_import_are_shown_also_if_the_process_dies():
    for end in ("", "os.abort()"):
        script = (
            "import os\n"
            "from preprocessing.system import host\n"
            "with host._filtered_stderr():\n"
            f"    os.write(2, {NOTES + ERRORS!r})\n"
            f"    {end}\n"
            "os.write(2, b'afterwards')"
        )
        shown = run("-c", script)
        expected = ERRORS.decode() + "afterwards" * (not end)
        assert shown.stderr == expected
        assert (shown.returncode == 0) == (not end)


def test_an_exception_passes_and_standard_error_is_back(capfd):
    def fail():
        with host._filtered_stderr():
            os.write(2, ERRORS)
            raise ImportError("libsomething.so")

    with pytest.raises(ImportError):
        fail()
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == ERRORS.decode() + "afterwards"


def test_paths_are_split_at_commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.split_paths("") == []
    assert command.split_paths("a.png, b.png,,c") == ["a.png", "b.png", "c"]


def test_an_existing_path_with_commas_is_taken_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("me, 2024.png").touch()
    Path("photos, old").mkdir()
    Path("photos, old/a,b,c.png").touch()
    for text, pieces in (
        ("me, 2024.png", ["me, 2024.png"]),
        ("photos, old/", ["photos, old/"]),
        (
            "walking,me, 2024.png,photos, old",
            ["walking", "me, 2024.png", "photos, old"],
        ),
        ("photos, old/a,b,c.png,x, y", ["photos, old/a,b,c.png", "x", "y"]),
        (str(tmp_path / "me, 2024.png"), [str(tmp_path / "me, 2024.png")]),
    ):
        assert command.split_paths(text) == pieces


def test_the_choices_of_flags_are_those_of_the_tables():
    """Entry points name them, because the tables' modules are slow to import."""
    from pg2_tf.benchmarks.data import MEASURED_SOURCES
    from pg2_tf.evaluation.protocols import DEFAULT, PROTOCOLS
    from pg2_tf.paper.table1.rows import SCALES
    from pg2_tf.training.workers import STRATEGIES

    for module, flag, choices in (
        ("benchmark", "source", MEASURED_SOURCES),
        ("evaluate", "protocol", PROTOCOLS),
        ("reproduce", "scale", SCALES),
        ("train", "strategy", STRATEGIES),
    ):
        text = (ROOT / "pg2_tf" / f"{module}.py").read_text("utf-8")
        names = ", ".join(f'"{name}"' for name in choices)
        assert f"[{names}]" in text.partition(f'"{flag}",')[2][:200], module
    assert f'"protocol",\n    "{DEFAULT}",' in (
        ROOT / "pg2_tf" / "evaluate.py"
    ).read_text("utf-8")
