"""TensorFlow helpers: a quiet import, hidden GPUs, and errors for a full disk."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Removes the notes that TensorFlow's libraries print while they are loaded. It runs in
# its own process, so that the message of a process that dies while it loads them, such
# as "compiled to use AVX instructions", is shown.
_FILTER = r"""
import re, sys
dropped = re.compile(
    rb"[IW]\d{4} |\d{4}-\d\d-\d\d \S+ [IW] |WARNING: All log messages before absl::"
    rb"|To enable the following instructions: "
    rb"|E\d{4} .*failed call to cuInit: .*(\(303\)|no CUDA-capable device)"
)
for line in sys.stdin.buffer:
    if not dropped.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
"""


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs, without TensorFlow's notes about both.

    Errors still appear, and so does everything that TensorFlow does not print itself.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _filtered_stderr():
        import tensorflow as tf

        # On a machine without a GPU the search prints an error.
        tf.config.list_physical_devices("GPU")


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Converts TensorFlow's error for a full disk to an OSError that names `path`.

    Raises:
        OSError: The disk is full (ENOSPC); its `filename` is `path`.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        full = errno.ENOSPC
        raise OSError(full, os.strerror(full), str(path)) from error


def hide_gpus() -> None:
    """Hides the GPUs from TensorFlow, which would otherwise reserve their memory."""
    import_tensorflow()
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    """Sends file descriptor 2 through `_FILTER` inside the block."""
    sys.stderr.flush()
    try:
        shown = os.dup(2)
    except OSError:  # There is no standard error.
        yield
        return
    filter_command = [sys.executable, "-I", "-S", "-c", _FILTER]
    process = subprocess.Popen(filter_command, stdin=subprocess.PIPE)
    assert process.stdin
    os.dup2(process.stdin.fileno(), 2)
    process.stdin.close()
    try:
        yield
    finally:
        os.dup2(shown, 2)
        os.close(shown)
        process.wait()
