"""How fast images and poses become shards, and where the time goes."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from pg2_tf.benchmarks import data
from pg2_tf.benchmarks.measurement import Figure, Goal, Measurement, Options
from pg2_tf.machine import isolated
from pg2_tf.machine.isolated import PeakMemory
from preprocessing.dataset import preparing, reading, records
from preprocessing.images import (
    framing as fitting,
)
from preprocessing.images import (
    heatmaps,
)
from preprocessing.images import (
    image_files as images,
)
from preprocessing.sources.samples import Sample


class Stopwatch:
    """Adds up the processor time of calls; what a call hands on is not its own.

    Attributes:
        seconds: Seconds of each step, over all calls and threads.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._thread = threading.local()

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function, timed as `step`."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            before = getattr(self._thread, "handed_on", 0.0)
            self._thread.handed_on = 0.0
            started = time.thread_time()
            try:
                return function(*arguments, **keywords)
            finally:
                spent = time.thread_time() - started
                self.seconds[step] += spent - self._thread.handed_on
                self._thread.handed_on = before + spent

        return call


# Images a second on two cores.
_GOALS = {"market1501": Goal(600), "deepfashion": Goal(150)}
# The functions that do the work, and what each is called here. What one of them hands
# on to another is counted there.
_READ = "read the cached file"
_STEPS = (
    ("decode", images, "decode"),
    ("fit the image", fitting, "fit_jpeg"),
    ("choose and fit the pose", preparing, "prepare"),
    ("draw heatmaps", heatmaps, "draw_heatmaps"),
    ("draw mask", heatmaps, "draw_mask"),
    ("pack to bits", records, "pack_bits"),
    ("serialize", records, "serialize"),
    ("write and checksum", records, "write_shard"),
)
_REST = "pairs, report, the rest"
# So many images are enough for the mean time of a step.
_IMAGES_FOR_STEPS = 400


def run(options: Options) -> list[Measurement]:
    """Builds a data set from each collection of image files, and times it."""
    return [
        isolated.call(
            measure,
            some,
            data.place(options, some),
            options.folder / f"{some.source}-steps",
            cores=options.cores,
        )
        for some in data.photos(options)
    ]


def measure(photos: data.Photos, out: Path, steps_out: Path) -> Measurement:
    """Builds the data set `out`, with as many workers as cores, and times its steps.

    Args:
        photos: what to build it from.
        out: where to.
        steps_out: for the part of it that is built to time the steps.
    """
    workers = isolated.usable_cores()
    seconds = {}
    with PeakMemory() as memory:
        for name, stage in data.stages(photos, out, workers=workers).items():
            started = time.perf_counter()
            stage()
            seconds[name] = time.perf_counter() - started
    sizes = _sizes(out)
    steps = _time_steps(photos, steps_out)
    figures = [
        Figure(
            "speed",
            len(sizes) / sum(seconds.values()),
            "images/s",
            _GOALS[photos.source],
        ),
        Figure("images", len(sizes)),
        *(Figure(name, value, "s") for name, value in seconds.items()),
        *(
            Figure(f"{name} of an image", mean, "bytes")
            for name, mean in zip(
                ("JPEG", "heatmaps", "mask"),
                np.mean(sizes, axis=0).tolist(),
                strict=True,
            )
        ),
        Figure("peak memory over the start", memory.megabytes, "MB"),
        *(
            Figure(f"processor time: {name}", 1e3 * value, "ms/image")
            for name, value in steps.items()
        ),
    ]
    height, width = photos.image_size
    case = f"{photos.source} at {height}x{width}, {workers} workers"
    return Measurement(case, photos.on, figures, _bound(seconds, steps))


def _sizes(out: Path) -> list[tuple[int, int, int]]:
    """Returns of each image how many bytes its JPEG, heatmaps and mask take."""
    manifest = records.read_manifest(out)
    size = tuple(manifest["image_size"])
    return [
        (len(image.image), len(image.heatmaps), len(image.mask))
        for split in manifest["splits"].values()
        for shard in split["shards"]
        for image in reading.read_shard(
            out / shard["file"], count=shard["images"], size=size
        )
    ]


def _time_steps(photos: data.Photos, out: Path) -> dict[str, float]:
    """Returns the processor seconds of each step of writing shards, for one image.

    One worker builds a data set of the first images, which were read just before.
    """
    watch, count = Stopwatch(), 0

    def first(samples: Iterator[Sample]) -> Iterator[Sample]:
        nonlocal count
        for sample in islice(samples, _IMAGES_FOR_STEPS):
            count += 1
            yield replace(sample, read=watch.timed(_READ, sample.read))

    stages = data.stages(photos, out, workers=1, change=first)
    write = stages.pop("write shards")
    for stage in stages.values():
        stage()
    with ExitStack() as patches:
        for step, module, name in _STEPS:
            timed = watch.timed(step, getattr(module, name))
            patches.enter_context(mock.patch.object(module, name, timed))
        started = time.process_time()
        write()
        total = time.process_time() - started
    rest = max(total - sum(watch.seconds.values()), 0)
    return {
        name: spent / count for name, spent in {**watch.seconds, _REST: rest}.items()
    }


def _bound(stages: dict[str, float], steps: dict[str, float]) -> str:
    stage, step = max(stages, key=stages.__getitem__), max(steps, key=steps.__getitem__)
    of_stages = stages[stage] / sum(stages.values())
    total = sum(steps.values())
    return (
        f"{stage} ({of_stages:.0%} of the time), and there by {step} "
        f"({steps[step] / total:.0%} of the {1e3 * total:.2f} ms of processor time "
        "that an image needs)"
    )
