"""Reads pickles of plain values, and cannot be made to do anything else.

A pickle is a small program, and Python's own readers run whatever function it names.
This one knows a dozen functions, all of them this project's: what makes sets, byte
strings and numpy arrays of numbers or strings. Pickles of Python 2 and 3 are read,
protocols 0 to 5; strings of Python 2 are taken as Latin-1.
"""

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.system import pickled_numpy
from preprocessing.system.errors import InputError
from preprocessing.system.pickled_numpy import ADMITTED, DataType, RefusedError

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
        What was pickled: dicts (also ordered ones), lists, tuples, sets, strings,
        byte strings, numbers, None, numpy arrays and numpy scalars.

    Raises:
        InputError: the file cannot be read, is damaged or no pickle, or holds or
            refers to anything else; the message names it.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        loaded = _Reader(content).load()
        _check(loaded, most=_PARTS_PER_BYTE * len(content))
    except RefusedError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        # Damaged bytes raise nearly every kind of exception, each where it hits.
        raise InputError(
            f"{path}: a damaged pickle, or none ({type(error).__name__})"
        ) from error
    return loaded


class _Reader(_Unpickler):
    """Python's own reader with few opcodes and functions left in it."""

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._room = _PARTS_PER_BYTE * len(content)

    def find_class(self, module: str, name: str) -> Any:
        """Returns what a pickle names, or refuses to."""
        try:
            return _FUNCTIONS[module, name]
        except KeyError:
            shown = f"{module}.{name}"[:100].encode("unicode_escape").decode()
            raise RefusedError(f"refers to {shown}; {ADMITTED}") from None

    def _load_reduce(self) -> None:
        self._use_up(self.stack[-1])
        super().load_reduce()

    def _load_build(self) -> None:
        state, instance = self.stack.pop(), self.stack[-1]
        self._use_up(state)
        if type(instance) is np.ndarray:
            pickled_numpy.set_state(instance, state)
        elif type(instance) is DataType:
            instance.set_state(state)
        else:
            raise RefusedError(f"sets attributes of an object; {ADMITTED}")

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
        """Refuses to make copy after copy of one large part."""
        self._room -= sum(len(part) for part in arguments if hasattr(part, "__len__"))
        if self._room < 0:
            raise RefusedError(_REPEATS)

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
        raise RefusedError(f"has a {type(key).__name__} for a key or in a set")
    return key


def _no_bytes() -> bytes:
    return b""


def _complex(real: float, imaginary: float) -> complex:
    return complex(real, imaginary)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1", "utf-8", "utf8", "ascii"):
        raise RefusedError(f"refers to the encoding {encoding[:20]!r}; {ADMITTED}")
    return text.encode(encoding)


# Python 2 and 3 name them differently, and so do numpy 1 and 2.
_FUNCTIONS: dict[tuple[str, str], Callable] = {
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _ordered_dict,
    ("numpy", "dtype"): DataType,
    ("numpy", "ndarray"): pickled_numpy.ndarray,
}
for _module in ("__builtin__", "builtins"):
    _FUNCTIONS[_module, "set"] = _set
    _FUNCTIONS[_module, "frozenset"] = _frozenset
    _FUNCTIONS[_module, "bytes"] = _no_bytes
    _FUNCTIONS[_module, "complex"] = _complex
for _module in ("numpy.core", "numpy._core"):
    _FUNCTIONS[f"{_module}.multiarray", "_reconstruct"] = pickled_numpy.reconstruct
    _FUNCTIONS[f"{_module}.multiarray", "scalar"] = pickled_numpy.scalar
    _FUNCTIONS[f"{_module}.numeric", "_frombuffer"] = pickled_numpy.from_bytes


def _check(loaded: Any, *, most: int) -> None:
    """Raises `RefusedError` where a value is of a kind that is not admitted.

    A value that contains itself, or one part so often that a short file unfolds to
    billions of values, is refused too: nobody could walk through it.
    """
    count, waiting = 0, [loaded]
    while waiting:
        value = waiting.pop()
        if isinstance(value, _CONTAINERS):
            count += len(value)
            if count > most:
                raise RefusedError(_REPEATS)
            waiting.extend(value)
            if isinstance(value, dict):
                waiting.extend(value.values())
        elif not isinstance(value, (*_LEAVES, np.ndarray, np.generic)):
            raise RefusedError(f"holds a {type(value).__name__}; {ADMITTED}")
