"""Makes numpy arrays of what a pickle says of them, and trusts none of it."""

import math
import re
from typing import Any

import numpy as np

ADMITTED = "only containers, strings, numbers and numpy arrays are admitted"
# Numbers and strings of a fixed length: no objects, records or dates.
_TYPE_CODE = re.compile(r"[<>=|]?([biufcSU])([1-9]\d{0,8})")
_EMPTY_BYTES = 1 << 20


class RefusedError(Exception):
    """The pickle holds what is not admitted."""


class DataType:
    """What a pickle says of a numpy dtype: its code, then by `set_state` the rest."""

    def __init__(self, code: str, *_: object):
        match = _TYPE_CODE.fullmatch(code)
        if not match:
            raise RefusedError(f"holds a numpy array of {code[:20]!r}; {ADMITTED}")
        self._code = "".join(match.groups())
        self._order = "|"

    def set_state(self, state: tuple) -> None:
        """Takes the byte order; the other fields are those of records."""
        order, *fields = state[1:5]
        if order not in ("<", ">", "=", "|") or any(f is not None for f in fields):
            raise RefusedError(f"holds a numpy array of records; {ADMITTED}")
        self._order = order

    def make(self) -> np.dtype:
        """Returns the dtype."""
        return np.dtype(self._order + self._code)


def ndarray() -> None:
    """Stands for the class, which is named but not called."""
    raise RefusedError(f"calls numpy.ndarray; {ADMITTED}")


def reconstruct(kind: object, shape: tuple, _: object) -> np.ndarray:
    """Returns an array that `set_state` will fill."""
    if kind is not ndarray or shape != (0,):
        raise RefusedError(f"holds a numpy array of another class; {ADMITTED}")
    return np.empty(0, np.int8)


def set_state(array: np.ndarray, state: tuple) -> None:
    """Fills an array, in place: the pickle may know it by a number already."""
    _, shape, data_type, is_fortran, data = state
    made = from_bytes(data, data_type, shape, "F" if is_fortran else "C")
    content: Any = 1, made.shape, made.dtype, bool(is_fortran), made.tobytes("A")
    array.__setstate__(content)


def scalar(data_type: DataType, data: bytes | str) -> Any:
    """Returns a numpy scalar."""
    return from_bytes(data, data_type, (), "C")[()]


def from_bytes(
    data: bytes | str,
    data_type: DataType,
    shape: tuple[int, ...],
    order: Any,
    axes: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Returns an array.

    Args:
        data: its bytes and no more; a pickle of Python 2 has them as Latin-1 text.
        data_type: of its elements.
        shape: of the array.
        order: of the bytes in memory, `C` or `F`.
        axes: instead of `order`: of a C array, how its axes are put then.

    Raises:
        RefusedError: the bytes are not those of such an array, or it has no elements
            and yet a billion rows.
        TypeError, ValueError: the arguments are not of these kinds.
    """
    if not isinstance(data, (str, bytes, bytearray)):
        raise TypeError("data")
    raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
    dtype = data_type.make()
    if any(type(count) is not int or count < 0 for count in shape):
        raise ValueError("shape")
    said = f"holds a numpy array of {dtype} and shape {list(shape)[:8]}"
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise RefusedError(f"{said}, but {len(raw):,} bytes for it")
    room = max(len(raw), _EMPTY_BYTES)
    if math.prod(count or 1 for count in shape) * dtype.itemsize > room:
        raise RefusedError(f"{said}, without elements")
    array = np.frombuffer(raw, dtype)
    if axes is not None:
        return array.reshape(shape).transpose(axes).copy(order="K")
    return array.reshape(shape, order=order).copy(order="A")
