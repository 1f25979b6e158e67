"""Trains a stage: puts data, networks, trainer, run folder and loop together."""

import json
import zlib
from collections.abc import Sequence
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
from pg2_tf.training.workers import ALONE, Workers, require_agreement, watched
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
    workers: Workers = ALONE,
    keep: int = KEEP,
    num_validation_pairs: int = 64,
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
        num_validation_pairs: of the test split, drawn once and for all.

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
    size = config.model.image_size
    sources = _sources(data_dir, training, size, workers)
    shown, scored = None, None
    if workers.writes:
        count = num_validation_pairs if schedule.validate_every else 0
        shown, scored = _fixed_pairs(data_dir, size, count)
    stage = folder.stage(training.stage)
    lock = locked(stage.path) if workers.writes else nullcontext()
    with lock, strategy.scope(), watched(workers):
        require_agreement(
            workers, options=_checksum(asdict(config), asdict(training), data_dir)
        )
        if workers.writes:
            _claim(folder, stage, config, training, data_dir)
        built = building.build(config, training, folder=folder)
        stepper = Stepper(
            built.trainer,
            partial(_prepare, draw=PoseHeatmaps(size)),
            names=built.trainer.loss_names,
            trained=built.trained,
        )
        order = {
            "batch_size": training.batch_size // workers.count,
            "seed": training.seed,
            "own_batch": built.trainer.own_batch,
        }

        def batches(start: int) -> tf.distribute.DistributedDataset:
            mine = pipeline.grouped_batches(
                sources, start=start, flip=training.flip, **order
            )
            replicas = strategy.num_replicas_in_sync // workers.count
            return strategy.distribute_datasets_from_function(
                lambda _: pipeline.shared_out(mine, replicas)
            )

        model = PoseTransfer(built.generating, config, stage=training.stage, step=0)
        tools = Tools(
            checkpoints=Checkpoints(
                stage,
                built.networks,
                built.state,
                stepper.window,
                generating=built.generating,
                keep=keep,
                writes=workers.writes,
            ),
            open_log=lambda start: Log(stage.path, start=start, writes=workers.writes),
            draw_samples=partial(shown.draw, model) if shown else None,
            validate=partial(scored.score, model) if scored else None,
            pairs_of=partial(pipeline.pairs_of_step, sources, **order),
        )
        return loop.run(
            stepper,
            batches,
            tools,
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


def _prepare(batch: Any, *, draw: PoseHeatmaps) -> Any:
    """Turns a batch, or a batch for each of G2 and D, into what trainers take."""
    if isinstance(batch, tuple):
        return tuple(pipeline.network_inputs(part, draw) for part in batch)
    return pipeline.network_inputs(batch, draw)


def _sources(
    data_dir: Path, training: TrainConfig, size: tuple[int, int], workers: Workers
) -> dict[int, pipeline.PairSource]:
    """Reads this worker's groups of shards; returns the pairs of each by its number."""
    count = training.shard_groups
    shards: Sequence[Sequence[int] | None] = [None]
    if count > 1:
        shards = dataset.shard_groups(data_dir, "train", count=count)
    share = count // workers.count
    return {
        group: pipeline.PairSource(
            dataset.read_split(
                data_dir, "train", image_size=size, shards=shards[group]
            ),
            decoded_limit=pipeline.DECODED_LIMIT // share,
        )
        for group in range(share * workers.index, share * (workers.index + 1))
    }


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
