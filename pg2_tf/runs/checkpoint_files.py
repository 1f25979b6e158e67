"""Checkpoint files: written atomically, listed, verified, read and removed.

The checkpoint of step 500 is `ckpt-500.data-...`, `ckpt-500.sha256` and
`ckpt-500.index`. The files are written to another folder and then moved, the index
last: a checkpoint exists once its index does. `.sha256` holds the checksums of the
other files; checkpoints of earlier versions have none and are not verified.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf

from preprocessing.system import files, host
from preprocessing.system.errors import InputError

_NAME = re.compile(r"ckpt-\d+")
_WRITING = ".writing"
_CHECKSUMS = ".sha256"
# Errors of TensorFlow for damaged files; IndexError for files that are too short.
_READ_ERRORS = (
    tf.errors.OpError,
    OSError,
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
    names = (path.stem for path in folder.glob("ckpt-*.index") if path.is_file())
    paths = [str(folder / name) for name in names if _NAME.fullmatch(name)]
    return sorted(paths, key=step_of, reverse=True)


def write(checkpoint: tf.train.Checkpoint, folder: Path, *, step: int) -> str:
    """Writes a checkpoint of a step; replaces an existing one.

    Returns:
        Its path, without suffix.

    Raises:
        OSError: The disk is full; no partial file remains.
    """
    path = path_of(folder, step)
    place = folder / _WRITING
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        with host.writing(folder):
            checkpoint.write(str(place / Path(path).name))
            checksums = {p.name: files.sha256(p) for p in sorted(place.iterdir())}
            files.write_json(place / f"{Path(path).name}{_CHECKSUMS}", checksums)
        remove(path)
        for part in sorted(place.iterdir(), key=lambda part: part.suffix == ".index"):
            os.replace(part, folder / part.name)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return path


def read(checkpoint: tf.train.Checkpoint, path: str, *, partial: bool) -> bool:
    """Verifies and reads a checkpoint; reports a corrupt one on standard output.

    Args:
        checkpoint: The object to read into.
        path: Path of the checkpoint without suffix.
        partial: Whether the file may hold further values.

    Returns:
        False if the checkpoint is corrupt. Without a `.sha256` file, the object may
        then have been overwritten in part.
    """
    try:
        _verify(Path(path))
        status = checkpoint.read(path)
        status.assert_existing_objects_matched()
        if partial:
            status.expect_partial()
        return True
    except _READ_ERRORS as error:
        message = str(error).splitlines()[0][:200]
        print(f"{path}: skipping corrupt checkpoint ({message})")
        return False


def _verify(path: Path) -> None:
    """Compares the files of a checkpoint with their checksums.

    Raises:
        ValueError: A file differs, or the file of checksums is damaged.
    """
    place = path.with_name(f"{path.name}{_CHECKSUMS}")
    if not place.exists():
        return
    checksums = json.loads(place.read_bytes())
    if not isinstance(checksums, dict) or f"{path.name}.index" not in checksums:
        raise ValueError(f"{place.name} is damaged")
    for name, checksum in checksums.items():
        if files.sha256(path.with_name(name)) != checksum:
            raise ValueError(f"{name} does not match its checksum")


def remove(path: str) -> None:
    """Removes a checkpoint; the index first, so that no incomplete one remains."""
    place = Path(path)
    index = place.with_name(f"{place.name}.index")
    if not index.is_dir():
        index.unlink(missing_ok=True)
    others = [*place.parent.glob(f"{place.name}.data-*")]
    for part in [*others, place.with_name(f"{place.name}{_CHECKSUMS}")]:
        part.unlink(missing_ok=True)


def remove_all_but(kept: Iterable[str], folder: Path) -> None:
    """Removes the other checkpoints of a folder, and files of an interrupted one."""
    shutil.rmtree(folder / _WRITING, ignore_errors=True)
    names = {Path(path).name for path in kept}
    parts = [
        p
        for kind in ("index", "data-*", "sha256")
        for p in folder.glob(f"ckpt-*.{kind}")
    ]
    for part in parts:
        if _NAME.fullmatch(part.stem) and part.stem not in names:
            remove(str(folder / part.stem))


def require_space(folder: Path, *, needed: int) -> None:
    """Checks that the disk has room for a checkpoint.

    Args:
        folder: Existing folder to write to.
        needed: Bytes.

    Raises:
        InputError: The space is too small. Existing files stay.
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
