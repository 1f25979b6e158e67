"""What tests of trainers share: tiny compiled trainers. No tests."""

import dataclasses

import keras
import numpy as np
from pg2_tf_helpers import copies, random_networks, tiny_config

from pg2_tf.model import presets
from pg2_tf.training.adversarial import OneStageTrainer
from pg2_tf.training.stage1 import Stage1Trainer
from pg2_tf.training.stage2 import Stage2Trainer


def gentle_adam():
    """Returns an Adam that does not blow a gradient's noise up to a whole step."""
    return keras.optimizers.Adam(1e-3, 0.5, 0.999, epsilon=1e-3)


def stage1(variant="G1+G2+D", **options) -> Stage1Trainer:
    """Returns the trainer of a variant's G1 without D."""
    model = tiny_config(variant=variant).model
    trainer = Stage1Trainer(random_networks(model, stage=1).generator1, **options)
    trainer.compile(optimizer=gentle_adam())
    return trainer


def one_stage(profile="paper", **options) -> OneStageTrainer:
    """Returns the trainer of G1+D, lambda 7."""
    config = tiny_config(profile, "G1+D")
    first, _, judge = random_networks(config.model, stage=1, adversarial=True)
    trainer = OneStageTrainer(
        first, judge, adversary=presets.adversary(config), l1_weight=7.0, **options
    )
    trainer.compile(
        generator_optimizer=gentle_adam(), discriminator_optimizer=gentle_adam()
    )
    return trainer


def stage2(norm="batch", **options) -> Stage2Trainer:
    """Returns the trainer of stage II, lambda 7, with D normalised in some way."""
    config = tiny_config()
    model = dataclasses.replace(config.model, discriminator_norm=norm)
    trainer = Stage2Trainer(
        *random_networks(model),
        adversary=presets.adversary(config),
        l1_weight=7.0,
        **options,
    )
    trainer.compile(
        generator_optimizer=gentle_adam(),
        discriminator_optimizer=gentle_adam(),
        generator1_optimizer=gentle_adam(),
    )
    return trainer


def weights_after(trainer, batch, *, steps=1):
    """Returns a trainer's weights after some steps, and the last step's losses."""
    values = [trainer.train_step(batch) for _ in range(steps)][-1]
    return copies(trainer.weights), values


def assert_close(one, other, tolerance):
    """Compares two lists of arrays."""
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
