"""Training of both stages from end to end: what it leaves and what it refuses."""

import errno
import shutil

import numpy as np
import pytest
import tensorflow as tf
from conftest import build_people
from pg2_tf_helpers import (
    checkpoint,
    make_run,
    metrics,
    same,
    steps_kept,
    tiny_config,
    train,
)

from pg2_tf.runs.run_folder import RunFolder
from preprocessing.system.errors import InputError


@pytest.mark.parametrize("stage", [1, 2])
def test_training_leaves_what_the_run_folder_promises(whole, people_dir, stage):
    place = RunFolder(whole).stage(stage)
    options = place.options()
    assert options["training"]["steps"] == 8
    assert options["training"]["stage"] == stage
    assert options["data"]["folder"] == str(people_dir)
    assert options["versions"]["tensorflow"] == tf.__version__
    rows = metrics(whole, stage)
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    names = {1: {"masked_l1"}, 2: {"generator", "masked_l1", "adversarial"}}[stage]
    names = names | ({"discriminator"} if stage == 2 else set())
    for row in rows:
        assert set(row) == {"step", *names}
        assert all(np.isfinite(value) for value in row.values())
    if stage == 2:
        for row in rows:
            total = row["adversarial"] + 10 * row["masked_l1"]
            assert row["generator"] == pytest.approx(total, rel=1e-4)
    assert steps_kept(whole, stage) == [8, 6, 3]
    sheets = sorted(path.name for path in (place.path / "samples").iterdir())
    assert sheets == ["step-000004.png", "step-000008.png"]
    assert list((place.path / "events").iterdir())


def test_first_stage_is_what_the_second_builds_on(whole):
    names, arrays = checkpoint(whole, 1, 8)
    first = dict(zip(names, arrays, strict=True))
    second = dict(zip(*checkpoint(whole, 2, 8), strict=True))
    shared = [name for name in first if name.startswith("generator1/")]
    assert len(shared) > 20
    for name in shared:
        np.testing.assert_array_equal(first[name], second[name])


def test_finished_training_does_nothing_more(whole, people_dir):
    before = checkpoint(whole, 1, 8)[1]
    rows = metrics(whole, 1)
    assert train(whole, people_dir, 1, 8) == 8
    assert same(before, checkpoint(whole, 1, 8)[1])
    assert metrics(whole, 1) == rows


def test_second_stage_needs_the_first(people_dir, tmp_path):
    run = tmp_path / "run"
    message = r"has no stage 1.*python -m pg2_tf\.train --stage=1"
    with pytest.raises(InputError, match=message):
        train(run, people_dir, 2, 2)
    assert not run.exists()


def test_other_data_and_other_options_are_refused(whole, people_dir, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    other = build_people(tmp_path / "other", seed=2)
    with pytest.raises(InputError, match="trained with checksum"):
        train(run, other, 1, 9)
    with pytest.raises(InputError, match="batch_size 4, not 2"):
        train(run, people_dir, 1, 9, batch_size=2)
    with pytest.raises(InputError, match="profile paper, not authors"):
        train(run, people_dir, 1, 9, profile="authors")
    tall = build_people(tmp_path / "tall", size=(64, 32))
    with pytest.raises(InputError, match=r"images are 64x32, the .*needs 32x32"):
        train(run, tall, 1, 9)
    assert same(checkpoint(run, 1, 8)[1], checkpoint(whole, 1, 8)[1])
    # The same data set in another place is the same data set.
    moved = shutil.copytree(people_dir, tmp_path / "moved")
    assert train(run, moved, 1, 9) == 9


def test_authors_profile_trains_its_second_stage(people_dir, tmp_path):
    run = make_run(tmp_path / "run", config=tiny_config("authors"), stages=(1,))
    assert train(run, people_dir, 2, 2, profile="authors") == 2
    assert [row["step"] for row in metrics(run, 2)] == [2]


def test_bfloat16_training_keeps_float32_checkpoints(people_dir, tmp_path):
    run = tmp_path / "run"
    assert train(run, people_dir, 1, 2, precision="bfloat16") == 2
    names, arrays = checkpoint(run, 1, 2)
    weights = [a for n, a in zip(names, arrays, strict=True) if "generator1/" in n]
    assert weights
    assert all(a.dtype == np.float32 for a in weights)


def test_full_disk_at_a_checkpoint_names_the_folder(people_dir, tmp_path, monkeypatch):
    run = tmp_path / "run"
    assert train(run, people_dir, 1, 2) == 2
    before = RunFolder(run).stage(1).checkpoints()

    def full(checkpoint, path):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.train.Checkpoint, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        train(run, people_dir, 1, 4)
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.filename) == str(run / "stage1" / "checkpoints")
    assert RunFolder(run).stage(1).checkpoints() == before
