"""The strategies that distribute a training over devices."""

from collections.abc import Sequence

import tensorflow as tf

from pg2_tf.training.workers import Workers
from preprocessing.system.errors import InputError

STRATEGIES = ("mirrored", "multi_worker")


def make(
    name: str, devices: Sequence[str] | None, workers: Workers
) -> tf.distribute.Strategy:
    """Returns a strategy; of several workers, once all of them are there.

    To be called before TensorFlow computes anything.

    Args:
        name: one of `STRATEGIES`.
        devices: of this machine, as `devices.choose` returns them; None for all GPUs,
            or without one the CPU.
        workers: that train together.

    Raises:
        InputError: several workers were to take the CPU for several devices.
    """
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(devices)
    if devices and len(devices) > 1 and devices[0].startswith("CPU"):
        raise InputError(
            f"--devices={','.join(devices)}: a worker of several takes its CPU for one "
            "device"
        )
    print(f"worker {workers.index} of {workers.count}: waiting for all", flush=True)
    return tf.distribute.MultiWorkerMirroredStrategy()
