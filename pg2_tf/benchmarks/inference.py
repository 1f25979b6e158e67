"""How long an image takes: run folder, SavedModel and TensorFlow Lite.

The networks are a preset's, with random weights, in both stages: from uint8 image and
keypoints to uint8 images. The released code's figures stand beside them, as measured
with TensorFlow 1.15 on two cores of the machine that this project was developed on.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from pg2_tf.benchmarks.measurement import Figure, Goal, Measurement, Options
from pg2_tf.data import examples
from pg2_tf.inference.loading import Model, load_model
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.machine import ceiling, isolated
from pg2_tf.machine.isolated import PeakMemory
from pg2_tf.model import presets
from pg2_tf.model.config import RunConfig
from pg2_tf.model.networks import build_networks
from pg2_tf.runs import checkpoint_files
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import weights_of
from pg2_tf.serving import tflite
from pg2_tf.serving.saved_model import export_saved_model

# Seconds of a batch, by preset and batch size, at full width.
RELEASED = {
    ("market1501", 1): 0.54,
    ("market1501", 4): 2.12,
    ("deepfashion", 1): 4.78,
}
# How many times as fast as that TensorFlow should be, and as TensorFlow Lite's
# float32, int8.
_TIMES = {"float32": 1.1, "bfloat16": 2.0}
_INT8_TIMES = 2.0
_CALIBRATION = 8
_LEAST_CALLS = 5


class _Way(NamedTuple):
    """One way of making images.

    Attributes:
        name: to show.
        path: Run folder, SavedModel, or folder of `.tflite` files.
        precision: that the run folder is loaded in, or the SavedModel was made in.
        kind: Kind of `.tflite` file; empty for the others.
    """

    name: str
    path: Path
    precision: str = "float32"
    kind: str = ""


def run(options: Options) -> list[Measurement]:
    """Measures every way for every batch size."""
    preset = presets.preset(options.preset)
    model = preset.model
    if options.width:
        model = model.with_width(options.width)
    config = RunConfig(options.preset, "paper", model)
    folder = options.folder / "inference"
    isolated.call(_write, config, folder, options.precisions, cores=options.cores)
    sizes = (options.batch_size,) if options.batch_size else (1, 4)
    ways = list(_ways(folder, options.precisions))
    taken, memory = {}, []
    for way in ways:
        arguments = (way, model.image_size, sizes, options.seconds)
        taken[way], peak = isolated.call(_time, *arguments, cores=options.cores)
        memory.append(Figure(way.name, peak, "MB"))
    name = f"{options.preset}, width {model.width}"
    on = f"drawn people; the fastest of {_LEAST_CALLS} calls or more"
    goals = not options.quick and not tf.config.list_physical_devices("GPU")
    full = goals and model == preset.model
    cases = [
        Measurement(
            f"{name}, batch {size}",
            on,
            _figures(
                {way: taken[way][size] for way in ways},
                RELEASED.get((options.preset, size)) if full else None,
                goals=goals,
            ),
            "convolutions",
        )
        for size in sizes
    ]
    most = f"{name}, loading and batches up to {max(sizes)}"
    return [*cases, Measurement(most, "peak memory", memory, "weights")]


def _write(config: RunConfig, folder: Path, precisions: tuple[str, ...]) -> None:
    """Writes a run folder with random weights, and exports of it."""
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
    tflite.export_lite(
        PoseTransfer.load(run_folder.path),
        folder / "tflite",
        kinds=tflite.KINDS,
        calibration=examples.of_drawn_people(
            config.model.image_size, count=_CALIBRATION
        ),
    )


def _ways(folder: Path, precisions: tuple[str, ...]) -> Iterator[_Way]:
    for precision in precisions:
        yield _Way(f"run folder, {precision}", folder / "run", precision)
        path = folder / f"saved_{precision}"
        yield _Way(f"SavedModel, {precision}", path, precision)
    for kind in tflite.KINDS:
        yield _Way(f"TensorFlow Lite, {kind}", folder / "tflite", kind=kind)


def _time(
    way: _Way, image_size: tuple[int, int], sizes: tuple[int, ...], seconds: float
) -> tuple[dict[int, float], float | None]:
    """Times one way.

    Returns:
        The seconds of the fastest call by batch size, and the megabytes that all took.
    """
    people = examples.of_drawn_people(image_size, count=max(sizes))
    taken = {}
    with PeakMemory() as memory:
        for size in sizes:
            model = _load(way, size)
            given = people.images[:size], people.poses[:size]
            call = partial(model, *given)
            taken[size] = ceiling.fastest(call, seconds, least=_LEAST_CALLS)
            del call, model
    return taken, memory.megabytes


def _load(way: _Way, size: int) -> Model:
    if way.kind:
        return load_model(tflite.path_of(way.path, way.kind, fixed=size == 1))
    if RunFolder(way.path).config():
        return load_model(way.path, precision=way.precision)
    return load_model(way.path)


def _figures(
    seconds: dict[_Way, float], released: float | None, *, goals: bool
) -> list[Figure]:
    """Returns the table of one batch size, in milliseconds of a batch."""
    figures = []
    if released:
        figures.append(Figure("released code, TensorFlow 1.15", 1e3 * released, "ms"))
    of_kind = {way.kind: taken for way, taken in seconds.items()}
    for way, taken in seconds.items():
        limit = None
        if released and not way.kind:
            limit = released / _TIMES[way.precision]
        if goals and way.kind == "int8":
            limit = of_kind["float32"] / _INT8_TIMES
        goal = Goal(1e3 * limit, at_most=True) if limit else None
        figures.append(Figure(way.name, 1e3 * taken, "ms", goal))
    return figures
