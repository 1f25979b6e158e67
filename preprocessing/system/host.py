"""TensorFlow as a guest of this machine: its disk, and GPUs it has no use for."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Within it, TensorFlow writes to `path`.

    Raises:
        OSError: the disk is full (ENOSPC); it names `path`.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        full = errno.ENOSPC
        raise OSError(full, os.strerror(full), str(path)) from error


def hide_gpus() -> None:
    """Keeps TensorFlow off the GPUs, which it would otherwise take up just to read."""
    tf.config.set_visible_devices([], "GPU")
