"""The generators as a graph for TensorFlow Lite and integer arithmetic.

The graph gives the same images as the SavedModel, with these differences:

- Keypoints are compared and drawn as integers. With 8-bit quantization, positions would
  be wrong by pixels and keypoints with low confidence would be lost.
- All dimensions except the batch size are fixed, so that no shape is computed at run
  time.
- Nearest upsampling is one operation that mobile devices support.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.networks import Networks, generate
from pg2_tf.model.pose_embeddings import PoseCoordinates
from pg2_tf.model.pose_heatmaps import PoseHeatmaps

# Bits of positive infinity. Larger integers are the bits of NaN.
_INFINITY = 0x7F800000
# Bits of negative infinity. Larger negative integers are the bits of NaN.
_NEGATIVE_INFINITY = _INFINITY - 2**31


class LiteModel(tf.Module):
    """The generators, from uint8 images and keypoints to uint8 images.

    Args:
        model: The trained model. The weights are shared with it.
    """

    def __init__(self, model: PoseTransfer):
        super().__init__(name="pg2")
        generators = [network and _for_lite(network) for network in model.networks[:2]]
        self._networks = Networks(*generators)
        self._weights = [
            weight.value
            for network in self._networks[:2]
            if network is not None
            for weight in network.weights
        ]
        self.image_size = model.image_size

    def signature(self) -> Any:
        """Returns the concrete function of `image` and `keypoints`, for any batch."""
        function = tf.function(
            self._serve,
            input_signature=[
                tf.TensorSpec((None, *self.image_size, 3), tf.uint8, "image"),
                tf.TensorSpec((None, 18, 3), tf.float32, "keypoints"),
            ],
        )
        return function.get_concrete_function()

    def _serve(self, image: tf.Tensor, keypoints: tf.Tensor) -> dict[str, tf.Tensor]:
        heatmaps = None
        if "heatmaps" in self._networks.generator1.input:
            heatmaps = draw_heatmaps(keypoints, size=self.image_size)
        signed = _affine(tf.cast(image, tf.float32), 1 / 127.5, -1.0)
        made = generate(self._networks, signed, heatmaps, keypoints=keypoints)
        made.pop("difference", None)
        return {name: _to_pixels(image) for name, image in made.items()}


def draw_heatmaps(keypoints: tf.Tensor, *, size: tuple[int, int]) -> tf.Tensor:
    """Draws heatmaps like `PoseHeatmaps`, with integer arithmetic only.

    Args:
        keypoints: x and y in pixels, and confidence, float32 [B, 18, 3].
        size: Height and width of the image in pixels.

    Returns:
        float32 [B, H, W, 18] of -1 and +1.
    """
    radius = PoseHeatmaps(size).radius
    # Discs around positions beyond this limit do not reach the image.
    limit = 4 * max(size) + radius
    places = tf.cast(keypoints, tf.int32)[..., :2]
    places = tf.where(_found(keypoints), places, limit)
    places = tf.minimum(tf.maximum(places, -limit), limit)
    x, y = (tf.reshape(places[..., axis], (-1, 1, 1, 18)) for axis in (0, 1))
    rows = tf.range(size[0])[None, :, None, None]
    columns = tf.range(size[1])[None, None, :, None]
    distance = tf.math.squared_difference(rows, y)
    distance += tf.math.squared_difference(columns, x)
    return tf.where(distance <= radius**2, 1.0, -1.0)


def _found(keypoints: tf.Tensor) -> tf.Tensor:
    """Returns where keypoints are finite with confidence > 0, bool [B, 18, 1]."""
    bits = tf.bitcast(keypoints, tf.int32)
    positive = (bits >= 0) & (bits < _INFINITY)
    finite = positive | (bits < _NEGATIVE_INFINITY)
    confident = positive[..., 2:] & (bits[..., 2:] > 0)
    return confident & finite[..., :1] & finite[..., 1:2]


def _to_pixels(image: tf.Tensor) -> tf.Tensor:
    # Clips first, so that 8-bit quantization covers the visible range only.
    clipped = tf.minimum(tf.maximum(image, -1.0), 1.0)
    return tf.cast(tf.round(_affine(clipped, 127.5, 127.5)), tf.uint8)


def _affine(image: tf.Tensor, scale: float, offset: float) -> tf.Tensor:
    """Returns scale * image + offset for 3 channels, as one quantizable operation."""
    weights = tf.constant(scale * np.eye(3)[None, None], tf.float32)
    return tf.nn.conv2d(image, weights, 1, "SAME") + tf.fill((3,), offset)


def _for_lite(network: keras.Model) -> keras.Model:
    """Returns a network with the same weights and layers that suit TensorFlow Lite."""
    return keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=_call
    )


def _call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
    if isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape)):
        return ops.reshape(
            args[0], (-1, *layer.compute_output_shape(args[0].shape)[1:])
        )
    if isinstance(layer, keras.layers.UpSampling2D):
        size = layer.compute_output_shape(args[0].shape)[1:3]
        return ops.image.resize(args[0], size, interpolation="nearest")
    if isinstance(layer, PoseCoordinates):
        layer = _LiteCoordinates(layer.image_size, name=layer.name)
    return layer(*args, **kwargs)


class _LiteCoordinates(PoseCoordinates):
    """Computes `PoseCoordinates`, with an integer test for found keypoints."""

    def call(self, keypoints):
        found = _found(keypoints)
        places = tf.where(found, keypoints[..., :2], 0.0)
        sizes = tf.constant(self.image_size[::-1], tf.float32)
        places = (2.0 * places + 1.0) / sizes - 1.0
        values = [tf.where(found, places, 0.0), tf.where(found, 1.0, 0.0)]
        return tf.reshape(tf.concat(values, axis=-1), (-1, 3 * keypoints.shape[1]))
