"""Trains a stage: connects data, networks and run folder, and runs the loop."""

import json
import os
import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf
from filelock import FileLock, Timeout
from tqdm import tqdm

from pg2_tf.data import dataset, pipeline
from pg2_tf.data.pipeline import readable
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.runs.run_folder import (
    RunFolder,
    StageFolder,
    describe_data,
    package_versions,
)
from pg2_tf.training.callbacks import Cadence, Callbacks, Resources
from pg2_tf.training.checkpoints import KEEP, Checkpoints
from pg2_tf.training.log import Log
from pg2_tf.training.pg2 import PG2, build
from pg2_tf.training.stage_data import StageData
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.workers import ALONE, Workers, require_agreement, watched
from preprocessing.system.errors import InputError

_ENDING = b"\nStopping after this step; saving a checkpoint\n"
# Interval in steps at which workers check whether one of them was asked to stop.
_AGREE_EVERY = 10


def run(
    stepper: Stepper,
    batches: Callable[[int], tf.data.Dataset],
    tools: Resources,
    *,
    steps: int,
    cadence: Cadence,
    workers: Workers = ALONE,
) -> int:
    """Trains from the newest checkpoint to `steps`.

    SIGINT and SIGTERM stop the training after the current step, with a checkpoint.
    Several workers stop after the same step, at most 10 steps later.

    Args:
        stepper: Takes the training steps.
        batches: Function that returns the data set after a number of steps.
        tools: The functions and objects that the callbacks use.
        steps: Total number of steps.
        cadence: How often to log, sample, validate and save, in steps.
        workers: The workers that train together.

    Returns:
        The step reached.

    Raises:
        InputError: A loss or a weight is not finite, the disk has no space for a
            checkpoint, or the workers found different checkpoints.
    """
    start = tools.checkpoints.restore()
    require_agreement(workers, step=start)
    if start >= steps:
        return start
    tools.checkpoints.require_space()
    if start and workers.writes:
        print(f"Resuming from step {start:,}")
    done = start
    with (
        closing(tools.open_log(start)) as log,
        _ending() as ended,
        _bar(start, steps, workers.writes) as progress,
    ):
        callbacks = Callbacks(stepper, tools, log, progress, start=start)
        for done, batch in enumerate(readable(batches(start)), start + 1):
            if ended():
                stepper.ask_to_end()
            stepper.step(batch)
            progress.update()
            due = cadence.due(done, steps=steps)
            asked = ended()
            if workers.count > 1:
                asks = bool(due) or done % _AGREE_EVERY == 0
                asked = asks and stepper.is_asked_to_end()
            last = done == steps or asked
            callbacks.run(due | {"checkpoint"} if last else due, done)
            if last:
                break
    # No worker continues before worker 0 has written its checkpoint.
    require_agreement(workers, step=done)
    return done


def _bar(start: int, steps: int, shows: bool) -> tqdm:
    return tqdm(
        total=steps, initial=start, unit=" steps", desc="training", disable=not shows
    )


