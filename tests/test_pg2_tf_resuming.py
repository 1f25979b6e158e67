"""Training that stops or is stopped goes on as if it had not; killed: another file."""

import os
import shutil
import signal

import numpy as np
import pytest
from conftest import build_people
from pg2_tf_helpers import (
    checkpoint,
    metrics,
    same,
    steps_kept,
    train,
)

from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training import loop
from pg2_tf.training.callbacks import Cadence
from preprocessing.system.errors import InputError


@pytest.mark.parametrize("stage", [1, 2])
def test_training_in_two_parts_equals_one_bit_for_bit(
    whole, people_dir, tmp_path, stage, capsys
):
    run = tmp_path / "run"
    if stage == 2:
        shutil.copytree(whole, run)
        shutil.rmtree(run / "stage2")
    # 5 is no multiple of log_every: the sums of the open line must go on too.
    halt = Cadence(log_every=2, sample_every=4, checkpoint_every=5)
    assert train(run, people_dir, stage, 5, every=halt) == 5
    path = RunFolder(run).stage(stage).path / "metrics.jsonl"
    assert [row["step"] for row in metrics(run, stage)][-1] == 5
    assert train(run, people_dir, stage, 8) == 8
    assert "Resuming from step 5" in capsys.readouterr().out
    names, arrays = checkpoint(whole, stage, 8)
    again, values = checkpoint(run, stage, 8)
    assert again == names
    for name, a, b in zip(names, arrays, values, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
    assert path.exists()


def test_signal_to_end_writes_a_checkpoint_and_the_rest_follows(
    whole, people_dir, tmp_path, monkeypatch
):
    run, taken = tmp_path / "run", []
    step = loop.Stepper.step

    def interrupted(self, batch):
        step(self, batch)
        taken.append(1)
        if len(taken) == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(loop.Stepper, "step", interrupted)
    assert train(run, people_dir, 1, 8) == 5
    assert signal.getsignal(signal.SIGTERM) is handler
    assert steps_kept(run, 1)[0] == 5
    monkeypatch.undo()
    assert train(run, people_dir, 1, 8) == 8
    # Stopped within a line of metrics, it goes on as if it had not been.
    assert metrics(run, 1) == metrics(whole, 1)
    assert same(checkpoint(run, 1, 8)[1], checkpoint(whole, 1, 8)[1])


def test_falling_learning_rate_goes_on_from_where_it_was(
    people_dir, tmp_path, monkeypatch
):
    straight, run = tmp_path / "straight", tmp_path / "run"
    assert train(straight, people_dir, 1, 4, schedule="cosine") == 4
    step = loop.Stepper.step

    def interrupted(self, batch):
        step(self, batch)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Stepper, "step", interrupted)
    for reached in (1, 2):
        assert train(run, people_dir, 1, 4, schedule="cosine") == reached
    monkeypatch.undo()
    assert train(run, people_dir, 1, 4, schedule="cosine") == 4
    assert same(checkpoint(run, 1, 4)[1], checkpoint(straight, 1, 4)[1])
    constant = tmp_path / "constant"
    assert train(constant, people_dir, 1, 4) == 4
    assert metrics(constant, 1)[-1] != metrics(straight, 1)[-1]


def test_second_interrupt_ends_at_once(whole, people_dir, tmp_path, monkeypatch, capfd):
    run, taken = tmp_path / "run", []
    step = loop.Stepper.step

    def interrupted(self, batch):
        step(self, batch)
        taken.append(1)
        if len(taken) == 5:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Stepper, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(run, people_dir, 1, 8)
    assert (
        capfd.readouterr().err.count("Stopping after this step; saving a checkpoint")
        == 1
    )
    assert steps_kept(run, 1) == [3]
    monkeypatch.undo()
    assert train(run, people_dir, 1, 8) == 8
    assert metrics(run, 1) == metrics(whole, 1)
    assert same(checkpoint(run, 1, 8)[1], checkpoint(whole, 1, 8)[1])


def test_damaged_newest_checkpoint_costs_only_its_steps(
    whole, people_dir, tmp_path, capsys
):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    path = RunFolder(run).stage(1).checkpoint_dir / "ckpt-8.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:64])
    assert train(run, people_dir, 1, 8) == 8
    out = capsys.readouterr().out
    assert "ckpt-8: skipping corrupt checkpoint" in out
    assert "Resuming from step 6" in out
    assert same(checkpoint(run, 1, 8)[1], checkpoint(whole, 1, 8)[1])
    assert metrics(run, 1) == metrics(whole, 1)
    assert steps_kept(run, 1)[0] == 8


def test_swapped_shards_are_noticed_when_a_training_resumes(tmp_path):
    data = build_people(tmp_path / "data", identities=9)
    run = tmp_path / "run"
    assert train(run, data, 1, 2) == 2
    first, second = sorted(data.glob("train-*.tfrecord"))[:2]
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    with pytest.raises(InputError, match="differs from the shard in the manifest"):
        train(run, data, 1, 4)
    first.write_bytes(contents[0])
    second.write_bytes(contents[1])
    assert train(run, data, 1, 4) == 4
