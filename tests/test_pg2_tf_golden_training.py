"""Training steps against the authors' optimizers, on their batch and weights."""

from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import golden_model
from pg2_tf_trainers import update_discriminator, update_generators

from pg2_tf.training.pg2 import PG2

_STAGE1 = {"masked_l1": "g_loss1"}
_STAGE2 = {
    "generator": "g_loss2",
    "masked_l1": "L1Loss2",
    "adversarial": "g_adv",
    "discriminator": "d_loss",
}
# After a G2 step, after a D step, after five of each: ten times the float noise.
_TOLERANCES = [2e-5, 2e-5, 2e-3] + [3e-2] * 8


class Session(NamedTuple):
    """Our networks with the authors' weights, ready to train."""

    weights: dict[str, Any]
    batch: dict[str, tf.Tensor]
    stage1: PG2
    stage2: PG2


@pytest.fixture
def session(shared) -> Session:
    _, stage1, stage2, weights, batch, _ = golden_model(shared)

    def adam():
        return keras.optimizers.Adam(2e-5, 0.5, 0.999, epsilon=1e-8)

    stage1.compile(adam())
    stage2.compile(adam(), adam())
    return Session(weights, batch, stage1, stage2)


@pytest.fixture(scope="module")
def theirs(shared):
    return np.load(shared / "golden" / "market_h16" / "train.npz")


def train_stage1(session, theirs):
    """Takes five steps and compares the loss around each."""
    table = _table(theirs, "stage1_losses")
    step = tf.function(session.stage1.update)
    for number in range(6):
        losses = session.stage1.losses_of(session.batch)
        _assert_close(losses, table, number, _STAGE1, tolerance=6e-5)
        if number < 5:
            step(session.batch)
            if number == 0:
                assert_variables(session, theirs, "stage1_step1", share=1e-3)
    assert_variables(session, theirs, "stage1_step5", share=2e-3)


def train_stage2(session, theirs, losses_name, *, tags):
    """Takes five steps of G2 and of D in turn and compares the losses around each."""
    table = _table(theirs, losses_name)
    losses_of = tf.function(session.stage2.losses_of)
    steps = [
        tf.function(partial(update_generators, session.stage2)),
        tf.function(partial(update_discriminator, session.stage2)),
    ]
    for number, tolerance in enumerate(_TOLERANCES):
        losses = losses_of(session.batch)
        _assert_close(losses, table, number, _STAGE2, tolerance=tolerance)
        if number in tags:
            assert_variables(session, theirs, *tags[number])
        if number < 10:
            steps[number % 2](session.batch)


def assert_variables(session, theirs, tag, share):
    """Compares every variable, whole or by its norm.

    A variable's difference must be at most `share` of how far the authors' one moved.
    """
    moved = dict(zip(theirs["var_names"], theirs[f"delta_{tag}"], strict=True))
    norms = dict(zip(theirs["var_names"], theirs[f"norm_{tag}"], strict=True))
    for name, weight in session.weights.items():
        # Biases before batch normalisation have no gradient but noise, which Adam
        # blows up.
        if name.endswith(".Biases") and ".1/" not in name:
            continue
        value = weight.numpy()
        allowed = share * moved[name] + 2e-7 * max(norms[name], 1)
        norm = np.linalg.norm(value.astype(np.float64))
        assert norm == pytest.approx(norms[name], rel=0, abs=allowed), (tag, name)
        if f"var_{tag}:{name}" in theirs:
            error = np.linalg.norm(value - theirs[f"var_{tag}:{name}"])
            assert error <= allowed, (tag, name, error / moved[name])


def _table(theirs, name):
    names = [label.decode() for label in theirs["loss_names"]]
    return {label: theirs[name][:, column] for column, label in enumerate(names)}


def _assert_close(losses, table, number, names, *, tolerance):
    for ours, label in names.items():
        expected = pytest.approx(table[label][number], rel=tolerance)
        assert float(losses[ours]) == expected, (number, label)


def test_stage2_steps_are_the_authors(session, theirs):
    first = [w.numpy() for w in session.stage2.generator1.weights]
    tags = {1: ("stage2_g1", 1e-3), 2: ("stage2_step1", 0.1), 10: ("stage2_step5", 0.2)}
    train_stage2(session, theirs, "stage2_losses", tags=tags)
    for old, weight in zip(first, session.stage2.generator1.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


def test_stage1_steps_then_stage2_steps_are_the_authors(session, theirs):
    train_stage1(session, theirs)
    train_stage2(session, theirs, "stage1then2_losses", tags={10: ("stage1then2", 0.2)})
