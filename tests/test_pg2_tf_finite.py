"""Numbers that are not finite: found at their step, with its pairs, and not kept."""

import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import checkpoint, command_error, metrics, same, steps_kept, train

from pg2_tf.data.dataset import read_split
from pg2_tf.data.pipeline import PairSource, pairs_of_step, training_batches
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training import loop
from pg2_tf.training.callbacks import Cadence
from pg2_tf.training.stepper import Stepper
from preprocessing.system.errors import InputError

NAN = float("nan")


class Echo:
    """A model whose losses are its batches."""

    loss_names = ("a", "b")

    @staticmethod
    def update(batch):
        return {"a": batch[0], "b": batch[1]}

    @staticmethod
    def trained_networks():
        return {}


def steps_of(losses):
    stepper = Stepper(Echo)
    for a, b in losses:
        stepper.step((tf.constant(a), tf.constant(b)))
    return stepper


def test_finite_losses_are_told_with_the_last():
    stepper = steps_of([(1.0, 2.0), (3.0, 4.0)])
    assert stepper.check() == (0, {"a": 3.0, "b": 4.0})
    assert stepper.take_means() == {"a": 2.0, "b": 3.0}


@pytest.mark.parametrize("bad", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_first_step_whose_losses_are_not_finite_is_found(bad, place):
    losses = [(float(i), 1.0) for i in range(5)]
    losses[place] = (float(place), bad)
    losses[4] = (4.0, bad)
    stepper = steps_of(losses)
    ago, found = stepper.check()
    assert ago == 5 - place
    assert found["a"] == place
    assert found["b"] == pytest.approx(bad, nan_ok=True)
    stepper.step((tf.constant(7.0), tf.constant(8.0)))
    assert stepper.check() == (0, {"a": 7.0, "b": 8.0})


@pytest.mark.parametrize("own_batch", [False, True])
def test_pairs_of_a_step_are_those_that_it_takes(people_dir, own_batch):
    split = read_split(people_dir, "train", image_size=(32, 32))
    source = PairSource(split)
    order = {"batch_size": 4, "seed": 3, "own_batch": own_batch}
    batches = training_batches(source, flip=False, **order).take(20)
    by_name = dict(zip(split.names, split.images.numpy(), strict=True))
    for step, taken in enumerate(batches.as_numpy_iterator(), 1):
        parts = taken if own_batch else (taken,)
        pairs = pairs_of_step({0: source}, step, **order)
        assert len(pairs) == 4 * len(parts)
        for side, key in enumerate(("source", "target")):
            images = np.concatenate([part[key] for part in parts])
            for names, image in zip(pairs, images, strict=True):
                content = np.frombuffer(by_name[names[side]], np.uint8)
                expected = cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]
                assert np.abs(expected.astype(int) - image).max() <= 1


def spoil(monkeypatch, layer, *, step, start=0, before):
    """Puts NaN into a weight of G1 before or after a step."""
    built, done = [], [start]
    build, take = loop.build, Stepper.step

    def watched(*arguments, **options):
        built.append(build(*arguments, **options))
        return built[-1]

    def poison():
        kernel = built[-1].generator1.get_layer(layer).kernel
        kernel.assign(tf.fill(kernel.shape, NAN))

    def spoilt(self, batch):
        done[0] += 1
        if before and done[0] == step:
            poison()
        take(self, batch)
        if not before and done[0] == step:
            poison()

    monkeypatch.setattr(loop, "build", watched)
    monkeypatch.setattr(Stepper, "step", spoilt)


def test_loss_that_is_not_finite_ends_it_with_step_and_pairs(
    whole, people_dir, tmp_path, monkeypatch
):
    run = shutil.copytree(whole, tmp_path / "run")
    every = Cadence(log_every=4, sample_every=9, validate_every=9, checkpoint_every=6)
    spoil(monkeypatch, "coarse", step=10, start=8, before=True)
    with pytest.raises(InputError) as caught:
        train(run, people_dir, 1, 20, every=every)
    message = str(caught.value)
    assert "\n" not in message
    assert "step 10: the loss is not finite; losses: masked_l1 nan" in message
    assert "the checkpoint of step 8 is kept" in message
    split = read_split(people_dir, "train", image_size=(32, 32))
    pairs = pairs_of_step({0: PairSource(split)}, 10, batch_size=4, seed=0)
    assert "pairs: " + ", ".join(f"{a} to {b}" for a, b in pairs) + ";" in message
    # Nothing of it was written, and without the fault the training goes on.
    assert metrics(run, 1) == metrics(whole, 1)
    assert steps_kept(run, 1) == steps_kept(whole, 1)
    monkeypatch.undo()
    assert train(run, people_dir, 1, 12) == 12
    assert train(tmp_path / "straight", people_dir, 1, 12) == 12
    straight = checkpoint(tmp_path / "straight", 1, 12)
    assert same(checkpoint(run, 1, 12)[1], straight[1])


def test_weight_that_the_losses_do_not_show_is_found_at_its_step(
    people_dir, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    every = Cadence(log_every=9, sample_every=9, validate_every=9, checkpoint_every=3)
    spoil(monkeypatch, "stem", step=5, before=True)
    with pytest.raises(InputError, match="step 5: a weight is not finite") as caught:
        train(run, people_dir, 1, 8, every=every)
    assert "losses: masked_l1 0." in str(caught.value)
    assert "the checkpoint of step 3 is kept" in str(caught.value)
    assert steps_kept(run, 1) == [3]


def test_state_that_is_not_finite_is_not_kept(people_dir, tmp_path, monkeypatch):
    run = tmp_path / "run"
    every = Cadence(log_every=9, sample_every=9, validate_every=9, checkpoint_every=2)
    spoil(monkeypatch, "stem", step=4, before=False)
    with pytest.raises(InputError, match=r"step 4: generator1/.*stem.* is not finite"):
        train(run, people_dir, 1, 8, every=every)
    assert steps_kept(run, 1) == [2]


def test_training_that_runs_away_is_one_line_of_error(people_dir, tmp_path, capsys):
    error = command_error(
        capsys,
        "pg2_tf.train",
        *("--dataset=tiny", "--stage=1", "--steps=8", "--learning_rate=1e30"),
        *(f"--data_dir={people_dir}", f"--run_dir={tmp_path / 'run'}"),
    )
    assert "not finite; losses: masked_l1" in error
    assert "no checkpoint yet" in error
    assert not RunFolder(tmp_path / "run").is_trained()
