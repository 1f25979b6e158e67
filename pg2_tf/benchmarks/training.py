"""Speed of training steps, compared with the arithmetic of this machine.

The convolutions and matrix products of a step are also timed alone, one after the
other, with their shapes and types. The share of a step is that time divided by the time
of the step. The rate of a large matrix product is shown for comparison; convolutions of
these shapes do not reach it.
"""

import dataclasses
import statistics
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from pg2_tf.benchmarks.measurement import Figure, Measurement, Options
from pg2_tf.machine import arithmetic, isolated
from pg2_tf.machine.isolated import PeakMemory
from pg2_tf.model import presets
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.networks import Networks, build_networks
from pg2_tf.runs import checkpoint_files
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import weights_of
from pg2_tf.training.pg2 import PG2, build
from pg2_tf.training.stage_data import StageData
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.workers import ALONE
from preprocessing.dataset import records
from preprocessing.dataset.builder import Builder
from preprocessing.dataset.settings import Settings
from preprocessing.sources import synthetic
from preprocessing.system.errors import InputError

_IDENTITIES, _IMAGES_OF_EACH = 12, 4
_LEAST_STEPS = 3


class _Taken(NamedTuple):
    """Times in seconds: first call, each step, total waiting for batches."""

    compiling: float
    steps: list[float]
    waiting: float


def run(options: Options) -> list[Measurement]:
    """Measures both stages in each precision, then computes times of trainings."""
    config, trainings = _configured(options)
    data_dir = options.data_dir or _people(options, config.model.image_size)
    folder = options.folder / "run"
    call = partial(isolated.call, cores=options.cores)
    call(_write_stage1, config, folder)
    measured, rates = [], {}
    for training in trainings:
        case, rate = call(_measure, config, training, data_dir, folder, options.seconds)
        measured.append(case)
        rates[training.stage, training.precision] = rate
    if not options.quick:
        measured.append(call(_trainings, rates))
    return measured


def _configured(options: Options) -> tuple[RunConfig, list[TrainConfig]]:
    preset = presets.preset(options.preset)
    model = preset.model
    if options.width:
        model = model.with_width(options.width)
    config = RunConfig(options.preset, "paper", model)
    trainings = [
        dataclasses.replace(
            preset.stage(stage),
            batch_size=options.batch_size or preset.stage(stage).batch_size,
            precision=precision,
            accumulate=options.accumulate,
            remat=options.remat,
        )
        for precision in options.precisions
        for stage in (1, 2)
    ]
    for training in trainings:
        if training.batch_size % training.accumulate:
            raise InputError(
                f"batch_size {training.batch_size}: must be a multiple of "
                f"{training.accumulate} parts"
            )
    return config, trainings


def _people(options: Options, size: tuple[int, int]) -> Path:
    """Builds a data set of drawn people if it does not exist."""
    out = options.folder / "{}x{}".format(*size)
    if not (out / records.MANIFEST).exists():
        settings = Settings(source="synthetic", image_size=size)
        builder = Builder(settings, out=out)
        builder.collect(
            synthetic.samples(
                identities=_IDENTITIES,
                images_per_identity=_IMAGES_OF_EACH,
                size=size,
                seed=0,
            )
        )
        builder.write()
    return out


def _write_stage1(config: RunConfig, folder: Path) -> None:
    """Writes a checkpoint of stage 1, which stage 2 needs."""
    networks = build_networks(config.model, stage=1)
    checkpoint_files.write(
        tf.train.Checkpoint(**weights_of(networks)),
        RunFolder(folder).stage(1).checkpoint_dir,
        step=0,
    )


