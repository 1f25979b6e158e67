"""Keypoints to numbers that a fully connected layer can take."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("pg2_tf")
class PoseCoordinates(keras.layers.Layer):
    """Turns a pose into coordinates in (-1, 1) and visibilities.

    Call it on float32 [B, 18, 3]: x, y in pixels, confidence. It returns float32
    [B, 54]: x and y of each keypoint, -1 and +1 being the image's edges, and 1; three
    zeros for a keypoint that was not found, which are those that `PoseHeatmaps` does
    not draw. An image's mirror image has x of the opposite sign.

    Args:
        image_size: height and width in pixels.
    """

    def __init__(self, image_size, **kwargs):
        # Coordinates do not survive a narrower type.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.image_size = tuple(image_size)

    def call(self, keypoints):
        height, width = self.image_size
        keypoints = ops.cast(keypoints, "float32")
        found = (keypoints[..., 2] > 0) & ops.all(ops.isfinite(keypoints), axis=-1)
        # A pixel's centre is half a pixel from its edges.
        x = (2.0 * keypoints[..., 0] + 1.0) / width - 1.0
        y = (2.0 * keypoints[..., 1] + 1.0) / height - 1.0
        values = ops.stack([x, y, ops.ones_like(x)], axis=-1)
        values = ops.where(found[..., None], values, 0.0)
        return ops.reshape(values, (-1, 3 * keypoints.shape[1]))

    def get_config(self):
        return {**super().get_config(), "image_size": self.image_size}
