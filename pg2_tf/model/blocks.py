"""Layers and blocks of both generators."""

from collections.abc import Callable
from typing import Any

import keras

from pg2_tf.model.config import ModelConfig

Layer = Callable[[Any], Any]


def policy(precision: str) -> str:
    """Returns the Keras dtype policy of a precision: `float32` or `bfloat16`."""
    return "mixed_bfloat16" if precision == "bfloat16" else precision


def conv_relu(
    filters: int, *, name: str, dtype: str, kernel: int = 3, strides: int = 1
) -> Layer:
    """A convolution with bias and ReLU; Glorot-uniform weights (released code)."""
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding="same",
        activation="relu",
        name=name,
        dtype=dtype,
    )


def two_convs(filters: int, *, name: str, dtype: str) -> Layer:
    """Two consecutive 3x3 conv-ReLU (paper section 3.1)."""

    def apply(x):
        x = conv_relu(filters, name=f"{name}_conv1", dtype=dtype)(x)
        return conv_relu(filters, name=f"{name}_conv2", dtype=dtype)(x)

    return apply


def residual_block(filters: int, *, name: str, dtype: str) -> Layer:
    """The paper's simplified residual block: two conv-ReLU, then the sum."""

    def apply(x):
        y = two_convs(filters, name=name, dtype=dtype)(x)
        return keras.layers.Add(name=f"{name}_add", dtype=dtype)([x, y])

    return apply


def residual_encoder(
    x: Any, config: ModelConfig, *, prefix: str, dtype: str
) -> tuple[Any, list[Any]]:
    """G1's encoder: block i works at width * i, at half the size of the one before.

    Args:
        x: The input, [B, H, W, channels].
        config: The networks' configuration.
        prefix: Prefix of the layers' names.
        dtype: Dtype policy of the layers.

    Returns:
        The smallest map, and the output of each block, the largest first.
    """
    x = conv_relu(config.width, name=f"{prefix}stem", dtype=dtype)(x)
    skips = []
    for block in range(1, config.num_blocks + 1):
        filters, name = config.width * block, f"{prefix}encoder{block}"
        x = residual_block(filters, name=name, dtype=dtype)(x)
        skips.append(x)
        if block < config.num_blocks:
            x = conv_relu(
                filters + config.width, strides=2, name=f"{name}_down", dtype=dtype
            )(x)
    return x, skips


def upsample(*, name: str, dtype: str) -> Layer:
    """Doubles height and width by repeating pixels."""
    return keras.layers.UpSampling2D(2, interpolation="nearest", name=name, dtype=dtype)


def concatenate(*, name: str, dtype: str) -> Layer:
    """Concatenates channels."""
    return keras.layers.Concatenate(name=name, dtype=dtype)


def to_image(*, name: str) -> Layer:
    """The output convolution: three channels, linear, always float32."""
    return keras.layers.Conv2D(3, 3, padding="same", name=name, dtype="float32")
