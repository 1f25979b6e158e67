"""Speed and memory of the batches for training, and where the time goes."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pg2_tf.benchmarks import data
from pg2_tf.benchmarks.measurement import Figure, Measurement, Options
from pg2_tf.data import dataset, pipeline
from pg2_tf.data.dataset import Split
from pg2_tf.data.pipeline import PairSource
from pg2_tf.data.stored import StoredPairs, decode
from pg2_tf.machine import isolated
from pg2_tf.machine.isolated import PeakMemory
from preprocessing.dataset import records
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp

# The paper's batch sizes, by image size.
_BATCH_SIZES = {(128, 64): 16, (256, 256): 8}
_WARM_UP = 20
_CALLS = 5
_KEPT = ("decoded", "encoded", "on disk")
# Images of the data sets that `run_scale` measures.
_SIZES = (20_000, 200_000, 2_000_000)
_QUICK_SIZES = (100, 200)
# `ru_maxrss` is in bytes on macOS, in KiB elsewhere.
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class _Speed(NamedTuple):
    pairs_per_second: float
    cores_busy: float


def run(options: Options) -> list[Measurement]:
    """Measures each data set, its images kept decoded, kept encoded, and on disk."""
    return [
        isolated.call(measure, data_dir, kept, options.seconds, cores=options.cores)
        for data_dir in data.data_sets(options)
        for kept in _KEPT
    ]


def run_scale(options: Options) -> list[Measurement]:
    """Measures data sets of growing size that are read from disk as needed."""
    (data_dir,) = data.data_sets(options, limit=1)
    sizes = _QUICK_SIZES if options.quick else _SIZES
    measured = []
    for num_images in sizes:
        with tempfile.TemporaryDirectory(dir=data_dir.parent) as folder:
            data.multiply(data_dir, Path(folder), num_images)
            measured.append(
                isolated.call(
                    measure_scale, Path(folder), options.seconds, cores=options.cores
                )
            )
    return measured


def measure_scale(data_dir: Path, seconds: float) -> Measurement:
    """Takes training batches of a data set on disk for some seconds.

    Args:
        data_dir: Folder of the data set.
        seconds: Time to measure, after a warm-up.
    """
    size = tuple(records.read_manifest(data_dir)["image_size"])
    batch_size = _BATCH_SIZES.get(size, 16)
    ready = []
    for _ in range(2):  # The first finds the offsets of the records.
        started = time.perf_counter()
        source, _ = dataset.open_split(
            data_dir, "train", image_size=size, in_memory="no"
        )
        ready.append(time.perf_counter() - started)
    assert isinstance(source, StoredPairs)
    speed = _speed(source, batch_size, seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
    per_pair = speed.cores_busy / speed.pairs_per_second
    figures = [
        Figure("speed", speed.pairs_per_second, "pairs/s"),
        Figure("cores busy", speed.cores_busy),
        Figure("processor time", 1e3 * per_pair, "ms/pair"),
        Figure("opened first after", ready[0], "s"),
        Figure("opened again after", ready[1], "s"),
        Figure("offsets in memory", source.num_bytes / 1e6, "MB"),
        Figure("peak resident memory", peak / 1e6, "MB"),
    ]
    return Measurement(
        f"{size[0]}x{size[1]}, {source.num_images:,} images on disk, "
        f"batch {batch_size}",
        f"{source.num_pairs:,} pairs; shards repeated as hard links, so that the page "
        "cache holds them",
        figures,
        "decoding" if speed.cores_busy > 1 else "other processes on the machine",
    )


def measure(data_dir: Path, kept: str, seconds: float) -> Measurement:
    """Takes training batches of a data set for some seconds.

    Args:
        data_dir: Folder of the data set.
        kept: Place of the images, one of `_KEPT`.
        seconds: Time to measure, after a warm-up.
    """
    size = tuple(records.read_manifest(data_dir)["image_size"])
    batch_size = _BATCH_SIZES.get(size, 16)
    limit = sys.maxsize if kept == "decoded" else 0
    # Batches need memory that does not depend on the size of the data.
    with PeakMemory() as little:
        few = PairSource(_two_images(size), decoded_limit=limit)
        _speed(few, batch_size, seconds / 10)
    with PeakMemory() as memory:
        started = time.perf_counter()
        source: PairSource | StoredPairs
        split = dataset.read_split(data_dir, "train", image_size=size)
        if kept == "on disk":
            opened, _ = dataset.open_split(
                data_dir, "train", image_size=size, in_memory="no"
            )
            assert isinstance(opened, StoredPairs)
            source = opened
        else:
            source = PairSource(split, decoded_limit=limit)
        ready = time.perf_counter() - started
        num_images = len(split.names)
        pairs = split.pairs[:: -(-len(split.pairs) // batch_size)]
        encoded = tf.gather(split.images, pairs.ravel())
        packed = tf.gather(split.masks, pairs[:, 1])
        del split
        speed = _speed(source, batch_size, seconds)
    num_bytes = source.num_bytes
    ratio = None
    if memory.megabytes is not None and kept != "on disk":
        ratio = memory.megabytes * 1e6 / num_bytes
    costs = _costs(source, encoded, packed, size=size, seconds=seconds / 20)
    figures = [
        Figure("speed", speed.pairs_per_second, "pairs/s"),
        Figure("cores busy", speed.cores_busy),
        Figure("read and ready after", ready, "s"),
        Figure("data kept", num_bytes / 1e6, "MB"),
        Figure("batches of two images before", little.megabytes, "MB"),
        Figure("peak memory over that", memory.megabytes, "MB"),
        Figure("peak memory / data kept", ratio),
        *(
            Figure(f"processor time: {name}", 1e3 * cost / len(pairs), "ms/pair")
            for name, cost in costs.items()
        ),
    ]
    return Measurement(
        f"{size[0]}x{size[1]}, images {kept}, batch {batch_size}",
        f"{num_images:,} images, {source.num_pairs:,} pairs of {data_dir.name}",
        figures,
        _bound(costs, len(pairs)),
    )


def _two_images(size: tuple[int, int]) -> Split:
    """Returns a split of two black images."""
    black = images.encode_jpeg(np.zeros((*size, 3), np.uint8))
    encoded = dataset.rows(2, (), tf.string)
    dataset.write_rows(encoded, 0, [black, black])
    return Split(
        image_size=size,
        names=["0", "1"],
        identities=["0", "0"],
        images=encoded,
        keypoints=np.zeros((2, kp.NUM_KEYPOINTS, 3), np.float32),
        masks=dataset.rows(2, ((size[0] * size[1] + 7) // 8,), tf.uint8),
        pairs=np.array([[0, 1], [1, 0]], np.int32),
    )


def _speed(source: PairSource | StoredPairs, batch_size: int, seconds: float) -> _Speed:
    batches = iter(pipeline.training_batches(source, batch_size=batch_size, seed=0))
    for _ in range(_WARM_UP):
        next(batches)
    started, worked, count = time.perf_counter(), time.process_time(), 0
    while (elapsed := time.perf_counter() - started) < seconds or not count:
        next(batches)
        count += 1
    busy = time.process_time() - worked
    return _Speed(count * batch_size / elapsed, busy / elapsed)


def _costs(
    source: PairSource | StoredPairs,
    encoded: tf.Tensor,
    packed: tf.Tensor,
    *,
    size: tuple[int, int],
    seconds: float,
) -> dict[str, float]:
    """Returns the processor seconds of each part of making a batch.

    Args:
        source: Source of the pairs.
        encoded: JPEG bytes of the sources and targets of a batch, string [2B].
        packed: Packed masks of the batch, uint8 [B, ...].
        size: Height and width of the images in pixels.
        seconds: Time to repeat each part.
    """
    positions = tf.range(len(packed), dtype=tf.int64)
    batch = source.gather(positions)
    parts = {
        "unpack masks": lambda: pipeline.unpack(packed, size),
        "mirror": lambda: pipeline.mirror(batch, positions, 0),
        "gather": lambda: source.gather(positions),
    }
    if not source.decoded:
        parts["decode"] = lambda: decode(encoded, size)
    costs = {name: _cost(part, seconds) for name, part in parts.items()}
    # Gathering includes decoding and unpacking; the rest is copying.
    costs["gather"] -= costs["unpack masks"] + costs.get("decode", 0)
    return {**costs, "gather": max(costs["gather"], 0)}


def _cost(part: Callable[[], object], seconds: float) -> float:
    compiled = tf.function(part)
    compiled()
    started, worked, calls = time.perf_counter(), time.process_time(), 0
    while calls < _CALLS or time.perf_counter() - started < seconds:
        compiled()
        calls += 1
    return (time.process_time() - worked) / calls


def _bound(costs: dict[str, float], num_pairs: int) -> str:
    largest, total = max(costs, key=costs.__getitem__), sum(costs.values())
    return (
        f"{largest} ({costs[largest] / total:.0%} of the "
        f"{1e3 * total / num_pairs:.2f} ms of processor time that a pair needs)"
    )
