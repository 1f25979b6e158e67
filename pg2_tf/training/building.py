"""What a stage trains: its networks, their optimizers and the trainer."""

from typing import Any, NamedTuple

import keras

from pg2_tf.model import presets
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.networks import Networks, build_networks
from pg2_tf.runs.checkpoint_files import step_of
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import average_name, load_weights
from pg2_tf.training.adversarial import OneStageTrainer
from pg2_tf.training.optimizers import adam
from pg2_tf.training.stage1 import Stage1Trainer
from pg2_tf.training.stage2 import Stage2Trainer
from pg2_tf.training.trainer import Trainer


class Built(NamedTuple):
    """What a stage trains.

    Attributes:
        networks: of the stage, a G1 that it leaves as it is among them.
        trainer: compiled; `trainer.loss_names` says what its `train_step` returns,
            `trainer.own_batch` whether that takes two batches.
        state: what a training needs beside the networks' weights to go on, by the name
            it has in checkpoints: optimizers, built, and networks of moving averages.
        generating: the networks to make images with: moving averages, where the
            training has them, in place of the networks themselves.
    """

    networks: Networks
    trainer: Trainer
    state: dict[str, keras.optimizers.Optimizer | keras.Model]
    generating: Networks

    @property
    def trained(self) -> list[keras.Model]:
        """The networks that the stage trains."""
        return [
            network
            for name, network in self.networks._asdict().items()
            if f"{name}_optimizer" in self.state
        ]


def build(config: RunConfig, training: TrainConfig, *, folder: RunFolder) -> Built:
    """Builds what a stage trains, under the current strategy.

    Args:
        config: what the run is of.
        training: of the stage.
        folder: of the run; stage 2 builds on its stage 1, on the moving average where
            that has one.

    Raises:
        InputError: stage 1 has no readable checkpoint for stage 2 to build on.
    """
    networks = _networks(config, training, folder)
    trained = (*training.trained_generators, "discriminator")
    optimizers = {
        name: adam(training, network)
        for name, network in networks._asdict().items()
        if network is not None and name in trained
    }
    averages = {name: _copy(getattr(networks, name)) for name in training.averaged}
    trainer = _trainer(
        networks,
        config,
        training,
        accumulate=training.accumulate,
        remat=training.remat,
        clip_norm=training.clip_norm,
        averages=averages,
        momentum=training.ema,
    )
    _compile(trainer, training, optimizers)
    state = {f"{name}_optimizer": each for name, each in optimizers.items()}
    state |= {average_name(name): each for name, each in averages.items()}
    return Built(networks, trainer, state, networks._replace(**averages))


def _networks(config: RunConfig, training: TrainConfig, folder: RunFolder) -> Networks:
    networks = build_networks(
        config.model,
        stage=training.stage,
        adversarial=training.stage in config.recipe.adversarial,
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


def _copy(network: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def _trainer(
    networks: Networks, config: RunConfig, training: TrainConfig, **options: Any
) -> Trainer:
    if training.stage not in config.recipe.adversarial:
        return Stage1Trainer(
            networks.generator1,
            reconstruction=config.recipe.reconstruction,
            **options,
        )
    options |= {
        "adversary": presets.adversary(config),
        "l1_weight": training.l1_weight,
        "adversarial_loss": training.adversarial_loss,
    }
    if training.stage == 1:
        return OneStageTrainer(networks.generator1, networks.discriminator, **options)
    return Stage2Trainer(
        *networks, finetune_generator1=training.finetune_generator1, **options
    )


def _compile(
    trainer: Trainer,
    training: TrainConfig,
    optimizers: dict[str, keras.optimizers.Optimizer],
) -> None:
    last = optimizers[training.trained_generators[-1]]
    if "discriminator" not in optimizers:
        trainer.compile(optimizer=last)
        return
    trainer.compile(
        generator_optimizer=last,
        discriminator_optimizer=optimizers["discriminator"],
        generator1_optimizer=optimizers.get("generator1"),
    )
