"""`python -m pg2_tf`: lists the commands, and runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

from pg2_tf import __version__
from pg2_tf.__main__ import commands_by_name

ROOT = Path(__file__).parents[1]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pg2_tf", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_commands_are_listed_with_a_line_each_without_tensorflow():
    done = run()
    assert done.returncode == 0
    lines = done.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(commands_by_name())
    assert all(len(line.split()) > 3 for line in lines)
    assert {"train", "generate", "build", "estimate_pose"} <= set(commands_by_name())
    assert "tensorflow" not in done.stderr
    assert run("--version").stdout.strip() == f"pg2-tf {__version__}"


@pytest.mark.parametrize("name", ["train", "build"])
def test_a_command_runs_with_its_flags(name):
    done = run(name, "--help")
    assert done.returncode == 0
    assert "--seed" in done.stdout
    done = run(name)
    assert done.returncode == 1
    assert "is needed; see --help" in done.stderr


def test_an_unknown_command_is_named():
    done = run("trian")
    assert done.returncode == 1
    assert "error: trian: not a command; allowed: benchmark, " in done.stderr
