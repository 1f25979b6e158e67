"""The released code's TensorFlow 1 checkpoints, read into our networks."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pg2_tf.model.config import ModelConfig
from pg2_tf.model.networks import Networks
from preprocessing.system.errors import InputError

_G1, _G2, _D = "Pose_AE/G", "UAEnoFC/G", "Discriminator"


class Origin(NamedTuple):
    """Origin of the weights of a layer.

    Attributes:
        layer: Name of a layer of our networks.
        names: The authors' names of its trainable weights, in their order.
    """

    layer: keras.layers.Layer
    names: tuple[str, ...]


def read_checkpoint(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Returns the name and shape of every variable of a checkpoint.

    Raises:
        InputError: There is no readable checkpoint at `path`.
    """
    reader = _reader(path)
    shapes = reader.get_variable_to_shape_map()
    return {name: tuple(shape) for name, shape in shapes.items()}


def model_config(base: ModelConfig, shapes: dict[str, tuple[int, ...]]) -> ModelConfig:
    """Returns `base` with the widths that a checkpoint's shapes show.

    Raises:
        InputError: A variable that shows a width is missing; the message names it.
    """

    def last(name: str) -> int:
        if name not in shapes:
            raise InputError(f"the checkpoint has no variable {name}")
        return shapes[name][-1]

    return dataclasses.replace(
        base,
        width=last(f"{_G1}/Conv/weights"),
        bottleneck=last(f"{_G1}/fully_connected/weights"),
        discriminator_width=last(f"{_D}.1/{_D}.1.Filters"),
        discriminator_input="image",
    )


def assign(networks: Networks, config: ModelConfig, path: str | Path) -> list[str]:
    """Copies a checkpoint's variables into the networks.

    Args:
        networks: Networks of stage 2, built from `config`.
        config: Configuration with `discriminator_input="image"`.
        path: Path of the checkpoint without `.index`.

    Returns:
        The names of the variables that were skipped.

    Raises:
        InputError: A variable is missing or of another shape; the message names it.
    """
    reader = _reader(path)
    shapes = reader.get_variable_to_shape_map()
    used = set()
    values = []
    for layer, names in origins(networks, config):
        for weight, name in zip(layer.trainable_weights, names, strict=True):
            if name not in shapes:
                raise InputError(f"{path}: has no variable {name}")
            value = _read(reader, path, name)
            if name.endswith("Output.W"):
                value = _channels_last(value, config, path)
            if value.shape != tuple(weight.shape):
                raise InputError(
                    f"{path}: {name} has the shape {list(value.shape)}, "
                    f"needed {list(weight.shape)}"
                )
            used.add(name)
            values.append((weight, value))
    for weight, value in values:
        weight.assign(value)
    return sorted(set(shapes) - used)


def origins(networks: Networks, config: ModelConfig) -> Iterator[Origin]:
    """Yields every layer with weights, with the authors' names of its weights."""
    yield from _generator(networks.generator1, _G1, _generator1_layers(config))
    yield from _generator(networks.generator2, _G2, _generator2_layers(config))
    discriminator = networks.discriminator
    assert discriminator is not None  # Stage 2's networks have one.
    for layer in range(1, config.num_discriminator_layers + 1):
        name = f"{_D}.{layer}/{_D}.{layer}"
        yield Origin(
            discriminator.get_layer(f"conv{layer}"),
            (f"{name}.Filters", f"{name}.Biases"),
        )
        if layer > 1:
            # Neither code ever reads the moving statistics.
            yield Origin(
                discriminator.get_layer(f"norm{layer}"),
                (f"{_D}.BN{layer}.scale", f"{_D}.BN{layer}.offset"),
            )
    name = f"{_D}.Output/{_D}.Output"
    yield Origin(discriminator.get_layer("logit"), (f"{name}.W", f"{name}.b"))


def _generator(model: keras.Model, scope: str, names: list[str]) -> Iterator[Origin]:
    convolutions = dense = 0
    for name in names:
        layer = model.get_layer(name)
        if isinstance(layer, keras.layers.Dense):
            kind, number, dense = "fully_connected", dense, dense + 1
        else:
            kind, number, convolutions = "Conv", convolutions, convolutions + 1
        suffix = f"_{number}" if number else ""
        base = f"{scope}/{kind}{suffix}"
        yield Origin(layer, (f"{base}/weights", f"{base}/biases"))


def _generator1_layers(config: ModelConfig) -> list[str]:
    last = config.num_blocks
    names = ["stem"]
    for block in range(1, last + 1):
        names += [f"encoder{block}_conv1", f"encoder{block}_conv2"]
        names += [f"encoder{block}_down"] * (block < last)
    names += ["bottleneck", "expand"]
    for block in range(last, 0, -1):
        names += [f"decoder{block}_conv1", f"decoder{block}_conv2"]
        names += [f"decoder{block}_up"] * (block > 1)
    return [*names, "coarse"]


def _generator2_layers(config: ModelConfig) -> list[str]:
    last = config.num_blocks - 2
    names = ["stem"]
    for block in range(1, last + 1):
        names += [f"encoder{block}_conv1", f"encoder{block}_conv2"]
        names += [f"encoder{block}_down"] * (block < last)
    for block in range(last, 0, -1):
        names += [f"decoder{block}_conv1", f"decoder{block}_conv2"]
    return [*names, "difference"]


def _channels_last(
    weights: np.ndarray, config: ModelConfig, path: str | Path
) -> np.ndarray:
    """Reorders the rows of D's linear layer: the authors flatten C, H, W."""
    layers = config.num_discriminator_layers
    height, width = (-(-edge // 2**layers) for edge in config.image_size)
    channels = config.discriminator_width * min(2 ** (layers - 1), 8)
    if weights.shape != (channels * height * width, 1):
        raise InputError(
            f"{path}: {_D}.Output/{_D}.Output.W has the shape {list(weights.shape)}, "
            f"needed {[channels * height * width, 1]}"
        )
    return (
        weights.reshape(channels, height, width, 1)
        .transpose(1, 2, 0, 3)
        .reshape(weights.shape)
    )


def _reader(path: str | Path):
    try:
        return tf.train.load_checkpoint(str(path).removesuffix(".index"))
    except (ValueError, tf.errors.OpError) as error:
        message = str(getattr(error, "message", error)).splitlines()[0]
        raise InputError(f"{path}: no readable checkpoint ({message})") from error


def _read(reader, path: str | Path, name: str) -> np.ndarray:
    try:
        return reader.get_tensor(name)
    except (ValueError, IndexError, RuntimeError, tf.errors.OpError) as error:
        raise InputError(f"{path}: {name} cannot be read ({error})") from error
