"""Pickles: plain values come through, anything else is refused by name."""

import collections
import contextlib
import datetime
import fractions
import os
import pickle
import random
import shutil
import struct
import time

import numpy as np
import pytest

from preprocessing.system import safe_pickle
from preprocessing.system.errors import InputError

PROTOCOLS = range(6)
PLAIN = {
    "numbers": [0, -1, 255, 70000, 10**30, 1.5, float("inf"), 2 - 3j, True, None],
    "strings": ["", "abc", "hé\n'\"", b"", b"\x00\xff"],
    "nested": ({"a": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]}, {1, 2}, {}),
    "frozen": frozenset([1, "a"]),
    "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
}
ARRAYS = {
    "floats": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "turned": np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    "nobody": np.zeros((0, 20)),
    "one": np.array(3, np.uint8),
    "truth": np.array([True, False]),
    "text": np.array(["hé", "b"]),
    "bytes": np.array([b"ab", b"c"]),
    "scalar": np.float64(0.5),
    "integer": np.int64(-7),
}


@pytest.fixture
def load(tmp_path):
    """Loads bytes from a file."""

    def load(content):
        path = tmp_path / "values.p"
        path.write_bytes(content)
        return safe_pickle.load(path)

    return load


def refused(load, content, says):
    with pytest.raises(InputError, match=says) as error:
        load(content)
    message = str(error.value)
    assert "values.p: " in message
    assert "\n" not in message


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_through(load, protocol):
    assert repr(load(pickle.dumps(PLAIN, protocol))) == repr(PLAIN)
    loaded = load(pickle.dumps(ARRAYS, protocol))
    for name, array in ARRAYS.items():
        assert type(loaded[name]) is type(array), name
        assert loaded[name].dtype == array.dtype, name
        np.testing.assert_array_equal(loaded[name], array)


def test_what_a_pickle_shares_is_shared(load):
    row = [np.zeros(3), "a"]
    first, second = load(pickle.dumps([row, row], 2))
    assert first is second


# As Python 2.7 with numpy 1 writes it: {'a': array([1., 2.]), 'b': array(['xy', 'z']),
# 'n': numpy.int64(5), 's': set(['q'])}, protocol 0.
PYTHON2 = rb"""(dp0
S'a'
p1
cnumpy.core.multiarray
_reconstruct
p2
(cnumpy
ndarray
p3
(I0
tp4
S'b'
p5
tp6
Rp7
(I1
(I2
tp8
cnumpy
dtype
p9
(S'f8'
p10
I0
I1
tp11
Rp12
(I3
S'<'
p13
NNNI-1
I-1
I0
tp14
bI00
S'\x00\x00\x00\x00\x00\x00\xf0?\x00\x00\x00\x00\x00\x00\x00@'
p15
tp16
bsS'b'
p17
g2
(g3
(I0
tp18
g5
tp19
Rp20
(I1
(L2L
tp21
g9
(S'S2'
p22
I0
I1
tp23
Rp24
(I3
S'|'
p25
NNNI2
I1
I0
tp26
bI00
S'xyz\x00'
p27
tp28
bsS'n'
p29
cnumpy.core.multiarray
scalar
p30
(g9
(S'i8'
p31
I0
I1
tp32
Rp33
(I3
S'<'
p34
NNNI-1
I-1
I0
tp35
bS'\x05\x00\x00\x00\x00\x00\x00\x00'
p36
tp37
Rp38
sS's'
p39
c__builtin__
set
p40
((lp41
S'q'
p42
atp43
Rp44
s."""


def test_python2_and_numpy1_are_read(load):
    loaded = load(PYTHON2)
    np.testing.assert_array_equal(loaded["a"], [1.0, 2.0])
    np.testing.assert_array_equal(loaded["b"], np.array([b"xy", b"z"]))
    assert loaded["n"] == 5
    assert loaded["s"] == {"q"}
    assert load(b"\x80\x02U\x03h\xe9!.") == "hé!"


