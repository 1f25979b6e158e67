"""The three ways in which G1 takes the target pose (paper sections 3.1 and 4.2)."""

from typing import Any, NamedTuple

import keras
from keras import ops

from pg2_tf.model import blocks
from pg2_tf.model.config import ModelConfig


class PoseEmbedding(NamedTuple):
    """A target pose and an image as G1 takes them.

    Attributes:
        pose: The network's input for the pose.
        image: Input of the image encoder, [B, H, W, 3 or more].
        features: Features of the pose to concatenate at the bottleneck, [B, ..]; None
            where the image encoder takes the pose.
    """

    pose: Any
    image: Any
    features: Any = None


def concat(source: Any, config: ModelConfig, dtype: str) -> PoseEmbedding:
    """The paper's own: concatenates heatmaps to the image's channels (section 3.1)."""
    heatmaps = _heatmaps(config)
    image = blocks.concatenate(name="input", dtype=dtype)([source, heatmaps])
    return PoseEmbedding(heatmaps, image)


def heatmap(source: Any, config: ModelConfig, dtype: str) -> PoseEmbedding:
    """HME: encodes the heatmaps separately, up to the bottleneck (section 4.2).

    The paper gives no sizes. The encoder equals the image's without skip connections,
    and its linear, fully connected layer gives as many features.
    """
    heatmaps = _heatmaps(config)
    x, _ = blocks.residual_encoder(heatmaps, config, prefix="pose_", dtype=dtype)
    x = keras.layers.Flatten(name="pose_flatten", dtype=dtype)(x)
    x = keras.layers.Dense(config.bottleneck, name="pose_bottleneck", dtype=dtype)(x)
    return PoseEmbedding(heatmaps, source, x)


def coordinate(source: Any, config: ModelConfig, dtype: str) -> PoseEmbedding:
    """CE: coordinates through two fully connected layers (section 4.2).

    The paper gives neither sizes nor activations. Both layers are as wide as the
    bottleneck, so that pose and image contribute equally. ReLU follows the first, as
    two linear layers would equal one. Each keypoint has a visibility in addition to
    its coordinates, as zeros alone are a valid location.
    """
    keypoints = keras.Input((18, 3), name="keypoints")
    x = PoseCoordinates(config.image_size, name="coordinates")(keypoints)
    x = keras.layers.Dense(
        config.bottleneck, activation="relu", name="pose_hidden", dtype=dtype
    )(x)
    x = keras.layers.Dense(config.bottleneck, name="pose_bottleneck", dtype=dtype)(x)
    return PoseEmbedding(keypoints, source, x)


# By the values of `ModelConfig.pose_embedding`.
POSE_EMBEDDINGS = {"concat": concat, "heatmap": heatmap, "coordinate": coordinate}


def _heatmaps(config: ModelConfig) -> Any:
    return keras.Input((*config.image_size, 18), name="heatmaps")


@keras.saving.register_keras_serializable("pg2_tf")
class PoseCoordinates(keras.layers.Layer):
    """Normalises keypoints to coordinates in (-1, 1) and visibilities.

    Call it on float32 [B, 18, 3]: x, y in pixels, confidence. It returns float32
    [B, 54]: x and y of each keypoint, -1 and +1 being the image's edges, and 1; three
    zeros for a keypoint that was not found, which are those that `PoseHeatmaps` does
    not draw. An image's mirror image has x of the opposite sign.

    Args:
        image_size: Height and width in pixels.
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
