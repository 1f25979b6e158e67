"""Reads pickles of plain values without running foreign code.

A pickle is a small program, and Python's readers run every function that it names. This
reader knows a dozen functions of its own, which make sets, byte strings and numpy
arrays of numbers or strings. It reads pickles of Python 2 and 3, protocols 0 to 5, and
decodes strings of Python 2 as Latin-1.
"""

import io
import math
import pickle
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.system.errors import InputError

_ADMITTED = "only containers, strings, numbers and numpy arrays are admitted"
# Numbers and strings of a fixed length: no objects, records or dates.
_TYPE_CODE = re.compile(r"[<>=|]?([biufcSU])([1-9]\d{0,8})")
_EMPTY_BYTES = 1 << 20
_CONTAINERS = (dict, list, tuple, set, frozenset)
_LEAVES = (str, bytes, bytearray, bool, int, float, complex, type(None))
_REPEATS = "contains itself, or one part too many times over"
# Parts that a byte of the file may stand for; of values not shared it is less than one.
_PARTS_PER_BYTE = 10

# Not among them: instances (NEWOBJ), persistent ids, extensions, outside buffers.
_OPCODES = """
    PROTO FRAME STOP MARK POP POP_MARK DUP
    PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
    NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
    EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET
    GLOBAL STACK_GLOBAL INST REDUCE BUILD
""".split()  # noqa: SIM905 (a list would have a line for each)

# Python's reader in Python; the one in C makes room for whatever the bytes ask for.
# What its type stub does not know of it is used here.
_Unpickler: Any = pickle._Unpickler


def load(path: str | Path) -> Any:
    """Reads a pickle.

    Returns:
        Value of the pickle: dicts (also ordered ones), lists, tuples, sets, strings,
        byte strings, numbers, None, numpy arrays and numpy scalars.

    Raises:
        InputError: The file cannot be read, is damaged or not a pickle, or holds
            another kind of value; the message names it.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        loaded = _Reader(content).load()
        _check(loaded, most=_PARTS_PER_BYTE * len(content))
    except _RefusedError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        # Damaged bytes raise nearly every kind of exception.
        raise InputError(
            f"{path}: a damaged pickle, or none ({type(error).__name__})"
        ) from error
    return loaded


class _RefusedError(Exception):
    """The pickle holds a value that is not allowed."""


class _Reader(_Unpickler):
    """Python's reader with few opcodes and functions."""

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._room = _PARTS_PER_BYTE * len(content)

    def find_class(self, module: str, name: str) -> Any:
        """Returns a function that a pickle names, if it is allowed."""
        try:
            return _FUNCTIONS[module, name]
        except KeyError:
            shown = f"{module}.{name}"[:100].encode("unicode_escape").decode()
            raise _RefusedError(f"refers to {shown}; {_ADMITTED}") from None

    def _load_reduce(self) -> None:
        self._use_up(self.stack[-1])
        super().load_reduce()

    def _load_build(self) -> None:
        state, instance = self.stack.pop(), self.stack[-1]
        self._use_up(state)
        if type(instance) is np.ndarray:
            _fill(instance, state)
        elif type(instance) is DataType:
            instance.set_state(state)
        else:
            raise _RefusedError(f"sets attributes of an object; {_ADMITTED}")

    def _load_dict(self) -> None:
        items = self.pop_mark()
        self.append(_dict(zip(items[::2], items[1::2], strict=True)))

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1].update(_dict([(key, value)]))

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        self.stack[-1].update(_dict(zip(items[::2], items[1::2], strict=True)))

    def _load_additems(self) -> None:
        items = self.pop_mark()
        self.stack[-1].update(_set(items))

    def _load_frozenset(self) -> None:
        items = self.pop_mark()
        self.append(_frozenset(items))

    def _load_bytearray8(self) -> None:
        # Read first: Python's own makes room for whatever length the bytes give.
        (length,) = struct.unpack("<Q", self.read(8))
        content = self.read(length)
        if len(content) < length:
            raise EOFError
        self.append(bytearray(content))

    def _use_up(self, arguments: Iterable[Any]) -> None:
        """Refuses repeated copies of one large part."""
        self._room -= sum(len(part) for part in arguments if hasattr(part, "__len__"))
        if self._room < 0:
            raise _RefusedError(_REPEATS)

    dispatch = {
        getattr(pickle, name)[0]: _Unpickler.dispatch[getattr(pickle, name)[0]]
        for name in _OPCODES
    } | {
        pickle.REDUCE[0]: _load_reduce,
        pickle.BUILD[0]: _load_build,
        pickle.BYTEARRAY8[0]: _load_bytearray8,
        pickle.DICT[0]: _load_dict,
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: _load_setitems,
        pickle.ADDITEMS[0]: _load_additems,
        pickle.FROZENSET[0]: _load_frozenset,
    }


def _dict(items: Iterable[tuple[Any, Any]]) -> dict:
    return {_key(key): value for key, value in items}


def _ordered_dict(items: Iterable[tuple[Any, Any]] = ()) -> OrderedDict:
    return OrderedDict(_dict(items))


def _set(items: Iterable[Any] = ()) -> set:
    return {_key(item) for item in items}


def _frozenset(items: Iterable[Any] = ()) -> frozenset:
    return frozenset(_set(items))