class Marking:
    """Unpickled by Python, it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class Person:
    """A class of one's own."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_functions_are_refused_by_name_and_not_called(load, tmp_path, protocol):
    mark = tmp_path / "mark"
    content = pickle.dumps({"a": [Marking(mark)]}, protocol)
    refused(load, content, rf"refers to {os.name}\.system; only containers, strings, ")
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (eval, "eval"),
        (shutil.rmtree, r"shutil\.rmtree"),
        (Person(), r"copy_?reg\._reconstructor|\.Person"),
        (datetime.date(2017, 12, 4), r"datetime\.date"),
        (fractions.Fraction(1, 2), r"fractions\.Fraction"),
        (collections.defaultdict(list), r"collections\.defaultdict"),
        (bytearray, r"bytearray"),
    ],
)
def test_objects_are_refused_by_name(load, protocol, value, name):
    refused(load, pickle.dumps([value], protocol), rf"refers to .*({name}); only")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([{}, None], object), "numpy array of 'O8'"),
        (np.zeros(2, [("a", "f8")]), "numpy array of 'V8'"),
        (np.array(["2017-12-04"], "M8[D]"), "numpy array of 'M8"),
        (np.ma.array([1.0]), r"numpy\.ma"),
    ],
)
def test_arrays_of_anything_else_are_refused(load, protocol, array, says):
    refused(load, pickle.dumps(array, protocol), says)


BUILD_EMPTY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
DOUBLE = b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"cos\nsystem\n(S'ls'\ntR.", r"refers to os\.system"),
        (b"(ios\nsystem\n.", r"refers to os\.system"),
        (b"\x80\x04\x8c\x02os\x8c\x05sy\nst\x93.", r"refers to os\.sy\\nst"),
        (b"cnumpy\nndarray\n(I9999999999\ntR.", "calls numpy.ndarray|TypeError"),
        (b"cnumpy\nndarray\n.", "holds a function"),
        (b"cnumpy\ndtype\n(S'f8'\ntR.", "holds a DataType"),
        (b"cnumpy\ndtype\n}S'a'\nI1\nsb.", "sets attributes of an object"),
        (b"c_codecs\nencode\n(V\nVzlib\ntR.", "encoding 'zlib'"),
        (b"cbuiltins\nbytes\n(I999999999999\ntR.", "TypeError"),
        (b"P0\n.", "damaged pickle, or none"),
        (b"\x82\x01.", "damaged pickle, or none"),
        (b"}(tI1\ns.", "tuple for a key"),
        (
            BUILD_EMPTY + b"(I1\n(I999999999999\nt" + DOUBLE + b"I00\nS'ab'\ntb.",
            "2 byt",
        ),
        (
            BUILD_EMPTY + b"(I1\n(I99999\nI99999999\nI0\nt" + DOUBLE + b"I00\nS''\ntb.",
            "el",
        ),
        (
            BUILD_EMPTY + b"(I1\n(I-1\nI-1\nt" + DOUBLE + b"I00\nS'12345678'\ntb.",
            "Value",
        ),
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.", "damaged pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"abc.", "damaged pickle"),
        (b"\x80\x02(r\xff\xff\xff\x7f.", "damaged pickle|holds a"),
        (b"I1\np99999999999999\n", "damaged pickle, or none .EOFError"),
        (b"", "damaged pickle, or none .EOFError"),
        (b"\x89PNG\r\n\x1a\n", "damaged pickle, or none"),
    ],
)
def test_made_up_bytes_are_refused(load, content, says):
    refused(load, content, says)


def test_a_deep_key_does_not_end_python(load):
    deep = b"\x80\x02})" + b"\x85" * 50_000
    refused(load, deep + b"I1\ns.", "tuple for a key")
    refused(load, b"\x80\x04\x8f()" + b"\x85" * 50_000 + b"\x90.", "tuple for a key")


def test_a_short_pickle_cannot_unfold_to_billions_of_values(load):
    rows = [1, 2, 3, 4, 5, 6, 7, 8]
    for _ in range(12):
        rows = [rows] * 8
    refused(load, pickle.dumps(rows, 2), "one part too many times over")
    own = []
    own.append(own)
    refused(load, pickle.dumps(own, 2), "contains itself")
    large = b"\x80\x02c_codecs\nencode\nq\x00X" + struct.pack("<I", 50_000)
    large += b"a" * 50_000 + b"q\x01X\x05\x00\x00\x00ascii\x86q\x020"
    refused(load, large + b"h\x00h\x02R0" * 10_000 + b"N.", "one part too many times")


@pytest.mark.filterwarnings("ignore:invalid")
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_damaged_bytes_give_a_value_or_one_line(load, protocol):
    content = pickle.dumps({**PLAIN, **ARRAYS}, protocol) if protocol else PYTHON2
    for end in range(0, len(content) - 1, 7):
        refused(load, content[:end], "damaged pickle, or none|holds|refers")
    rng = random.Random(protocol)
    started = time.monotonic()
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with contextlib.suppress(InputError):
            load(bytes(damaged))
    assert time.monotonic() - started < 20


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"none\.p: cannot be read \(No such file"):
        safe_pickle.load(tmp_path / "none.p")
    with pytest.raises(InputError, match="cannot be read"):
        safe_pickle.load(tmp_path)
