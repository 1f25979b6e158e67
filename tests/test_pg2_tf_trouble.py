"""Training in trouble: asked to end, no room, not alone, a D that has won."""

import json
import os
import shutil
import signal
from collections import namedtuple

import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    run_command,
    steps_kept,
    train,
)

from pg2_tf.runs import checkpoint_files
from pg2_tf.training import callbacks, workers
from pg2_tf.training.callbacks import Cadence, CollapseWatch
from pg2_tf.training.loop import locked
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.workers import Workers
from preprocessing.system.errors import InputError


def test_command_that_is_asked_to_end_says_how_it_goes_on(
    people_dir, tmp_path, monkeypatch, capsys
):
    take = Stepper.step

    def interrupted(self, batch):
        take(self, batch)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Stepper, "step", interrupted)
    run = tmp_path / "run"
    flags = ("--dataset=tiny", f"--data_dir={people_dir}", f"--run_dir={run}")
    flags += ("--keep=1", "--validate_every=2", "--num_validation_pairs=3")
    flags += ("--validation_fraction=0.3",)
    for step in (1, 2):
        told = run_command(capsys, "pg2_tf.train", *flags)
        assert told.status == 143
        assert (
            f"stage1: stopped at step {step}; run the same command to resume"
            in told.out
        )
        assert steps_kept(run, 1) == [step]
    assert "validation at step 2: " in told.out
    assert not (run / "stage2").exists()


@pytest.mark.parametrize(
    ("wanted", "gpus", "made"),
    [(None, 0, True), (None, 1, False), (True, 1, True), (False, 0, False)],
)
def test_cpus_compute_the_same_each_time_unless_told(wanted, gpus, made, monkeypatch):
    calls = []
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: calls.append(1)
    )
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind] * gpus)
    workers.make_deterministic(wanted)
    assert bool(calls) == made


Usage = namedtuple("Usage", "total used free")


def test_no_room_is_told_before_the_first_step(people_dir, tmp_path, monkeypatch):
    usage = Usage(10**12, 0, 10**5)
    monkeypatch.setattr(checkpoint_files.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(Stepper, "step", None)
    place = "stage1/checkpoints: a checkpoint needs 2 MB, 0 MB are free; make room"
    with pytest.raises(InputError, match=place):
        train(tmp_path / "run", people_dir, 1, 8)


def test_no_room_later_leaves_the_last_checkpoint(people_dir, tmp_path, monkeypatch):
    run = tmp_path / "run"

    def usage(path):
        return Usage(10**12, 0, 10**5 if steps_kept(run, 1) else 10**10)

    monkeypatch.setattr(checkpoint_files.shutil, "disk_usage", usage)
    with pytest.raises(InputError, match="the last is of step 3; make room and give"):
        train(run, people_dir, 1, 8)
    assert steps_kept(run, 1) == [3]
    monkeypatch.undo()
    assert train(run, people_dir, 1, 4) == 4


def test_as_many_checkpoints_as_asked_for_are_kept(people_dir, tmp_path):
    every = Cadence(log_every=9, sample_every=9, validate_every=0, checkpoint_every=1)
    run = tmp_path / "run"
    assert train(run, people_dir, 1, 4, every=every, more={"keep": 1}) == 4
    assert steps_kept(run, 1) == [4]
    assert train(run, people_dir, 1, 8, every=every, more={"keep": 4}) == 8
    assert steps_kept(run, 1) == [8, 7, 6, 5]
    names = {path.name for path in (run / "stage1" / "checkpoints").iterdir()}
    assert len(names) == 12


def test_two_trainings_do_not_write_to_one_stage(whole, people_dir, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    left = run / "stage1" / ".options.json.7.tmp"
    left.write_text("{")
    with (
        locked(run / "stage1"),
        pytest.raises(InputError, match="another training is running in this folder"),
    ):
        train(run, people_dir, 1, 9)
    assert not left.exists()
    assert train(run, people_dir, 1, 9) == 9


class Silent(Workers):
    """One that leaves the run folder to another."""

    writes = False


def test_process_that_does_not_write_trains_the_same(whole, people_dir, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert train(run, people_dir, 1, 12, more={"workers": Silent()}) == 12
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def rows_of(values, *, every=50, name="discriminator"):
    return [{"step": every * i, name: v} for i, v in enumerate(values, 1)]


def warnings_of(rows):
    collapse = CollapseWatch()
    return [row["step"] for row in rows if collapse.see(row)]


def test_discriminator_that_has_won_for_long_is_told_once():
    assert warnings_of(rows_of([0.5] * 3 + [0.001] * 40)) == [650]
    assert warnings_of(rows_of([0.001] * 9 + [0.5] + [0.001] * 9)) == []
    assert warnings_of(rows_of([0.001] * 40, every=1000)) == [1000]
    assert warnings_of(rows_of([0.5] * 40)) == []
    assert warnings_of(rows_of([0.001] * 40, name="masked_l1")) == []


def test_watch_goes_on_where_it_was():
    rows = rows_of([0.5] * 3 + [0.001] * 40)
    for split in range(len(rows)):
        collapse = CollapseWatch(rows[:split])
        told = [row["step"] for row in rows[split:] if collapse.see(row)]
        assert told == ([650] if split < 13 else [])


def test_collapse_is_in_the_log_and_on_standard_error(
    whole, people_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(callbacks, "_NEAR_ZERO", 100.0)
    monkeypatch.setattr(callbacks, "_LONG", 3)
    run = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(run / "stage2")
    for steps in (6, 8):
        assert train(run, people_dir, 2, steps) == steps
    text = (run / "stage2" / "warnings.jsonl").read_text()
    (row,) = map(json.loads, text.splitlines())
    assert row["step"] == 4
    assert "D has saturated: its loss has been below 100.0 since" in row["warning"]
    assert capsys.readouterr().err.count(f"warning: {row['warning']}") == 1
