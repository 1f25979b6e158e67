"""Spectral normalisation (Miyato et al. 2018)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("pg2_tf")
class SpectralNormalization(keras.layers.Wrapper):
    """Divides a layer's kernel by its largest singular value.

    The kernel is taken as a matrix of one column per filter. Its largest singular value
    follows from one power iteration, whose left-over vector is a weight of this layer;
    a call with `training=True` moves it on. The gradient goes through the division
    (equation 12 of the paper). `keras.layers.SpectralNormalization` in contrast
    overwrites the kernel by the divided one, and no gradient sees the division.

    Args:
        layer: with a kernel, and maybe a bias: `Conv2D` or `Dense`.

    Example:
        x = SpectralNormalization(keras.layers.Conv2D(64, 5))(x, training=True)
    """

    def build(self, input_shape):
        """Builds the layer within and the vector of the power iteration."""
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
