"""The three ways in which G1 takes the target pose (paper sections 3.1 and 4.2)."""

from typing import Any, NamedTuple

import keras

from pg2_tf.model import blocks
from pg2_tf.model.config import ModelConfig
from pg2_tf.model.pose_coordinates import PoseCoordinates


class Embedded(NamedTuple):
    """A pose beside an image.

    Attributes:
        pose: the network's input that holds the pose.
        image: what the image's encoder takes, [B, H, W, 3 or more].
        features: what stands beside the image's features at the bottleneck, [B, ..];
            None where the encoder takes the pose in.
    """

    pose: Any
    image: Any
    features: Any = None


def concat(source: Any, config: ModelConfig, dtype: str) -> Embedded:
    """The paper's own: heatmaps are channels beside the image's (section 3.1)."""
    heatmaps = _heatmaps(config)
    image = blocks.concatenate(name="input", dtype=dtype)([source, heatmaps])
    return Embedded(heatmaps, image)


def heatmap(source: Any, config: ModelConfig, dtype: str) -> Embedded:
    """HME: an encoder for the heatmaps alone, joined at the bottleneck (section 4.2).

    The paper gives no size: the encoder is as the image's, `stem` and widths and all,
    without skip connections, and its fully connected, linear layer gives as many
    features.
    """
    heatmaps = _heatmaps(config)
    x, _ = blocks.residual_encoder(heatmaps, config, prefix="pose_", dtype=dtype)
    x = keras.layers.Flatten(name="pose_flatten", dtype=dtype)(x)
    x = keras.layers.Dense(config.bottleneck, name="pose_bottleneck", dtype=dtype)(x)
    return Embedded(heatmaps, source, x)


def coordinate(source: Any, config: ModelConfig, dtype: str) -> Embedded:
    """CE: coordinates through two fully connected layers (section 4.2).

    The paper gives neither sizes nor activations: both layers are as wide as the
    bottleneck, so that pose and image have equal shares of it; ReLU follows the first,
    as two linear layers would be one. A keypoint's visibility is given beside its
    coordinates, as zeros alone are a place too.
    """
    keypoints = keras.Input((18, 3), name="keypoints")
    x = PoseCoordinates(config.image_size, name="coordinates")(keypoints)
    x = keras.layers.Dense(
        config.bottleneck, activation="relu", name="pose_hidden", dtype=dtype
    )(x)
    x = keras.layers.Dense(config.bottleneck, name="pose_bottleneck", dtype=dtype)(x)
    return Embedded(keypoints, source, x)


# By the name of `ModelConfig.pose_embedding`.
POSE_EMBEDDINGS = {"concat": concat, "heatmap": heatmap, "coordinate": coordinate}


def _heatmaps(config: ModelConfig) -> Any:
    return keras.Input((*config.image_size, 18), name="heatmaps")