def _key(key: Any) -> Any:
    # Of a tuple a hundred thousand deep, Python dies when it takes the hash.
    if type(key) not in _LEAVES and not isinstance(key, np.generic):
        raise _RefusedError(f"has a {type(key).__name__} for a key or in a set")
    return key


def _no_bytes() -> bytes:
    return b""


def _complex(real: float, imaginary: float) -> complex:
    return complex(real, imaginary)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1", "utf-8", "utf8", "ascii"):
        raise _RefusedError(f"refers to the encoding {encoding[:20]!r}; {_ADMITTED}")
    return text.encode(encoding)


class DataType:
    """A numpy dtype in a pickle: its code, completed by `set_state`."""

    def __init__(self, code: str, *_: object):
        match = _TYPE_CODE.fullmatch(code)
        if not match:
            raise _RefusedError(f"holds a numpy array of {code[:20]!r}; {_ADMITTED}")
        self._code = "".join(match.groups())
        self._order = "|"

    def set_state(self, state: tuple) -> None:
        """Sets the byte order; other fields, which records have, are refused."""
        order, *fields = state[1:5]
        if order not in ("<", ">", "=", "|") or any(f is not None for f in fields):
            raise _RefusedError(f"holds a numpy array of records; {_ADMITTED}")
        self._order = order

    def make(self) -> np.dtype:
        """Returns the dtype."""
        return np.dtype(self._order + self._code)


def _ndarray() -> None:
    """Stands for the class, which pickles name but do not call."""
    raise _RefusedError(f"calls numpy.ndarray; {_ADMITTED}")


def _reconstruct(kind: object, shape: tuple, _: object) -> np.ndarray:
    """Returns an array that `set_state` will fill."""
    if kind is not _ndarray or shape != (0,):
        raise _RefusedError(f"holds a numpy array of another class; {_ADMITTED}")
    return np.empty(0, np.int8)


def _fill(array: np.ndarray, state: tuple) -> None:
    """Fills an array in place, because the pickle may refer to it already."""
    _, shape, data_type, is_fortran, data = state
    made = _from_bytes(data, data_type, shape, "F" if is_fortran else "C")
    content: Any = 1, made.shape, made.dtype, bool(is_fortran), made.tobytes("A")
    array.__setstate__(content)


def _scalar(data_type: DataType, data: bytes | str) -> Any:
    """Returns a numpy scalar."""
    return _from_bytes(data, data_type, (), "C")[()]


def _from_bytes(
    data: bytes | str,
    data_type: DataType,
    shape: tuple[int, ...],
    order: Any,
    axes: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Returns an array.

    Args:
        data: Bytes of the array; a pickle of Python 2 has them as Latin-1 text.
        data_type: Type of the elements.
        shape: Shape of the array.
        order: Order of the elements in memory, `C` or `F`.
        axes: Replaces `order`: permutation of the axes of an array in C order.

    Raises:
        _RefusedError: The bytes are not those of such an array, or it has no elements
            and yet a billion rows.
        TypeError, ValueError: The arguments are not of these kinds.
    """
    if not isinstance(data, (str, bytes, bytearray)):
        raise TypeError("data")
    raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
    dtype = data_type.make()
    if any(type(count) is not int or count < 0 for count in shape):
        raise ValueError("shape")
    said = f"holds a numpy array of {dtype} and shape {list(shape)[:8]}"
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise _RefusedError(f"{said}, but {len(raw):,} bytes for it")
    room = max(len(raw), _EMPTY_BYTES)
    if math.prod(count or 1 for count in shape) * dtype.itemsize > room:
        raise _RefusedError(f"{said}, without elements")
    array = np.frombuffer(raw, dtype)
    if axes is not None:
        return array.reshape(shape).transpose(axes).copy(order="K")
    return array.reshape(shape, order=order).copy(order="A")


# Python 2 and 3 name them differently, and so do numpy 1 and 2.
_FUNCTIONS: dict[tuple[str, str], Callable] = {
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _ordered_dict,
    ("numpy", "dtype"): DataType,
    ("numpy", "ndarray"): _ndarray,
}
for _module in ("__builtin__", "builtins"):
    _FUNCTIONS[_module, "set"] = _set
    _FUNCTIONS[_module, "frozenset"] = _frozenset
    _FUNCTIONS[_module, "bytes"] = _no_bytes
    _FUNCTIONS[_module, "complex"] = _complex
for _module in ("numpy.core", "numpy._core"):
    _FUNCTIONS[f"{_module}.multiarray", "_reconstruct"] = _reconstruct
    _FUNCTIONS[f"{_module}.multiarray", "scalar"] = _scalar
    _FUNCTIONS[f"{_module}.numeric", "_frombuffer"] = _from_bytes


def _check(loaded: Any, *, most: int) -> None:
    """Raises `_RefusedError` if a value is of a kind that is not allowed.

    Also refuses a value that contains itself, or a part so often that a short file
    unfolds to billions of values.
    """
    count, waiting = 0, [loaded]
    while waiting:
        value = waiting.pop()
        if isinstance(value, _CONTAINERS):
            count += len(value)
            if count > most:
                raise _RefusedError(_REPEATS)
            waiting.extend(value)
            if isinstance(value, dict):
                waiting.extend(value.values())
        elif not isinstance(value, (*_LEAVES, np.ndarray, np.generic)):
            raise _RefusedError(f"holds a {type(value).__name__}; {_ADMITTED}")
