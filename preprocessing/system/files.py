"""Reads and checks files, and writes files atomically."""

import hashlib
import json
import os
import reprlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.system.errors import InputError

# The largest annotation files of COCO have 1 GB; JSON needs several times its length.
_MOST_BYTES = 2**31
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = 80


class UnknownFormatError(InputError):
    """A file has none of the expected formats."""


def read_bytes(path: Path) -> bytes:
    """Reads a file, or raises `InputError`."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: larger than 2 GiB; give it in parts")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def read_json(path: Path) -> Any:
    """Reads JSON, in UTF-8 or UTF-16 and with or without a byte order mark.

    Raises:
        InputError: The file cannot be read.
        UnknownFormatError: It is not JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise UnknownFormatError(f"{path}: not JSON ({error})") from error


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the arrays of an `.npz` file; its pickled objects are refused.

    Raises:
        InputError: The file cannot be read, or its arrays take more than 2 GiB.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MOST_BYTES:
            raise InputError(f"{path}: its arrays take more than 2 GiB")
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .npz of arrays ({error})") from error


def first(values: object) -> dict:
    """Returns the first element of a list of objects, or {} for other values."""
    if isinstance(values, list) and values and isinstance(values[0], dict):
        return values[0]
    return {}


def as_object(where: str, value: object) -> dict:
    """Returns `value`, or raises `InputError` if it is not a JSON object."""
    if not isinstance(value, dict):
        raise InputError(f"{where} is not an object, but {shown(value)}")
    return value


def shown(value: object) -> str:
    """Returns a value as short text in one line, for messages."""
    return _SHOWN.repr(value)


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> None:
    """Calls `write` with a temporary name beside `path`, then renames it to `path`.

    A failure leaves neither the temporary file nor a change to `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes bytes to `path` atomically."""
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: str | Path, content: str) -> None:
    """Writes text as UTF-8 to `path` atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: str | Path, content: Any) -> None:
    """Writes indented JSON to `path` atomically."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Returns the checksum of a file as hexadecimal digits."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
