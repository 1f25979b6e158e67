"""Checkpoints as files: written whole or not at all, listed, read, removed.

A checkpoint of step 500 is `ckpt-500.index` and `ckpt-500.data-...`. It is written in
a folder beside and moved into place, the index last: a checkpoint is there once its
index is.
"""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf

from preprocessing.system import host
from preprocessing.system.errors import InputError

_NAME = re.compile(r"ckpt-\d+")
_WRITING = ".writing"
# TensorFlow raises one or another by what is damaged: IndexError where bytes lack.
_READ_ERRORS = (
    tf.errors.OpError,
    ValueError,
    AssertionError,
    IndexError,
    RuntimeError,
)
_MEGABYTE = 10**6


def step_of(path: str) -> int:
    """Returns the step that a checkpoint was taken at."""
    return int(path.rsplit("-", 1)[-1])


def path_of(folder: Path, step: int) -> str:
    """Returns the path of a step's checkpoint, without suffix."""
    return str(folder / f"ckpt-{step}")


def find(folder: Path) -> list[str]:
    """Returns the checkpoints in a folder, paths without suffix, the newest first."""
    names = (path.stem for path in folder.glob("ckpt-*.index"))
    paths = [str(folder / name) for name in names if _NAME.fullmatch(name)]
    return sorted(paths, key=step_of, reverse=True)


def write(checkpoint: tf.train.Checkpoint, folder: Path, *, step: int) -> str:
    """Writes a checkpoint of a step, in place of one that is there.

    Returns:
        Its path, without suffix.

    Raises:
        OSError: the disk is full; nothing is left of the attempt.
    """
    path = path_of(folder, step)
    place = folder / _WRITING
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        with host.writing(folder):
            checkpoint.write(str(place / Path(path).name))
        remove(path)
        for part in sorted(place.iterdir(), key=lambda part: part.suffix == ".index"):
            os.replace(part, folder / part.name)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return path


def read(checkpoint: tf.train.Checkpoint, path: str, *, partial: bool) -> bool:
    """Reads a checkpoint into `checkpoint`; reports a damaged one on standard output.

    Args:
        checkpoint: of what to read.
        path: without suffix.
        partial: whether the file may hold more than that.

    Returns:
        False if the checkpoint is damaged; what was to be read may then be overwritten
        in part.
    """
    try:
        status = checkpoint.read(path)
        status.assert_existing_objects_matched()
        if partial:
            status.expect_partial()
        return True
    except _READ_ERRORS as error:
        message = str(error).splitlines()[0][:200]
        print(f"{path}: damaged checkpoint passed over ({message})")
        return False


def remove(path: str) -> None:
    """Removes a checkpoint, its index first, so that no half of it counts as one."""
    place = Path(path)
    place.with_name(f"{place.name}.index").unlink(missing_ok=True)
    for part in place.parent.glob(f"{place.name}.data-*"):
        part.unlink(missing_ok=True)


def remove_all_but(kept: Iterable[str], folder: Path) -> None:
    """Removes the other checkpoints of a folder, and what writing left if killed."""
    shutil.rmtree(folder / _WRITING, ignore_errors=True)
    names = {Path(path).name for path in kept}
    for part in [*folder.glob("ckpt-*.index"), *folder.glob("ckpt-*.data-*")]:
        if _NAME.fullmatch(part.stem) and part.stem not in names:
            remove(str(folder / part.stem))


def require_space(folder: Path, *, needed: int) -> None:
    """Checks that the disk has room for a checkpoint.

    Args:
        folder: to be written to; it is there.
        needed: bytes.

    Raises:
        InputError: it has not; what is there already stays.
    """
    free = shutil.disk_usage(folder).free
    if free >= needed:
        return
    there = find(folder)
    last = f"the last is of step {step_of(there[0]):,}; " if there else ""
    raise InputError(
        f"{folder}: a checkpoint needs {-(-needed // _MEGABYTE):,} MB, "
        f"{free // _MEGABYTE:,} MB are free; {last}make room and give the same "
        "command again"
    )
