"""Trains a stage: puts data, networks, trainer, run folder and loop together."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pg2_tf import presets
from pg2_tf.config import RunConfig, TrainConfig
from pg2_tf.data import dataset, pipeline, ranges
from pg2_tf.layers.pose_heatmaps import PoseHeatmaps
from pg2_tf.models.pg2 import Networks, build_networks, generate
from pg2_tf.run_folder import (
    RunFolder,
    StageFolder,
    describe_data,
    load_weights,
    package_versions,
    step_of,
)
from pg2_tf.training import loop
from pg2_tf.training.checkpoints import Checkpoints
from pg2_tf.training.log import Log
from pg2_tf.training.stage1 import Stage1Trainer
from pg2_tf.training.stage2 import Stage2Trainer
from preprocessing import pictures, records
from preprocessing.errors import InputError

_LOSSES = {
    1: ("masked_l1",),
    2: ("generator", "masked_l1", "adversarial", "discriminator"),
}
_NUM_SAMPLES = 8


def train_stage(
    folder: RunFolder,
    config: RunConfig,
    training: TrainConfig,
    *,
    data_dir: Path,
    schedule: loop.Schedule,
    strategy: tf.distribute.Strategy,
) -> int:
    """Trains a stage, from the start or from where it stopped.

    Args:
        folder: of the run.
        config: what the run is of.
        training: of the stage.
        data_dir: of the data set.
        schedule: how often what is done.
        strategy: over the devices.

    Returns:
        The step reached, less than `training.steps` where it was asked to end.

    Raises:
        InputError: data set, run folder or batch size do not fit.
    """
    _check_replicas(training, strategy.num_replicas_in_sync)
    _check_stage1(folder, training.stage)
    size = config.model.image_size
    source = pipeline.PairSource(dataset.read_split(data_dir, "train", image_size=size))
    stage = _claim(folder, config, training, data_dir)
    adversary = presets.adversary(config)
    with strategy.scope():
        networks = _networks(folder, config, training)
        trainer, optimizers = _trainer(networks, training, adversary)
        draw = PoseHeatmaps(size)
        stepper = loop.Stepper(
            trainer, partial(_prepare, draw=draw), names=_LOSSES[training.stage]
        )
        batches = partial(
            pipeline.training_batches,
            source,
            batch_size=training.batch_size,
            seed=training.seed,
            flip=training.flip,
            own_batch=training.stage == 2 and adversary.own_batch,
        )
        return loop.run(
            stepper,
            lambda start: strategy.experimental_distribute_dataset(
                batches(start=start)
            ),
            steps=training.steps,
            schedule=schedule,
            checkpoints=Checkpoints(stage, networks, optimizers, stepper.window),
            open_log=lambda start: Log(stage.path, start=start),
            draw_samples=_samples(networks, data_dir, size, draw),
        )


def _claim(
    folder: RunFolder, config: RunConfig, training: TrainConfig, data_dir: Path
) -> StageFolder:
    folder.claim(config)
    stage = folder.stage(training.stage)
    stage.claim(
        {
            "training": asdict(training),
            "data": describe_data(data_dir),
            "versions": package_versions(),
        }
    )
    return stage


def _prepare(batch: Any, *, draw: PoseHeatmaps) -> Any:
    """Turns a batch, or a batch for each of G2 and D, into what trainers take."""
    if isinstance(batch, tuple):
        return tuple(pipeline.network_inputs(part, draw) for part in batch)
    return pipeline.network_inputs(batch, draw)


def _check_replicas(training: TrainConfig, replicas: int) -> None:
    if training.batch_size % replicas:
        raise InputError(
            f"batch_size {training.batch_size}: must be a multiple of the {replicas} "
            "devices"
        )


def _check_stage1(folder: RunFolder, stage: int) -> None:
    if stage == 2 and not folder.stage(1).checkpoints():
        raise InputError(
            f"{folder.path}: has no stage 1, on which stage 2 builds; train it first: "
            f"python -m pg2_tf.train --stage=1 --run_dir={folder.path} ..."
        )


def _networks(folder: RunFolder, config: RunConfig, training: TrainConfig) -> Networks:
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
    networks: Networks, training: TrainConfig, adversary: Any
) -> tuple[keras.Model, dict[str, keras.optimizers.Optimizer]]:
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
    stage2 = Stage2Trainer(*networks, adversary=adversary, l1_weight=training.l1_weight)
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


def _learning_rate(training: TrainConfig) -> Any:
    rate = training.learning_rate
    if training.schedule == "constant":
        return rate
    return keras.optimizers.schedules.CosineDecay(rate, training.steps)


def _samples(
    networks: Networks, data_dir: Path, size: tuple[int, int], draw: PoseHeatmaps
) -> Any:
    """Returns a function that draws what the networks make of some fixed pairs."""
    test = records.read_manifest(data_dir)["splits"].get("test", {"pairs": 0})
    name = "test" if test["pairs"] else "train"
    split = dataset.read_split(data_dir, name, image_size=size)
    chosen = np.linspace(0, len(split.pairs) - 1, _NUM_SAMPLES).astype(int)
    batch = pipeline.PairSource(split).gather(tf.constant(chosen))
    inputs = pipeline.network_inputs(batch, draw)
    make = tf.function(lambda: generate(networks, inputs["source"], inputs["heatmaps"]))

    def samples() -> np.ndarray:
        made = make()
        others = {
            name: ranges.to_pixels(made[name]).numpy()
            for name in ("coarse", "refined")
            if name in made
        }
        others["target"] = batch["target"].numpy()
        source, poses = batch["source"].numpy(), batch["keypoints"].numpy()
        return pictures.pose_sheet(source, poses, others)

    return samples
