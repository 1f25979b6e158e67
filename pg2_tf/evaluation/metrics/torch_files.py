"""Reads the weights in a PyTorch file (`.pth`) without PyTorch, and nothing else.

A `.pth` holds a pickle, which is a program that names functions to run, and the numbers
beside it. Admitted are the few names that a dictionary of arrays needs; none is run:
this module's own stand in for them. Both layouts are read: the zip archive of PyTorch
1.6 and later, and the older one, a row of pickles before the numbers.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from preprocessing.system.errors import InputError

# First in a file of the older layout, and the version of that layout.
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGES = {
    "HalfStorage": "<f2",
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
}


class _Storage:
    """Numbers that tensors are views of; in the older layout they come last."""

    def __init__(self, dtype: str, key: str, length: int):
        self.dtype, self.key, self.length = np.dtype(dtype), key, length
        self.numbers = np.zeros(0, self.dtype)

    def fill(self, content: bytes) -> None:
        """Takes the numbers themselves."""
        if len(content) != self.length * self.dtype.itemsize:
            raise ValueError(f"storage {self.key}: {len(content):,} bytes")
        self.numbers = np.frombuffer(content, self.dtype)


class _Tensor(NamedTuple):
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray:
        """Returns a copy of the numbers seen, once the storage is filled."""
        last = self.offset + sum(
            (n - 1) * step for n, step in zip(self.size, self.stride, strict=True)
        )
        low = min((self.offset, *self.size, *self.stride))
        if low < 0 or (0 not in self.size and last >= len(self.storage.numbers)):
            raise ValueError("a tensor that reaches beyond its numbers")
        width = self.storage.dtype.itemsize
        return np.lib.stride_tricks.as_strided(
            self.storage.numbers[self.offset :],
            self.size,
            [step * width for step in self.stride],
        ).copy()


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a file.

    Args:
        path: of a state dict as `torch.save` writes it.

    Returns:
        Arrays by their names in PyTorch, in PyTorch's axis order.

    Raises:
        InputError: the file cannot be read, is damaged, or holds anything but arrays
            by name.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        zipped = zipfile.is_zipfile(io.BytesIO(content))
        tensors = _read_zip(content) if zipped else _read_older(content)
        return {name: tensor.array() for name, tensor in tensors.items()}
    except Exception as error:
        # Damaged bytes raise nearly every kind of exception, each where it hits.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{path}: no PyTorch file of weights alone ({reason})"
        ) from error


class _Reader(pickle.Unpickler):
    """Python's reader, which knows a handful of names; `storages` are those it met."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file, encoding="latin1")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Returns what stands in for a name, or refuses it."""
        if (module, name) in _NAMES:
            return _NAMES[module, name]
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise ValueError(f"it refers to {module}.{name}"[:100])

    def persistent_load(self, pid: Any) -> _Storage:
        """Returns the storage that a reference means."""
        kind, dtype, key, _, length, *view = pid
        if kind != "storage" or any(view):
            raise ValueError(f"it refers to a {kind}")
        return self.storages.setdefault(key, _Storage(dtype, key, length))


def _read_zip(content: bytes) -> dict[str, _Tensor]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (index,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
        folder = index.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("its numbers are big-endian")
        reader = _Reader(io.BytesIO(archive.read(index)))
        tensors = _named(reader.load())
        for storage in reader.storages.values():
            storage.fill(archive.read(f"{folder}data/{storage.key}"))
    return tensors


def _read_older(content: bytes) -> dict[str, _Tensor]:
    file = io.BytesIO(content)
    if _Reader(file).load() != _MAGIC or _Reader(file).load() != _PROTOCOL:
        raise ValueError("it does not start as one")
    if not _Reader(file).load()["little_endian"]:
        raise ValueError("its numbers are big-endian")
    reader = _Reader(file)
    tensors = _named(reader.load())
    for key in _Reader(file).load():
        storage = reader.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.length:
            raise ValueError(f"storage {key} has another length")
        storage.fill(file.read(storage.length * storage.dtype.itemsize))
    return tensors


def _named(loaded: Any) -> dict[str, _Tensor]:
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(value, _Tensor)
        for name, value in loaded.items()
    ):
        raise ValueError("it is no dictionary of arrays by name")
    return dict(loaded)


def _tensor(
    storage: _Storage, offset: int, size: tuple, stride: tuple, *_: Any
) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


def _parameter(tensor: _Tensor, *_: Any) -> _Tensor:
    return tensor


_NAMES = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}
