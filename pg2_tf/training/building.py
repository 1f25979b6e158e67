"""What a stage trains: its networks, their optimizers and the trainer."""

from typing import NamedTuple

import keras

from pg2_tf import presets
from pg2_tf.checkpoint_files import step_of
from pg2_tf.config import RunConfig, TrainConfig
from pg2_tf.models.pg2 import Networks, build_networks
from pg2_tf.run_folder import RunFolder, load_weights
from pg2_tf.training.stage1 import Stage1Trainer
from pg2_tf.training.stage2 import Stage2Trainer

Optimizers = dict[str, keras.optimizers.Optimizer]


class Built(NamedTuple):
    """What a stage trains.

    Attributes:
        networks: of the stage, those that it does not train among them.
        trainer: compiled; `trainer.loss_names` says what its `train_step` returns,
            `trainer.own_batch` whether that takes two batches.
        optimizers: by the name they have in checkpoints, built.
    """

    networks: Networks
    trainer: keras.Model
    optimizers: Optimizers


def build(config: RunConfig, training: TrainConfig, *, folder: RunFolder) -> Built:
    """Builds what a stage trains, under the current strategy.

    Args:
        config: what the run is of.
        training: of the stage.
        folder: of the run; stage 2 builds on its stage 1.

    Raises:
        InputError: stage 1 has no readable checkpoint for stage 2 to build on.
    """
    networks = _networks(config, training, folder)
    trainer, optimizers = _trainer(networks, config, training)
    return Built(networks, trainer, optimizers)


def _networks(config: RunConfig, training: TrainConfig, folder: RunFolder) -> Networks:
    networks = build_networks(
        config.model,
        stage=training.stage,
        precision=training.precision,
        seed=training.seed + training.stage - 1,
    )
    if training.stage == 2:
        stage1 = folder.stage(1)
        path = load_weights(Networks(networks.generator1), stage1)
        options = stage1.options()
        planned = f" of {options['training']['steps']:,}" if options else ""
        print(f"stage 1: {stage1.path}, step {step_of(path):,}{planned}")
    return networks


def _trainer(
    networks: Networks, config: RunConfig, training: TrainConfig
) -> tuple[keras.Model, Optimizers]:
    def adam(network: keras.Model) -> keras.optimizers.Optimizer:
        optimizer = keras.optimizers.Adam(
            _learning_rate(training),
            training.beta_1,
            training.beta_2,
            epsilon=1e-8,  # TensorFlow 1's; Keras has 1e-7.
            # Checkpoints hold it; Keras would number it by process.
            name="adam",
        )
        optimizer.build(network.trainable_variables)
        return optimizer

    if training.stage == 1:
        optimizer = adam(networks.generator1)
        stage1 = Stage1Trainer(networks.generator1)
        stage1.compile(optimizer=optimizer)
        return stage1, {"generator1_optimizer": optimizer}
    stage2 = Stage2Trainer(
        *networks, adversary=presets.adversary(config), l1_weight=training.l1_weight
    )
    generator_optimizer = adam(networks.generator2)
    discriminator_optimizer = adam(networks.discriminator)
    stage2.compile(
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
    )
    return stage2, {
        "generator2_optimizer": generator_optimizer,
        "discriminator_optimizer": discriminator_optimizer,
    }


def _learning_rate(
    training: TrainConfig,
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    rate = training.learning_rate
    if training.schedule == "constant":
        return rate
    return keras.optimizers.schedules.CosineDecay(rate, training.steps)