@contextmanager
def _ending() -> Iterator[Callable[[], bool]]:
    """Yields a function that returns whether SIGINT or SIGTERM was received.

    A second SIGINT raises KeyboardInterrupt at once.
    """
    asked: list[int] = []

    def ask(received: int, _: object) -> None:
        if received == signal.SIGINT in asked:
            raise KeyboardInterrupt
        asked.append(received)
        # `print` is not reentrant.
        with suppress(OSError):
            os.write(2, _ENDING)

    old = {
        number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def train_stage(
    folder: RunFolder,
    config: RunConfig,
    training: TrainConfig,
    *,
    data_dir: Path,
    cadence: Cadence,
    strategy: tf.distribute.Strategy,
    workers: Workers = ALONE,
    keep: int = KEEP,
    num_validation_pairs: int = 64,
    in_memory: str = "auto",
) -> int:
    """Trains a stage, or resumes its training.

    Args:
        folder: The run folder.
        config: The configuration of the run.
        training: The training settings of the stage.
        data_dir: Folder of the data set.
        cadence: How often to log, sample, validate and save, in steps.
        strategy: The distribution strategy.
        workers: The workers that train together. The first writes the run folder.
        keep: Number of checkpoints to keep.
        num_validation_pairs: Number of pairs that validation scores.
        in_memory: Whether the data is kept in memory; see `dataset.open_split`.

    Returns:
        The step reached, less than `training.steps` if the training was asked to stop.

    Raises:
        InputError: Data set, run folder, batch size or the settings of the workers do
            not fit; another training runs in the folder; see also `run`.
        WorkerLostError: Another worker has stopped.
    """
    _check(training, folder, strategy.num_replicas_in_sync, workers)
    data = StageData.read(
        data_dir,
        training,
        image_size=config.model.image_size,
        workers=workers,
        num_validation_pairs=num_validation_pairs if cadence.validate_every else 0,
        in_memory=in_memory,
    )
    stage = folder.stage(training.stage)
    lock = locked(stage.path) if workers.writes else nullcontext()
    with lock, strategy.scope(), watched(workers):
        require_agreement(workers, options=_checksum(config, training, data_dir))
        if workers.writes:
            _claim(folder, config, training, data_dir)
        pg2 = build(config, training, folder=folder)
        return _train(
            pg2, data, stage, training, cadence=cadence, workers=workers, keep=keep
        )


def _train(
    pg2: PG2,
    data: StageData,
    stage: StageFolder,
    training: TrainConfig,
    *,
    cadence: Cadence,
    workers: Workers,
    keep: int,
) -> int:
    """Connects networks, data and run folder, and runs the loop."""
    stepper = Stepper(pg2)
    order: dict[str, Any] = {
        "batch_size": training.batch_size // workers.count,
        "seed": training.seed,
        "own_batch": pg2.takes_two_batches,
    }
    generating = pg2.generating_networks()
    model = PoseTransfer(generating, pg2.run_config, stage=stage.number, step=0)
    checkpoints = Checkpoints(
        stage,
        pg2.networks(),
        pg2.training_state(),
        stepper.window,
        generating=generating,
        selects_best=stage.number not in pg2.run_config.recipe.adversarial,
        keep=keep,
        writes=workers.writes,
    )
    return run(
        stepper,
        partial(data.batches, workers=workers, flip=training.flip, **order),
        Resources(
            checkpoints=checkpoints,
            open_log=partial(Log, stage.path, writes=workers.writes),
            draw_samples=partial(data.shown.draw, model) if data.shown else None,
            validate=partial(data.scored.score, model) if data.scored else None,
            pairs_of=partial(pipeline.pairs_of_step, data.sources, **order),
        ),
        steps=training.steps,
        cadence=cadence,
        workers=workers,
    )


def _claim(
    folder: RunFolder, config: RunConfig, training: TrainConfig, data_dir: Path
) -> None:
    """Writes configuration and options, or compares them with those of the folder."""
    stage = folder.stage(training.stage)
    folder.claim(config)
    stage.claim(
        {
            "training": asdict(training),
            "data": describe_data(data_dir),
            "versions": package_versions(),
        }
    )
    if stage.checkpoints():
        dataset.verify_shards(data_dir, "train")


def _check(
    training: TrainConfig, folder: RunFolder, replicas: int, workers: Workers
) -> None:
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
    if training.stage == 2 and not folder.stage(1).checkpoints():
        raise InputError(
            f"{folder.path}: has no stage 1, which stage 2 needs; train it first: "
            f"python -m pg2_tf.train --stage=1 --run_dir={folder.path} ..."
        )


def _checksum(config: RunConfig, training: TrainConfig, data_dir: Path) -> int:
    """Returns a checksum of the options and the data."""
    content = [asdict(config), asdict(training), describe_data(data_dir)["checksum"]]
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder for one training, and removes partly written files in it.

    The operating system releases the lock when the process ends, for any reason. On a
    file system without locks, a warning is printed instead.

    Args:
        folder: Folder of the stage. It is created if it does not exist.

    Raises:
        InputError: Another training holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"{folder}: another training is running in this folder; stop it, or use "
            "another --run_dir"
        ) from error
    except NotImplementedError:
        print(
            f"{folder}: the file system has no locks; make sure that no other training "
            "writes to this folder"
        )
    try:
        for path in folder.rglob(".*.tmp"):
            path.unlink()
        yield
    finally:
        lock.release()
