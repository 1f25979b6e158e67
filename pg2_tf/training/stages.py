"""Trains a stage: puts data, networks, trainer, run folder and loop together."""

from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf import evaluation
from pg2_tf.config import RunConfig, TrainConfig
from pg2_tf.data import dataset, pipeline
from pg2_tf.inference import PoseTransfer
from pg2_tf.layers.pose_heatmaps import PoseHeatmaps
from pg2_tf.run_folder import (
    RunFolder,
    StageFolder,
    describe_data,
    package_versions,
)
from pg2_tf.training import building, loop
from pg2_tf.training.checkpoints import KEEP, Checkpoints
from pg2_tf.training.duties import Schedule, Tools
from pg2_tf.training.lock import locked
from pg2_tf.training.log import Log
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.validation import FixedPairs
from preprocessing import records
from preprocessing.errors import InputError

_NUM_SAMPLES = 8


def train_stage(
    folder: RunFolder,
    config: RunConfig,
    training: TrainConfig,
    *,
    data_dir: Path,
    schedule: Schedule,
    strategy: tf.distribute.Strategy,
    keep: int = KEEP,
    num_validation_pairs: int = 64,
    writes: bool = True,
) -> int:
    """Trains a stage, from the start or from where it stopped.

    Args:
        folder: of the run.
        config: what the run is of.
        training: of the stage.
        data_dir: of the data set.
        schedule: how often what is done.
        strategy: over the devices.
        keep: how many of the last checkpoints are kept.
        num_validation_pairs: of the test split, drawn once and for all.
        writes: whether this process writes the run folder, or another that trains
            with it.

    Returns:
        The step reached, less than `training.steps` where it was asked to end.

    Raises:
        InputError: data set, run folder or batch size do not fit; another training is
            at work in the folder; a loss is not finite; the disk has no room.
    """
    _check_replicas(training, strategy.num_replicas_in_sync)
    _check_stage1(folder, training.stage)
    size = config.model.image_size
    source = pipeline.PairSource(dataset.read_split(data_dir, "train", image_size=size))
    stage = folder.stage(training.stage)
    with locked(stage.path) if writes else nullcontext(), strategy.scope():
        if writes:
            _claim(folder, stage, config, training, data_dir)
        built = building.build(config, training, folder=folder)
        stepper = Stepper(
            built.trainer,
            partial(_prepare, draw=PoseHeatmaps(size)),
            names=built.trainer.loss_names,
            trained=built.trained,
        )
        order = {
            "batch_size": training.batch_size,
            "seed": training.seed,
            "own_batch": built.trainer.own_batch,
        }
        model = PoseTransfer(built.generating, config, stage=training.stage, step=0)
        shown, scored = None, None
        if writes:
            validates = schedule.validate_every > 0
            count = num_validation_pairs if validates else 0
            shown, scored = _fixed_pairs(data_dir, size, count)
        return loop.run(
            stepper,
            lambda start: strategy.experimental_distribute_dataset(
                pipeline.training_batches(
                    source, start=start, flip=training.flip, **order
                )
            ),
            Tools(
                checkpoints=Checkpoints(
                    stage,
                    built.networks,
                    built.state,
                    stepper.window,
                    generating=built.generating,
                    keep=keep,
                    writes=writes,
                ),
                open_log=lambda start: Log(stage.path, start=start, writes=writes),
                draw_samples=partial(shown.draw, model) if shown else None,
                validate=partial(scored.score, model) if scored else None,
                pairs_of=partial(pipeline.pairs_of_step, source, **order),
            ),
            steps=training.steps,
            schedule=schedule,
            shows=writes,
        )


def _claim(
    folder: RunFolder,
    stage: StageFolder,
    config: RunConfig,
    training: TrainConfig,
    data_dir: Path,
) -> None:
    folder.claim(config)
    stage.claim(
        {
            "training": asdict(training),
            "data": describe_data(data_dir),
            "versions": package_versions(),
        }
    )


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


def _fixed_pairs(
    data_dir: Path, size: tuple[int, int], num_validation_pairs: int
) -> tuple[FixedPairs, FixedPairs | None]:
    """Returns the pairs of the sample sheets and, with a test split, of validation."""
    test = records.read_manifest(data_dir)["splits"].get("test", {"pairs": 0})
    name = "test" if test["pairs"] else "train"
    split = dataset.read_split(data_dir, name, image_size=size)
    count = len(split.pairs)
    shown = np.linspace(0, count - 1, _NUM_SAMPLES).astype(int).tolist()
    if name == "train" and num_validation_pairs:
        print(f"{data_dir}: has no test pairs, so there is no validation")
        num_validation_pairs = 0
    drawn = evaluation.draw_pairs(split, num_validation_pairs, seed=0)
    # Only their images are decoded and kept.
    few = replace(split, pairs=split.pairs[[*shown, *drawn]])
    source = pipeline.PairSource(few)
    sheet = FixedPairs(source, range(_NUM_SAMPLES))
    if not drawn:
        return sheet, None
    return sheet, FixedPairs(source, range(_NUM_SAMPLES, len(few.pairs)))
