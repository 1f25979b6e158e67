"""Weights in files of PyTorch: both layouts are read, and nothing in them is run."""

import os
import pickle

import numpy as np
import pytest
from pg2_tf_torch_helpers import (
    ComplexFloatStorage,
    FloatStorage,
    LongStorage,
    View,
    state_dict,
    torch_file,
)

from pg2_tf.evaluation.metrics import torch_files
from preprocessing.system.errors import InputError

NUMBERS = np.arange(24, dtype=np.float32)
LAYOUTS = pytest.mark.parametrize("older", [False, True])


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        return torch_files.read(path)

    return read


@pytest.fixture
def refused(read, tmp_path):
    """Returns the line that says why content is not read."""

    def refused(content):
        with pytest.raises(InputError) as error:
            read(content)
        line = str(error.value)
        assert line.startswith(
            f"{tmp_path / 'weights.pth'}: no PyTorch file of weights"
        )
        assert "\n" not in line
        return line

    return refused


@LAYOUTS
def test_arrays_come_back_by_name(read, older):
    rng = np.random.default_rng(0)
    arrays = {
        "features.0.weight": rng.normal(size=(4, 3, 2, 2)).astype(np.float32),
        "features.0.bias": rng.normal(size=4).astype(np.float32),
        "scale": np.float32(3),
    }
    found = read(state_dict(arrays, older=older))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)


@LAYOUTS
def test_views_of_one_storage_have_their_own_order(read, older):
    content = {
        "transposed": View(0, 2, (4, 3), (1, 4)),
        "part": View(0, 20, (2,), (2,)),
        "counts": View(1, 0, (2,), (1,)),
        "none": View(0, 24, (0, 3), (3, 1)),
    }
    storages = [NUMBERS, np.array([7, -8])]
    types = [FloatStorage, LongStorage]
    found = read(torch_file(content, storages, older=older, types=types))
    expected = NUMBERS[2:14].reshape(3, 4).T
    np.testing.assert_array_equal(found["transposed"], expected)
    np.testing.assert_array_equal(found["part"], [20, 22])
    np.testing.assert_array_equal(found["counts"], [7, -8])
    assert found["none"].shape == (0, 3)


@LAYOUTS
@pytest.mark.parametrize(
    "view",
    [
        View(0, 0, (25,), (1,)),
        View(0, 20, (2, 3), (3, 1)),
        View(0, -1, (2,), (1,)),
        View(0, 23, (2,), (-1,)),
        View(0, 0, (1 << 40, 1 << 40), (1 << 40, 1)),
    ],
)
def test_views_beyond_their_numbers_are_refused(refused, older, view):
    line = refused(torch_file({"a": view}, [NUMBERS], older=older))
    assert "a tensor that reaches beyond its numbers" in line


class Command:
    """Runs a command where it is unpickled without care."""

    def __init__(self, place):
        self._place = place

    def __reduce__(self):
        return os.system, (f"touch {self._place}",)


@LAYOUTS
def test_nothing_in_a_file_is_run(refused, tmp_path, older):
    content = {"a": View(0, 0, (2,), (1,)), "b": Command(tmp_path / "ran")}
    line = refused(torch_file(content, [NUMBERS], older=older))
    assert f"it refers to {os.system.__module__}.system" in line
    assert not (tmp_path / "ran").exists()
    assert "system" in refused(pickle.dumps(Command(tmp_path / "ran")))
    assert not (tmp_path / "ran").exists()


@LAYOUTS
def test_other_content_is_refused(refused, older):
    nested = {"model": {"a": View(0, 0, (2,), (1,))}}
    line = refused(torch_file(nested, [NUMBERS], older=older))
    assert "it is no dictionary of arrays by name" in line
    types = [ComplexFloatStorage]
    content = {"a": View(0, 0, (2,), (1,))}
    line = refused(torch_file(content, [NUMBERS], older=older, types=types))
    assert "it refers to torch.ComplexFloatStorage" in line


@LAYOUTS
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_files_cut_off_are_refused(refused, older, share):
    content = state_dict({"a": NUMBERS, "b": NUMBERS}, older=older)
    refused(content[: int(share * len(content))])


def test_files_of_other_kinds_are_refused(refused):
    refused(b"<html>not found</html>")
    assert "it does not start as one" in refused(pickle.dumps({"a": 1}))
    content = {"a": View(0, 0, (2,), (1,))}
    assert "big-endian" in refused(torch_file(content, [NUMBERS], byteorder="big"))


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "nowhere.pth"
    with pytest.raises(InputError, match="cannot be read") as error:
        torch_files.read(path)
    assert str(error.value).startswith(f"{path}: ")
