"""Keypoints to heatmaps, inside the graph."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("pg2_tf")
class PoseHeatmaps(keras.layers.Layer):
    """Draws a pose as heatmaps (paper section 3.1), as preprocessing does.

    Call it on float32 [B, 18, 3]: x, y in pixels, confidence. A keypoint whose
    confidence is 0 or less, or with a number that is not finite, was not found. It
    returns float32 [B, H, W, 18]: +1 in a disc around the keypoint, -1 elsewhere.

    Args:
        image_size: Height and width in pixels.
        radius: Radius of the discs in pixels.

    Example:
        heatmaps = PoseHeatmaps((128, 64))(keypoints)
    """

    def __init__(self, image_size, radius=4, **kwargs):
        # Coordinates do not survive a narrower type.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.image_size = tuple(image_size)
        self.radius = radius

    def call(self, keypoints):
        height, width = self.image_size
        keypoints = ops.cast(keypoints, "float32")
        found = (keypoints[..., 2] > 0) & ops.all(ops.isfinite(keypoints), axis=-1)
        # A place beyond this is outside every disc; the cast to int stays defined.
        limit = float(4 * max(self.image_size) + self.radius)
        centre = ops.where(found[..., None], keypoints[..., :2], limit)
        centre = ops.cast(ops.clip(centre, -limit, limit), "int32")
        rows = ops.arange(height, dtype="int32")[None, :, None, None]
        columns = ops.arange(width, dtype="int32")[None, None, :, None]
        # [B, H, 1, K] and [B, 1, W, K]
        row_distance = ops.square(rows - centre[:, None, None, :, 1])
        column_distance = ops.square(columns - centre[:, None, None, :, 0])
        inside = row_distance + column_distance <= self.radius**2
        return ops.where(inside, 1.0, -1.0)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image_size, input_shape[1])

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": self.image_size,
            "radius": self.radius,
        }
