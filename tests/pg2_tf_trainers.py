"""What tests of training share: tiny models with optimizers. No tests."""

import dataclasses

import keras
import numpy as np
from pg2_tf_helpers import copies, randomise, tiny_config

from pg2_tf.model import presets
from pg2_tf.training.pg2 import PG2


def gentle_adam(epsilon=1e-3):
    """Returns an Adam that does not blow a gradient's noise up to a whole step."""
    return keras.optimizers.Adam(1e-3, 0.5, 0.999, epsilon=epsilon)


def pg2(
    stage=2,
    profile="paper",
    variant="G1+G2+D",
    *,
    model=None,
    optimizer=gentle_adam,
    seed=0,
    dataset="tiny",
    **training,
) -> PG2:
    """Returns a compiled tiny model, lambda 7, without a bias or offset of zero.

    Args:
        stage, profile, variant: the stage of the run.
        model: changes of the networks' configuration.
        optimizer: makes an optimizer; None: the model's own.
        seed: seed of biases and offsets.
        dataset: the name of the data set.
        training: changes of the stage's configuration.
    """
    config = tiny_config(profile, variant)
    networks = dataclasses.replace(config.model, **(model or {}))
    config = dataclasses.replace(config, dataset=dataset, model=networks)
    options = presets.preset("tiny", profile=profile, variant=variant).stage(stage)
    options = dataclasses.replace(options, **{"l1_weight": 7.0, **training})
    made = PG2(config, options)
    randomise(made.networks(), seed=seed)
    made.reset_averages()
    if optimizer is None:
        made.compile()
    else:
        made.compile(optimizer(), optimizer(), generator1_optimizer=optimizer())
    return made


def update_generators(model, batch):
    """Updates the generators alone; returns their losses before."""
    updates, step = model._updates, model._step
    return step._update_generators(updates.passes(step.generate, batch), updates)


def update_discriminator(model, batch):
    """Updates D alone; returns its loss before."""
    updates, step = model._updates, model._step
    return step._update_discriminator(updates.passes(step.generate, batch), updates)


def weights_after(model, batch, *, steps=1):
    """Returns a model's weights after some steps, and the last step's losses."""
    values = [model.update(batch) for _ in range(steps)][-1]
    networks = [network for network in model.networks() if network is not None]
    return copies([w for network in networks for w in network.weights]), values


def assert_close(one, other, tolerance):
    """Compares two lists of arrays."""
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