def _measure(
    config: RunConfig,
    training: TrainConfig,
    data_dir: Path,
    folder: Path,
    seconds: float,
) -> tuple[Measurement, float]:
    """Returns figures of a stage's steps, and their operations per second."""
    gpus = tf.config.list_physical_devices("GPU")
    strategy = tf.distribute.MirroredStrategy()
    with PeakMemory() as memory, strategy.scope():
        built = build(config, training, folder=RunFolder(folder))
        taken = _take_steps(config, training, built, data_dir, seconds)
    peak = memory.megabytes
    if gpus:
        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6
    networks, size = built.networks(), training.batch_size
    counted = arithmetic.operations(networks, training, batch_size=size)
    predicted = arithmetic.predicted_bytes(networks, training, batch_size=size)
    flops = arithmetic.total_flops(counted)
    del built, networks
    alone = arithmetic.seconds_alone(counted, seconds=4 * seconds)
    product = arithmetic.product_rate(training.precision, seconds=seconds)
    step, waiting = statistics.median(taken.steps), taken.waiting
    share = 100 * alone / min(taken.steps)
    figures = [
        Figure("a large matrix product", product / 1e9, "GFLOP/s"),
        Figure("the step's operations, alone", flops / alone / 1e9, "GFLOP/s"),
        Figure("arithmetic of a step", flops / 1e9, "GFLOP"),
        Figure("step", step, "s"),
        Figure("images", size / step, "/s"),
        Figure("share of the operations alone", share, "%"),
        Figure("share of the matrix product", 100 * flops / step / product, "%"),
        Figure("first step, with compiling", taken.compiling, "s"),
        Figure(
            "waiting for batches", 100 * waiting / (sum(taken.steps) + waiting), "%"
        ),
        Figure("peak memory", peak, "MB"),
        *(Figure(f"predicted: {n}", size / 1e6, "MB") for n, size in predicted.items()),
        Figure(f"{training.steps:,} steps", step * training.steps / 3600, "h"),
    ]
    on = f"{len(taken.steps)} steps on drawn people" + f", {len(gpus)} GPU" * bool(gpus)
    bound = (
        f"convolutions and matrix products; {100 - min(share, 100):.0f} % of the "
        "fastest step goes elsewhere"
    )
    return Measurement(_case(config, training), on, figures, bound), flops / step


def _take_steps(
    config: RunConfig,
    training: TrainConfig,
    built: PG2,
    data_dir: Path,
    seconds: float,
) -> _Taken:
    data = StageData.read(
        data_dir,
        training,
        image_size=config.model.image_size,
        workers=ALONE,
        num_validation_pairs=0,
    )
    stepper = Stepper(built)
    batches = iter(
        data.batches(
            0,
            workers=ALONE,
            flip=training.flip,
            batch_size=training.batch_size,
            seed=training.seed,
            own_batch=built.takes_two_batches,
        )
    )
    started = time.perf_counter()
    stepper.step(next(batches))
    stepper.check()
    compiling = time.perf_counter() - started
    steps: list[float] = []
    waiting = 0.0
    while len(steps) < _LEAST_STEPS or sum(steps) < seconds:
        asked = time.perf_counter()
        batch = next(batches)
        began = time.perf_counter()
        stepper.step(batch)
        stepper.check()  # Waits for the device.
        steps.append(time.perf_counter() - began)
        waiting += began - asked
    return _Taken(compiling, steps, waiting)


def _case(config: RunConfig, training: TrainConfig) -> str:
    parts = [
        f"{config.dataset} stage {training.stage}",
        training.precision,
        f"width {config.model.width}",
        f"batch {training.batch_size}",
    ]
    if training.accumulate > 1:
        parts.append(f"in {training.accumulate} parts")
    if training.remat:
        parts.append("remat")
    return ", ".join(parts)


def _trainings(rates: dict[tuple[int, str], float]) -> Measurement:
    """Computes the times of the presets' trainings from measured rates.

    Args:
        rates: Operations per second of a step, by stage and precision.
    """
    figures = []
    for name in ("market1501", "deepfashion", "demo"):
        preset = presets.preset(name)
        networks = build_networks(preset.model, stage=2)
        for (stage, precision), rate in rates.items():
            training = dataclasses.replace(preset.stage(stage), precision=precision)
            those = networks if stage == 2 else Networks(networks.generator1)
            counted = arithmetic.operations(
                those, training, batch_size=training.batch_size
            )
            hours = arithmetic.total_flops(counted) * training.steps / rate / 3600
            figures.append(Figure(f"{name} stage {stage}, {precision}", hours, "h"))
    return Measurement(
        "whole trainings, computed",
        "the arithmetic of the presets at the rates above",
        figures,
        "arithmetic",
    )
