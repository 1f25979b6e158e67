"""A full disk, as TensorFlow reports it, told like any other."""

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
