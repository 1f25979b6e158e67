"""Trains a stage: puts data, networks, trainer, run folder and loop together."""

import json
import zlib
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

from pg2_tf.data import pipeline
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.runs.run_folder import (
    RunFolder,
    StageFolder,
    describe_data,
    package_versions,
)
from pg2_tf.training import loop
from pg2_tf.training.checkpoints import KEEP, Checkpoints
from pg2_tf.training.duties import Schedule, Tools
from pg2_tf.training.lock import locked
from pg2_tf.training.log import Log
from pg2_tf.training.pg2 import build
from pg2_tf.training.stage_data import StageData
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.workers import ALONE, Workers, require_agreement, watched
from preprocessing.system.errors import InputError


def train_stage(
    folder: RunFolder,
    config: RunConfig,
    training: TrainConfig,
    *,
    data_dir: Path,
    schedule: Schedule,
    strategy: tf.distribute.Strategy,
    workers: Workers = ALONE,
    keep: int = KEEP,
    num_validation_pairs: int = 64,
    in_memory: str = "auto",
) -> int:
    """Trains a stage, from the start or from where it stopped.

    Args:
        folder: of the run.
        config: what the run is of.
        training: of the stage.
        data_dir: of the data set.
        schedule: how often what is done.
        strategy: over the devices.
        workers: that train together; the first writes the run folder, all read it.
        keep: how many of the last checkpoints are kept.
        num_validation_pairs: Number of pairs of held-out training identities that
            validation scores.
        in_memory: Whether the data is kept in memory; see `dataset.open_split`.

    Returns:
        The step reached, less than `training.steps` where it was asked to end.

    Raises:
        InputError: data set, run folder or batch size do not fit; another training is
            at work in the folder; a loss is not finite; the disk has no room; the
            workers do not agree on what they train.
        WorkerLostError: another worker is gone.
    """
    _check_shares(training, strategy.num_replicas_in_sync, workers)
    _check_stage1(folder, training.stage)
    data = StageData.read(
        data_dir,
        training,
        image_size=config.model.image_size,
        workers=workers,
        num_validation_pairs=num_validation_pairs if schedule.validate_every else 0,
        in_memory=in_memory,
    )
    stage = folder.stage(training.stage)
    lock = locked(stage.path) if workers.writes else nullcontext()
    with lock, strategy.scope(), watched(workers):
        require_agreement(
            workers, options=_checksum(asdict(config), asdict(training), data_dir)
        )
        if workers.writes:
            _claim(folder, stage, config, training, data_dir)
        pg2 = build(config, training, folder=folder)
        stepper = Stepper(pg2)
        order: dict[str, Any] = {
            "batch_size": training.batch_size // workers.count,
            "seed": training.seed,
            "own_batch": pg2.takes_two_batches,
        }
        generating = pg2.generating_networks()
        model = PoseTransfer(generating, config, stage=training.stage, step=0)
        checkpoints = Checkpoints(
            stage,
            pg2.networks(),
            pg2.training_state(),
            stepper.window,
            generating=generating,
            selects_best=training.stage not in config.recipe.adversarial,
            keep=keep,
            writes=workers.writes,
        )
        return loop.run(
            stepper,
            partial(data.batches, workers=workers, flip=training.flip, **order),
            Tools(
                checkpoints=checkpoints,
                open_log=partial(Log, stage.path, writes=workers.writes),
                draw_samples=partial(data.shown.draw, model) if data.shown else None,
                validate=partial(data.scored.score, model) if data.scored else None,
                pairs_of=partial(pipeline.pairs_of_step, data.sources, **order),
            ),
            steps=training.steps,
            schedule=schedule,
            workers=workers,
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


def _check_shares(training: TrainConfig, replicas: int, workers: Workers) -> None:
    if training.shard_groups % workers.count:
        raise InputError(
            f"shard_groups {training.shard_groups}: must be a multiple of the "
            f"{workers.count} workers"
        )
    if training.batch_size % training.shard_groups:
        raise InputError(
            f"batch_size {training.batch_size}: must be a multiple of the "
            f"{training.shard_groups} groups of shards"
        )
    if training.batch_size % (replicas * training.accumulate):
        parts = f", each in {training.accumulate} parts"
        raise InputError(
            f"batch_size {training.batch_size}: must be a multiple of the {replicas} "
            f"devices{parts * (training.accumulate > 1)}"
        )


def _checksum(config: Any, training: Any, data_dir: Path) -> int:
    """Returns a number that differs where options or data do."""
    content = [config, training, describe_data(data_dir)["checksum"]]
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _check_stage1(folder: RunFolder, stage: int) -> None:
    if stage == 2 and not folder.stage(1).checkpoints():
        raise InputError(
            f"{folder.path}: has no stage 1, on which stage 2 builds; train it first: "
            f"python -m pg2_tf.train --stage=1 --run_dir={folder.path} ..."
        )
