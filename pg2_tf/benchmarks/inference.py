"""Time to generate an image with a run folder, a SavedModel and TensorFlow Lite.

The networks of a preset, with random weights, generate both stages: from uint8 image
and keypoints to uint8 images. The released code was measured with TensorFlow 1.15 on
two cores of the machine that this project was developed on.
"""

import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from pg2_tf.benchmarks.measurement import Figure, Measurement, Options
from pg2_tf.data import examples
from pg2_tf.inference.loading import Model, load_model
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.machine import arithmetic, isolated
from pg2_tf.machine.isolated import PeakMemory, StoppedError
from pg2_tf.model import presets
from pg2_tf.model.config import RunConfig
from pg2_tf.model.networks import build_networks
from pg2_tf.runs import checkpoint_files
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import weights_of
from pg2_tf.serving import tflite
from pg2_tf.serving.saved_model import export_saved_model

# Seconds per batch of the released code, by preset and batch size, at full width.
RELEASED = {
    ("market1501", 1): 0.54,
    ("market1501", 4): 2.12,
    ("deepfashion", 1): 4.78,
}
_CALIBRATION = 8
_LEAST_CALLS = 5


class _Timed(NamedTuple):
    """A model to time.

    Attributes:
        name: Name in the table.
        path: Run folder, SavedModel, or folder of `.tflite` files.
        precision: Precision of the run folder or the SavedModel.
        kind: Kind of `.tflite` file; empty for other models.
    """

    name: str
    path: Path
    precision: str = "float32"
    kind: str = ""


def run(options: Options) -> list[Measurement]:
    """Measures every model with every batch size."""
    preset = presets.preset(options.preset)
    model = preset.model
    if options.width:
        model = model.with_width(options.width)
    config = RunConfig(options.preset, "paper", model)
    folder = options.folder / "inference"
    sizes = (options.batch_size,) if options.batch_size else (1, 4)
    call = partial(isolated.call, cores=options.cores)
    call(_write_run, config, folder, options.precisions)
    failures = call(_write_lite, folder, options.tflite_timeout)
    taken: dict[_Timed, dict[int, float]] = {}
    memory = []
    for timed in _models(folder, options.precisions):
        taken[timed], peak = {}, None
        if timed.kind not in failures:
            arguments = (timed, model.image_size, sizes, options.seconds)
            try:
                taken[timed], peak = call(_time, *arguments, name=timed.name)
            except StoppedError as error:
                failures[timed.name] = str(error)
        memory.append(Figure(timed.name, peak, "MB"))
    for failure in failures.values():
        print(failure, file=sys.stderr)
    name = f"{options.preset}, width {model.width}"
    on = f"drawn people; the fastest of {_LEAST_CALLS} calls or more"
    on = "; ".join([on, *failures.values()])
    full = not options.quick and model == preset.model
    cases = [
        Measurement(
            f"{name}, batch {size}",
            on,
            _figures(
                {timed: seconds.get(size) for timed, seconds in taken.items()},
                RELEASED.get((options.preset, size)) if full else None,
            ),
            "convolutions",
        )
        for size in sizes
    ]
    most = f"{name}, loading and batches up to {max(sizes)}"
    return [*cases, Measurement(most, "peak memory", memory, "weights")]


def _write_run(config: RunConfig, folder: Path, precisions: tuple[str, ...]) -> None:
    """Writes a run folder with random weights, and its SavedModels."""
    run_folder = RunFolder(folder / "run")
    run_folder.claim(config)
    networks = build_networks(config.model, stage=2)
    checkpoint_files.write(
        tf.train.Checkpoint(**weights_of(networks)),
        run_folder.stage(2).checkpoint_dir,
        step=0,
    )
    for precision in precisions:
        model = PoseTransfer.load(run_folder.path, precision=precision)
        export_saved_model(model, folder / f"saved_{precision}", version=1)


def _write_lite(folder: Path, timeout: float) -> dict[str, str]:
    """Writes the TensorFlow Lite files of the run, and returns failures by kind."""
    model = PoseTransfer.load(folder / "run")
    exported = tflite.export_lite(
        model,
        folder / "tflite",
        kinds=tflite.KINDS,
        calibration=examples.of_drawn_people(model.image_size, count=_CALIBRATION),
        timeout=timeout,
    )
    return exported.failures


def _models(folder: Path, precisions: tuple[str, ...]) -> list[_Timed]:
    models = []
    for precision in precisions:
        models.append(_Timed(f"run folder, {precision}", folder / "run", precision))
        path = folder / f"saved_{precision}"
        models.append(_Timed(f"SavedModel, {precision}", path, precision))
    path = folder / "tflite"
    return models + [
        _Timed(f"TensorFlow Lite, {kind}", path, kind=kind) for kind in tflite.KINDS
    ]


def _time(
    timed: _Timed, image_size: tuple[int, int], sizes: tuple[int, ...], seconds: float
) -> tuple[dict[int, float], float | None]:
    """Times one model.

    Returns:
        Seconds of the fastest call by batch size, and the peak memory in megabytes.
    """
    people = examples.of_drawn_people(image_size, count=max(sizes))
    taken = {}
    with PeakMemory() as memory:
        for size in sizes:
            model = _load(timed, size)
            given = people.images[:size], people.poses[:size]
            call = partial(model, *given)
            taken[size] = arithmetic.fastest(call, seconds, least=_LEAST_CALLS)
            del call, model
    return taken, memory.megabytes


def _load(timed: _Timed, size: int) -> Model:
    if timed.kind:
        return load_model(tflite.path_of(timed.path, timed.kind, fixed=size == 1))
    if RunFolder(timed.path).config():
        return load_model(timed.path, precision=timed.precision)
    return load_model(timed.path)


def _figures(
    seconds: dict[_Timed, float | None], released: float | None
) -> list[Figure]:
    """Returns the table of one batch size, in milliseconds per batch."""
    figures = []
    if released:
        figures.append(Figure("released code, TensorFlow 1.15", 1e3 * released, "ms"))
    for timed, taken in seconds.items():
        figures.append(Figure(timed.name, 1e3 * taken if taken else None, "ms"))
    return figures
