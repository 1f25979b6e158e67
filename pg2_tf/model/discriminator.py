"""D, the discriminator of stage II (paper sections 3.2 and 3.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from pg2_tf.model import blocks
from pg2_tf.model.config import ModelConfig

# Uniform with a standard deviation of 0.02 (released tflib/ops/conv2d.py).
_LIMIT = 0.02 * 3**0.5
_MAX_FACTOR = 8


@keras.saving.register_keras_serializable("pg2_tf")
class BatchStatistics(keras.layers.BatchNormalization):
    """Batch normalisation that uses the batch's statistics in and outside training."""

    def call(self, inputs, training=None, mask=None):
        del training  # A `training=False` of the whole network must not reach here.
        return super().call(inputs, training=True, mask=mask)


def build_discriminator(
    config: ModelConfig, *, precision: str = "float32"
) -> keras.Model:
    """Builds D: DCGAN's discriminator, with one more layer for images of height 256.

    5x5 convolutions with stride 2, LeakyReLU 0.2, batch normalisation from the second
    on, one linear unit (released wgan_gp_128x64.py). Normalisation always uses the
    statistics of the batch, over all replicas, in training and outside it.

    Args:
        config: Configuration of the networks. With `discriminator_input="pair"` the
            input has six channels: image, source; with `"pair_and_pose"` 24: image,
            source, heatmaps of the target. With `discriminator_norm="spectral"` every
            kernel is spectrally normalised, and there is no batch normalisation, which
            would undo it.
        precision: `float32` or `bfloat16`.

    Returns:
        A model from float32 [B, H, W, 3, 6 or 24] in [-1, 1] to logits, float32 [B];
        above 0 means real.
    """
    dtype = blocks.policy(precision)
    images = keras.Input(
        (*config.image_size, config.discriminator_channels), name="images"
    )
    x = images
    for number in range(1, config.num_discriminator_layers + 1):
        x = _block(x, number, config, dtype)
    x = keras.layers.Flatten(name="flatten", dtype=dtype)(x)
    logit = keras.layers.Dense(
        1, kernel_initializer=_kernel(), name="logit", dtype="float32"
    )
    x = _normalized(logit, config)(x)
    logits = keras.layers.Reshape((), name="logits", dtype="float32")(x)
    return keras.Model(images, logits, name="discriminator")


def _block(x: Any, number: int, config: ModelConfig, dtype: Any) -> Any:
    """Applies convolution, batch normalisation and LeakyReLU; numbers start at 1."""
    convolution = keras.layers.Conv2D(
        config.discriminator_width * min(2 ** (number - 1), _MAX_FACTOR),
        5,
        strides=2,
        padding="same",
        kernel_initializer=_kernel(),
        name=f"conv{number}",
        dtype=dtype,
    )
    x = _normalized(convolution, config)(x)
    if number > 1 and config.discriminator_norm != "spectral":
        x = BatchStatistics(
            epsilon=1e-5,
            # Only TensorFlow's backend synchronises replicas.
            synchronized=keras.backend.backend() == "tensorflow",
            name=f"norm{number}",
            dtype=dtype,
        )(x)
    return keras.layers.LeakyReLU(0.2, name=f"relu{number}", dtype=dtype)(x)


def _kernel() -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-_LIMIT, _LIMIT)


def _normalized(layer: keras.layers.Layer, config: ModelConfig) -> keras.layers.Layer:
    if config.discriminator_norm != "spectral":
        return layer
    return SpectralNormalization(layer, name=layer.name, dtype=layer.dtype_policy)


def discriminator_inputs(
    config: ModelConfig, images: Sequence[Any], batch: Mapping[str, Any]
) -> Any:
    """Returns several images for each pair of a batch as one input of D.

    Args:
        config: Configuration of the networks; `discriminator_input` names the
            conditions of D.
        images: Images to judge, float32 [B, H, W, 3] in [-1, 1] each.
        batch: `source`, float32 [B, H, W, 3], and `heatmaps`, float32 [B, H, W, 18].

    Returns:
        float32 [len(images) * B, H, W, channels], in the order of `images`.
    """
    stacked = ops.concatenate(images)
    known = {"image": (), "pair": ("source",), "pair_and_pose": ("source", "heatmaps")}
    conditions = [
        ops.concatenate([batch[name]] * len(images))
        for name in known[config.discriminator_input]
    ]
    return ops.concatenate([stacked, *conditions], axis=-1)


def with_activations(discriminator: keras.Model) -> keras.Model:
    """Returns a model that shares D's weights: hidden activations, then logits."""
    hidden = [
        layer.output
        for layer in discriminator.layers
        if isinstance(layer, keras.layers.LeakyReLU)
    ]
    return keras.Model(discriminator.input, [*hidden, discriminator.output])


@keras.saving.register_keras_serializable("pg2_tf")
class SpectralNormalization(keras.layers.Wrapper):
    """Divides a layer's kernel by its largest singular value.

    The kernel is taken as a matrix with one column per filter. One power iteration
    estimates its largest singular value; the iteration's vector is a weight of this
    layer, and a call with `training=True` updates it. The gradient goes through the
    division (equation 12 of the paper), unlike that of
    `keras.layers.SpectralNormalization`, which overwrites the kernel.

    Args:
        layer: Layer to wrap, `Conv2D` or `Dense`.

    Example:
        x = SpectralNormalization(keras.layers.Conv2D(64, 5))(x, training=True)
    """

    def build(self, input_shape):
        """Builds the wrapped layer and the vector of the power iteration."""
        super().build(input_shape)
        self.vector = self.add_weight(
            shape=(self.layer.kernel.shape[-1],),
            initializer=keras.initializers.RandomNormal(),
            trainable=False,
            dtype="float32",
            name="vector",
        )

    def call(self, inputs, training=False):
        kernel, *others = self.layer.trainable_variables
        kernel = ops.cast(kernel, "float32")
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        fixed = ops.stop_gradient(matrix)
        left = _unit(ops.matmul(fixed, self.vector))
        right = _unit(ops.matmul(left, fixed))
        if training:
            self.vector.assign(right)
        largest = ops.sum(left * ops.matmul(matrix, right))
        outputs, _ = self.layer.stateless_call([kernel / largest, *others], [], inputs)
        return outputs

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def _unit(vector):
    return vector / (ops.norm(vector) + 1e-12)
