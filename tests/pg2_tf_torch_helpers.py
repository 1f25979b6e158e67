"""Files as PyTorch writes them, made without PyTorch."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from typing import NamedTuple

import numpy as np


class FloatStorage:
    """Stands for the type of PyTorch's name."""


class LongStorage:
    """Stands for the type of PyTorch's name."""


class ComplexFloatStorage:
    """Stands for a type of PyTorch that is not read."""


class View(NamedTuple):
    """A tensor: a view of the numbers of a storage."""

    storage: int
    offset: int
    size: tuple
    stride: tuple


def _rebuild_tensor_v2(*arguments):
    """Stands for the function of PyTorch's name."""


def _module(name, *parts):
    module = types.ModuleType(name)
    for part in parts:
        part.__module__ = name
        setattr(module, part.__name__, part)
    return module


_MODULES = {
    "torch": _module("torch", FloatStorage, LongStorage, ComplexFloatStorage),
    "torch._utils": _module("torch._utils", _rebuild_tensor_v2),
}


class _Pickler(pickle.Pickler):
    """Pickles views as PyTorch does tensors, and their storages by reference."""

    def __init__(self, file, storages, types, older):
        super().__init__(file, protocol=2)
        self._storages, self._types, self._older = storages, types, older

    def reducer_override(self, value):
        """Says how a view is made."""
        if not isinstance(value, View):
            return NotImplemented
        storage = _Reference(value.storage)
        hooks = OrderedDict()
        return _rebuild_tensor_v2, (storage, *value[1:], False, hooks)

    def persistent_id(self, value):
        """Says what stands for a storage."""
        if not isinstance(value, _Reference):
            return None
        place, length = value.index, len(self._storages[value.index])
        found = ("storage", self._types[place], str(place), "cpu", length)
        return (*found, None) if self._older else found


class _Reference(NamedTuple):
    index: int


def torch_file(content, storages, *, older=False, types=None, byteorder=None) -> bytes:
    """Returns a file as `torch.save` writes it.

    Args:
        content: what it holds, with views for tensors.
        storages: arrays of numbers that the views are of.
        older: whether in the layout of before PyTorch 1.6.
        types: of the storages. Default: of floats.
        byteorder: to be named in the file.
    """
    types = types or [FloatStorage] * len(storages)
    file = io.BytesIO()
    known = {name: sys.modules.get(name) for name in _MODULES}
    sys.modules.update(_MODULES)
    try:
        if older:
            little = {"protocol_version": 1001, "little_endian": True}
            for part in (0x1950A86A20F9469CFC6C, 1001, little):
                pickle.dump(part, file, protocol=2)
        _Pickler(file, storages, types, older).dump(content)
    finally:
        for name, module in known.items():
            sys.modules.pop(name)
            if module:
                sys.modules[name] = module
    if older:
        pickle.dump([str(i) for i in range(len(storages))], file, protocol=2)
        for array in storages:
            file.write(len(array).to_bytes(8, "little") + array.tobytes())
        return file.getvalue()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("alexnet/data.pkl", file.getvalue())
        for index, array in enumerate(storages):
            archive.writestr(f"alexnet/data/{index}", array.tobytes())
        if byteorder:
            archive.writestr("alexnet/byteorder", byteorder)
    return target.getvalue()


def state_dict(arrays, **options) -> bytes:
    """Returns a file of float32 arrays by name, each in a storage of its own."""
    content = OrderedDict(
        (name, View(index, 0, array.shape, _strides(array.shape)))
        for index, (name, array) in enumerate(arrays.items())
    )
    content._metadata = OrderedDict(version=1)
    storages = [np.float32(array).ravel() for array in arrays.values()]
    return torch_file(content, storages, **options)


def _strides(shape):
    steps = np.cumprod((1, *shape[::-1]))[:-1]
    return tuple(int(step) for step in steps[::-1])
