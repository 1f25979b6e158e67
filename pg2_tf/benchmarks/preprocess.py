"""Speed of preparing images and poses as shards, and where the time goes."""

import cProfile
import pstats
import time
from itertools import islice
from pathlib import Path

import numpy as np

from pg2_tf.benchmarks import data
from pg2_tf.benchmarks.measurement import Figure, Measurement, Options
from pg2_tf.machine import isolated
from pg2_tf.machine.isolated import PeakMemory
from preprocessing.dataset import reading, records

# Images that are prepared under the profiler, and functions to report.
_PROFILED = 400
_FUNCTIONS = 8


def run(options: Options) -> list[Measurement]:
    """Builds a data set from each collection of image files, and times it."""
    return [
        isolated.call(
            measure,
            some,
            data.place(options, some),
            options.folder / f"{some.source}-profile",
            cores=options.cores,
        )
        for some in data.photos(options)
    ]


def measure(photos: data.Photos, out: Path, profile_out: Path) -> Measurement:
    """Builds a data set with as many workers as cores, and times its stages.

    Args:
        photos: Image files and poses.
        out: Folder of the data set.
        profile_out: Folder of a small data set that is built under the profiler.
    """
    workers = isolated.usable_cores()
    seconds = {}
    with PeakMemory() as memory:
        for name, stage in data.stages(photos, out, workers=workers).items():
            started = time.perf_counter()
            stage()
            seconds[name] = time.perf_counter() - started
    sizes = _sizes(out)
    means = np.mean(sizes, axis=0).tolist()
    own_times = _profile(photos, profile_out)
    figures = [
        Figure("speed", len(sizes) / sum(seconds.values()), "images/s"),
        Figure("images", len(sizes)),
        *(Figure(name, value, "s") for name, value in seconds.items()),
        *(
            Figure(f"{name} of an image", mean, "bytes")
            for name, mean in zip(("JPEG", "heatmaps", "mask"), means, strict=True)
        ),
        Figure("peak memory of the main process", memory.megabytes, "MB"),
        *(
            Figure(f"processor time: {name}", 1e3 * value, "ms/image")
            for name, value in own_times.items()
        ),
    ]
    height, width = photos.image_size
    case = f"{photos.source} at {height}x{width}, {workers} workers"
    slowest = max(seconds, key=seconds.__getitem__)
    share = seconds[slowest] / sum(seconds.values())
    bound = f"{slowest} ({share:.0%} of the time), there by {next(iter(own_times))}"
    return Measurement(case, photos.on, figures, bound)


def _sizes(out: Path) -> list[tuple[int, int, int]]:
    """Returns the sizes of each image's JPEG, heatmaps and mask in bytes."""
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


def _profile(photos: data.Photos, out: Path) -> dict[str, float]:
    """Returns the seconds per image that the slowest functions take themselves."""
    stages = data.stages(
        photos, out, workers=1, change=lambda samples: islice(samples, _PROFILED)
    )
    write = stages.pop("write shards")
    for stage in stages.values():
        stage()
    profile = cProfile.Profile()
    profile.runcall(write)
    functions = pstats.Stats(profile).get_stats_profile().func_profiles
    slowest = sorted(functions, key=lambda name: -functions[name].tottime)
    count = len(_sizes(out))
    return {name: functions[name].tottime / count for name in slowest[:_FUNCTIONS]}
