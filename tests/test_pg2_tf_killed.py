"""Training killed at twenty random moments ends as if it had never been."""

import json
import os
import shutil
import signal
import sys

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import checkpoint, events_of, metrics, run_script, same, steps_kept

from pg2_tf.runs.run_folder import RunFolder

_KILLS = int(os.environ.get("PG2_KILLS", "10"))
_SCRIPT = """
import sys; sys.path.insert(0, "tests")
import pg2_tf_killing; pg2_tf_killing.main()
"""


@pytest.fixture(scope="module")
def place(whole, people_dir, tmp_path_factory):
    """Folders of each stage's runs, killed and straight; the stages side by side."""
    place = tmp_path_factory.mktemp("killing")
    processes = []
    for stage in (1, 2):
        run = place / str(stage) / "killed"
        run.mkdir(parents=True)
        if stage == 2:
            shutil.copy(whole / "config.json", run)
            shutil.copytree(whole / "stage1", run / "stage1")
        arguments = (run.parent, people_dir, stage, _KILLS, stage)
        processes.append(run_script(_SCRIPT, *arguments, wait=False))
    try:
        for process in processes:
            out, _ = process.communicate(timeout=90 * _KILLS)
            assert process.returncode == 0, out
            assert out.count("KILLED") == _KILLS
            print(out, file=sys.stderr)
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return place


def rows_of(run, stage, name):
    text = (RunFolder(run).stage(stage).path / name).read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("stage", [1, 2])
def test_weights_and_all_other_state_are_the_same_bit_for_bit(place, stage):
    killed, straight = (place / str(stage) / n for n in ("killed", "straight"))
    kept = steps_kept(straight, stage)
    assert steps_kept(killed, stage) == kept
    assert len(kept) == 3
    for step in kept:
        names, arrays = checkpoint(straight, stage, step)
        again, values = checkpoint(killed, stage, step)
        assert again == names
        assert any("optimizer" in name for name in names)
        assert any("_average" in name for name in names)
        for name, a, b in zip(names, arrays, values, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("stage", [1, 2])
def test_log_has_each_line_once(place, stage):
    killed, straight = (place / str(stage) / n for n in ("killed", "straight"))
    rows = metrics(straight, stage)
    end = steps_kept(straight, stage)[0]
    assert [row["step"] for row in rows] == list(range(2, end + 1, 2))
    assert metrics(killed, stage) == rows
    scores = rows_of(straight, stage, "validation.jsonl")
    assert [row["step"] for row in scores] == list(range(4, end + 1, 4))
    assert rows_of(killed, stage, "validation.jsonl") == scores
    events = events_of(straight / f"stage{stage}" / "events")
    assert {"masked_l1", "val_mask_ssim", "samples"} <= {event[0] for event in events}
    assert events_of(killed / f"stage{stage}" / "events") == events


@pytest.mark.parametrize("stage", [1, 2])
def test_files_and_sheets_are_the_same_and_nothing_else_is_left(place, stage):
    found = []
    for name in ("killed", "straight"):
        folder = RunFolder(place / str(stage) / name).stage(stage)
        files = sorted(
            str(path.relative_to(folder.path))
            for path in folder.path.rglob("*")
            if path.is_file() and path.parent.name != "events"
        )
        sheets = [path.read_bytes() for path in sorted(folder.path.rglob("*.png"))]
        found.append((files, sheets, folder.best()))
    assert found[0] == found[1]


def test_best_weights_are_the_same(place):
    found = []
    for name in ("killed", "straight"):
        folder = RunFolder(place / "1" / name).stage(1)
        reader = tf.train.load_checkpoint(
            str(folder.best_dir / f"ckpt-{folder.best()['step']}")
        )
        names = sorted(reader.get_variable_to_shape_map())[1:]
        found.append((names, [reader.get_tensor(name) for name in names]))
    assert found[0][0] == found[1][0]
    assert same(found[0][1], found[1][1])
