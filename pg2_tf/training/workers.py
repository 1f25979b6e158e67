"""Devices and processes that train together; `TF_CONFIG` describes the processes."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from preprocessing.system import host
from preprocessing.system.errors import InputError

# Errors of collective operations when a worker does not answer.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)
_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)

_DEVICE = re.compile(r"(?:(CPU|GPU):)?(\d{1,3})", re.IGNORECASE)

STRATEGIES = ("mirrored", "multi_worker")


class WorkerLostError(Exception):
    """Another worker has stopped; the training resumes if all are started again."""


@dataclass(frozen=True)
class Workers:
    """The processes that train together.

    Attributes:
        count: Number of workers.
        index: Index of this worker, from 0. Worker 0 writes the run folder.
    """

    count: int = 1
    index: int = 0

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder."""
        return self.index == 0


ALONE = Workers()


def from_environment() -> Workers:
    """Reads the workers from the environment variable `TF_CONFIG`.

    The `chief` of the cluster, if there is one, is worker 0.

    Raises:
        InputError: The variable is not set, or does not describe this worker.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise InputError(
            f"--strategy=multi_worker: TF_CONFIG is not set; it looks like {_EXAMPLE}"
        )
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        places = {kind: len(_addresses(cluster, kind)) for kind in ("chief", "worker")}
        kind, index = task["type"], int(task["index"])
        if kind not in places or not 0 <= index < places[kind]:
            raise ValueError(f"no {kind} {index} in the cluster that trains")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"TF_CONFIG={text}: {error!r}; it looks like {_EXAMPLE}"
        ) from error
    before = places["chief"] if kind == "worker" else 0
    return Workers(sum(places.values()), before + index)


def _addresses(cluster: Mapping[str, Any], kind: str) -> Sequence[str]:
    addresses = cluster.get(kind, [])
    if not isinstance(addresses, list) or not all(":" in a for a in addresses):
        raise ValueError(f"{kind}: expected a list of HOST:PORT, not {addresses}")
    return addresses


def require_agreement(workers: Workers, **values: int) -> None:
    """Waits for all workers, and checks that they hold the same values.

    Args:
        workers: Workers that train together under the current strategy.
        values: Values to compare, by name.

    Raises:
        InputError: The values differ.
    """
    if workers.count == 1:
        return
    strategy = tf.distribute.get_strategy()
    for name, value in values.items():
        everyone = strategy.gather(tf.constant([value], tf.int64), axis=0).numpy()
        if len(set(everyone.tolist())) > 1:
            raise InputError(
                f"the workers do not agree on the {name} ({everyone.tolist()}): all "
                "need the same options, data set and run folder, on a file system "
                "that they share"
            )


@contextmanager
def watched(workers: Workers) -> Iterator[None]:
    """Converts errors about lost workers inside the block to one line.

    Raises:
        WorkerLostError: Another worker has stopped.
    """
    try:
        yield
    except _LOST as error:
        if workers.count == 1:
            raise
        reason = error.message.replace("\n", " ")
        place = max(reason.find("Collective ops is aborted"), 0)
        raise WorkerLostError(
            f"worker {workers.index} of {workers.count} has lost another "
            f"({reason[place : place + 300]}); start all of them again to resume from "
            "the last checkpoint"
        ) from error


def make_strategy(
    name: str, devices: Sequence[str] | None, workers: Workers
) -> tf.distribute.Strategy:
    """Returns a strategy. With several workers it waits for all of them.

    Call it before TensorFlow computes anything.

    Args:
        name: One of `STRATEGIES`.
        devices: This machine's devices, as `devices.choose` returns them. Default: all
            GPUs, or without one the CPU.
        workers: The processes that train together.

    Raises:
        InputError: Several workers were given several CPU devices.
    """
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(devices)
    if devices and len(devices) > 1 and devices[0].startswith("CPU"):
        raise InputError(
            f"--devices={','.join(devices)}: each of several workers takes its CPU as "
            "one device"
        )
    print(f"worker {workers.index} of {workers.count}: waiting for all", flush=True)
    return tf.distribute.MultiWorkerMirroredStrategy()


# === Devices ===


def choose_devices(names: Sequence[str]) -> list[str] | None:
    """Makes only some devices visible to TensorFlow. Call it before any computation.

    Args:
        names: Names such as `GPU:0`, or `0` for short; or `CPU:0`, `CPU:1`, ... to
            divide the CPU into several logical devices, for tests.

    Returns:
        Logical device names, or None for all devices if `names` is empty.

    Raises:
        InputError: A name is not valid, occurs twice or names a missing device, or
            CPUs and GPUs are mixed.
    """
    if not names:
        return None
    chosen = [_parse_device(name) for name in names]
    kinds = {kind for kind, _ in chosen}
    if len(kinds) > 1 or len(set(chosen)) < len(chosen):
        raise InputError(
            f"--devices={','.join(names)}: CPUs or GPUs, and each of them once"
        )
    numbers = [number for _, number in chosen]
    if kinds == {"GPU"}:
        _choose_gpus(numbers)
    else:
        _split_cpu(numbers)
    return [f"{kind}:{place}" for place, (kind, _) in enumerate(chosen)]


def make_deterministic(wanted: bool | None = None) -> None:
    """Makes every operation deterministic, bit for bit.

    Args:
        wanted: Whether to do so. None: only without GPUs, where it costs nothing.
    """
    if wanted or (wanted is None and not tf.config.get_visible_devices("GPU")):
        tf.config.experimental.enable_op_determinism()


def _parse_device(name: str) -> tuple[str, int]:
    match = _DEVICE.fullmatch(name.strip())
    if not match:
        raise InputError(f"--devices={name}: expected GPU:0, or 0, or CPU:0")
    return (match[1] or "GPU").upper(), int(match[2])


def _choose_gpus(numbers: Sequence[int]) -> None:
    gpus = tf.config.list_physical_devices("GPU")
    absent = [number for number in numbers if number >= len(gpus)]
    if absent:
        there = f"GPU:0 to GPU:{len(gpus) - 1}" if gpus else "no GPU"
        raise InputError(f"--devices: no GPU:{absent[0]}; TensorFlow finds {there}")
    tf.config.set_visible_devices([gpus[number] for number in numbers], "GPU")


def _split_cpu(numbers: Sequence[int]) -> None:
    host.hide_gpus()
    if sorted(numbers) != list(range(len(numbers))):
        raise InputError("--devices: CPUs are numbered from CPU:0 on")
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * len(numbers),
    )
