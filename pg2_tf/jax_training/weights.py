"""Weights files: an `.npz` file of arrays by network and path."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from preprocessing.system import files
from preprocessing.system.errors import InputError

NAME = "weights.npz"


def save_weights(
    path: str | Path,
    networks: Mapping[str, keras.Model],
    weights: Mapping[str, Sequence[Any]],
    *,
    dtype: str = "float32",
) -> None:
    """Writes networks' weights to an `.npz` file, by network and path.

    Args:
        path: File to write, whole or not at all.
        networks: Networks by name.
        weights: Trainable weights by the same names.
        dtype: `float32` or `float16`.
    """
    arrays: dict[str, Any] = {}
    for name, network in networks.items():
        pairs = zip(network.trainable_variables, weights[name], strict=True)
        for variable, value in pairs:
            arrays[f"{name}/{variable.path}"] = np.asarray(value, dtype)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)

    files.write_atomically(path, write)


def load_weights(network: keras.Model, path: str | Path) -> None:
    """Loads a network's weights from a file that `save_weights` wrote.

    Args:
        network: A generator or D.
        path: Weights file.

    Raises:
        InputError: The file cannot be read, or its weights are of another network.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            for variable in network.trainable_variables:
                value = file[f"{network.name}/{variable.path}"]
                if value.shape != tuple(variable.shape):
                    raise InputError(
                        f"{path}: {network.name}/{variable.path} has the shape "
                        f"{list(value.shape)}, needed {list(variable.shape)}"
                    )
                variable.assign(value.astype("float32"))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: no weights of {network.name} ({error})") from error
