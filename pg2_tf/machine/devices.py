"""Selects the devices of TensorFlow."""

import re
from collections.abc import Sequence

import tensorflow as tf

from preprocessing.system import host
from preprocessing.system.errors import InputError

_NAME = re.compile(r"(?:(CPU|GPU):)?(\d{1,3})", re.IGNORECASE)


def choose(names: Sequence[str]) -> list[str] | None:
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
    chosen = [_parse(name) for name in names]
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


def _parse(name: str) -> tuple[str, int]:
    match = _NAME.fullmatch(name.strip())
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
