"""Trains a stage: puts data, networks, trainer, run folder and loop together."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf import pictures
from pg2_tf.config import RunConfig, TrainConfig
from pg2_tf.data import dataset, pipeline, ranges
from pg2_tf.layers.pose_heatmaps import PoseHeatmaps
from pg2_tf.models.pg2 import Networks, generate
from pg2_tf.run_folder import (
    RunFolder,
    StageFolder,
    describe_data,
    package_versions,
)
from pg2_tf.training import building, loop
from pg2_tf.training.checkpoints import Checkpoints
from pg2_tf.training.log import Log
from preprocessing import records
from preprocessing.errors import InputError

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
    with strategy.scope():
        networks, trainer, optimizers = building.build(config, training, folder=folder)
        draw = PoseHeatmaps(size)
        stepper = loop.Stepper(
            trainer, partial(_prepare, draw=draw), names=trainer.loss_names
        )
        batches = partial(
            pipeline.training_batches,
            source,
            batch_size=training.batch_size,
            seed=training.seed,
            flip=training.flip,
            own_batch=trainer.own_batch,
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
    if training.batch_size % (replicas * training.accumulate):
        parts = f", each in {training.accumulate} parts"
        raise InputError(
            f"batch_size {training.batch_size}: must be a multiple of the {replicas} "
            f"devices{parts * (training.accumulate > 1)}"
        )


def _check_stage1(folder: RunFolder, stage: int) -> None:
    if stage == 2 and not folder.stage(1).checkpoints():
        raise InputError(
            f"{folder.path}: has no stage 1, on which stage 2 builds; train it first: "
            f"python -m pg2_tf.train --stage=1 --run_dir={folder.path} ..."
        )


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
    make = tf.function(
        lambda: generate(
            networks,
            inputs["source"],
            inputs["heatmaps"],
            keypoints=inputs["keypoints"],
        )
    )

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
