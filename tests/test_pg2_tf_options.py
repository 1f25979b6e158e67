"""Options of training: clipping, averages of weights, learning rates."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    TINY,
    checkpoint,
    copies,
    make_run,
    network_batch,
    random_networks,
    same,
    train,
)
from pg2_tf_trainers import assert_close, pg2, weights_after

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.config import TrainConfig
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training.callbacks import Cadence
from pg2_tf.training.learning_rates import WarmUp, learning_rate
from pg2_tf.training.updates import FusedAdam, adam, clip_gradients
from preprocessing.system.errors import InputError

QUIET = Cadence(log_every=1, sample_every=0, validate_every=0, checkpoint_every=2)


# === Clipping ===


def test_gradient_longer_than_its_limit_is_scaled_down():
    gradients = [tf.constant([3.0, 0.0]), tf.constant([[4.0]])]
    for norm, share in ((10.0, 1.0), (5.0, 1.0), (1.0, 0.2)):
        for old, new in zip(gradients, clip_gradients(gradients, norm), strict=True):
            np.testing.assert_allclose(new, share * old, rtol=1e-6)


def test_each_network_is_clipped_by_its_own_norm():
    batch, seen = network_batch(2), {}
    model = pg2(2, clip_norm=0.01)
    for name, optimizer in (
        ("generator2", model.generator2_optimizer),
        ("discriminator", model.discriminator_optimizer),
    ):

        def apply(gradients, variables, name=name):
            seen[name] = float(tf.linalg.global_norm(gradients))

        optimizer.apply = apply
    model.update(batch)
    assert seen == pytest.approx({"generator2": 0.01, "discriminator": 0.01}, rel=1e-4)
    plain, _ = weights_after(pg2(1), batch)
    loose, _ = weights_after(pg2(1, clip_norm=1e6), batch)
    assert same(plain, loose)


# === Moving averages ===


def test_average_follows_the_weights_with_a_growing_momentum():
    model = pg2(1, ema=0.15)
    network, average = model.generator1, model.averages["generator1"]
    expected = None
    for step in range(4):
        model.update(network_batch(2))
        momentum = min(0.15, step / (step + 9))  # 0, 0.1, 0.15, 0.15
        now = copies(network.trainable_weights)
        expected = [
            momentum * old + (1 - momentum) * new
            for old, new in zip(expected or now, now, strict=True)
        ]
        assert_close(expected, copies(average.trainable_weights), 1e-7)
    assert not same(copies(average.weights), copies(network.weights))


@pytest.fixture(scope="module")
def averaged(people_dir, tmp_path_factory):
    """A run with moving averages, whose stage 2 trains both generators."""
    run = tmp_path_factory.mktemp("averaged") / "run"
    train(run, people_dir, 1, 4, ema=0.9, every=QUIET)
    options = {"ema": 0.9, "finetune_generator1": True, "every": QUIET}
    train(run, people_dir, 2, 4, **options)
    return run


def in_checkpoint(run, stage, name):
    names, arrays = checkpoint(run, stage, 4)
    found = {n.split("/.ATTR")[0]: a for n, a in zip(names, arrays, strict=True)}
    return {n.split("/", 1)[1]: a for n, a in found.items() if n.startswith(f"{name}/")}


def assert_weights(network, values):
    for weight in network.weights:
        np.testing.assert_array_equal(weight, values[weight.path.replace("/", ".S")])


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize(
    ("weights", "suffix"), [("auto", "_average"), ("ema", "_average"), ("last", "")]
)
def test_generation_uses_the_averages_unless_told(averaged, stage, weights, suffix):
    model = PoseTransfer.load(averaged, stage=stage, weights=weights)
    for network in model.networks[:stage]:
        values = in_checkpoint(averaged, stage, f"{network.name}{suffix}")
        assert_weights(network, values)
    other = "_average" if not suffix else ""
    one, two = (in_checkpoint(averaged, 1, f"generator1{s}") for s in (suffix, other))
    assert any(not np.array_equal(one[name], two[name]) for name in one)


def test_stage_2_builds_on_the_average_of_stage_1(averaged, people_dir, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(averaged, run)
    shutil.rmtree(run / "stage2")
    train(run, people_dir, 2, 2, every=QUIET)
    kept = in_checkpoint(averaged, 1, "generator1_average")
    names, arrays = checkpoint(run, 2, 2)
    used = dict(zip(names, arrays, strict=True))
    for name, value in kept.items():
        key = f"generator1/{name}/.ATTRIBUTES/VARIABLE_VALUE"
        np.testing.assert_array_equal(used[key], value)
    # Stage 2 was trained without averages of its own.
    with pytest.raises(InputError, match="trained without --ema"):
        PoseTransfer.load(run, weights="ema")


def test_run_without_averages_has_none(tmp_path):
    run = make_run(tmp_path / "run")
    with pytest.raises(InputError, match="trained without --ema"):
        PoseTransfer.load(run, weights="ema")
    last, auto = (PoseTransfer.load(run, weights=w) for w in ("last", "auto"))
    for one, other in zip(last.networks[:2], auto.networks[:2], strict=True):
        assert same(copies(one.weights), copies(other.weights))


OPTIONS = {
    "ema": 0.9,
    "clip_norm": 0.1,
    "schedule": "step",
    "halve_every": 2,
    "warm_up": 3,
}


@pytest.mark.parametrize(
    ("variant", "stage", "changes"),
    [
        ("G1+D", 1, {"adversarial_loss": "hinge", "accumulate": 2}),
        ("G1+G2+D", 2, {"finetune_generator1": True}),
    ],
)
def test_training_in_two_parts_with_every_option_equals_one(
    people_dir, tmp_path, variant, stage, changes
):
    runs = [tmp_path / "one", tmp_path / "two"]
    options = {"variant": variant, "every": QUIET, **OPTIONS, **changes}
    for run in runs if stage == 2 else []:
        make_run(run, stages=(1,))
    assert train(runs[0], people_dir, stage, 6, **options) == 6
    for steps in (2, 6):
        assert train(runs[1], people_dir, stage, steps, **options) == steps
    names, arrays = checkpoint(runs[0], stage, 6)
    assert any(name.startswith("generator1_average/") for name in names)
    again, values = checkpoint(runs[1], stage, 6)
    assert names == again
    for name, one, other in zip(names, arrays, values, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert RunFolder(runs[0]).stage(stage).averaged()


# === Learning rates ===


def rates(**changes):
    training = TrainConfig(stage=1, steps=8, batch_size=4, learning_rate=0.8, **changes)
    optimizer = adam(training, random_networks(TINY.model, stage=1).generator1)
    values = []
    for step in range(9):
        optimizer.iterations.assign(step)
        values.append(float(optimizer.learning_rate))
    return values


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [0.8] * 9),
        ({"schedule": "linear"}, [0.8 - 0.1 * step for step in range(9)]),
        (
            {"schedule": "cosine"},
            [0.4 * (1 + np.cos(np.pi * step / 8)) for step in range(9)],
        ),
        (
            {"schedule": "step", "halve_every": 3},
            [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2],
        ),
        ({"warm_up": 4}, [0.2, 0.4, 0.6] + [0.8] * 6),
        (
            {"schedule": "linear", "warm_up": 2},
            [0.4, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0],
        ),
    ],
)
def test_learning_rate_over_the_steps(changes, expected):
    assert rates(**changes) == pytest.approx(expected, abs=1e-6)


def test_constant_rate_is_a_plain_number():
    training = TrainConfig(stage=1, steps=8, batch_size=4)
    assert learning_rate(training) == 2e-5
    assert training.is_open_ended
    step = dataclasses.replace(training, schedule="step", halve_every=3)
    assert step.is_open_ended
    assert not dataclasses.replace(training, schedule="linear").is_open_ended


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "step"}, "halve_every 0"),
        ({"halve_every": 5}, "halve_every 5"),
        ({"warm_up": -1}, "warm_up -1: must be at least 0"),
        ({"clip_norm": -0.5}, "clip_norm -0.5"),
        ({"ema": 1.0}, "ema 1.0"),
        ({"accumulate": 0}, "accumulate 0"),
        ({"adversarial_loss": "wgan"}, "allowed are cross_entropy, hinge"),
    ],
)
def test_options_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(stage=1, steps=8, batch_size=4, **changes)


def test_fused_adam_is_adam():
    optimizers = [
        each(WarmUp(1e-2, 3), 0.5, 0.999, epsilon=1e-8)
        for each in (FusedAdam, keras.optimizers.Adam)
    ]
    start = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    weights = [keras.Variable(start) for _ in optimizers]
    for step in range(6):
        rng = np.random.default_rng(step + 1)
        gradient = tf.constant(rng.normal(size=start.shape), tf.float32)
        for optimizer, weight in zip(optimizers, weights, strict=True):
            optimizer.apply([gradient], [weight])
        fused, plain = (weight.numpy() for weight in weights)
        np.testing.assert_allclose(fused, plain, rtol=0, atol=1e-6)
        assert np.abs(fused - start).max() > 1e-3
    pairs = zip(*(optimizer.variables for optimizer in optimizers), strict=True)
    for one, other in pairs:
        # 1 - 0.999 in float32 is off by 1.3e-5.
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=3e-5)
