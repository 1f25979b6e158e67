"""G1, the generator of stage I: pose integration (paper sections 3.1 and 3.3)."""

import math
from typing import Any

import keras

from pg2_tf.model import blocks
from pg2_tf.model.config import ModelConfig
from pg2_tf.model.pose_embeddings import POSE_EMBEDDINGS


def build_generator1(config: ModelConfig, *, precision: str = "float32") -> keras.Model:
    """Builds G1, a U-Net of residual blocks with a fully connected bottleneck.

    Where the paper is silent it follows the released code: a convolution before the
    first block, skip connections from after each residual block, decoder blocks as wide
    as their concatenated input, nearest upsampling with a 1x1 convolution, a linear
    output (models.py, GeneratorCNN_Pose_UAEAfterResidual).

    Args:
        config: The networks' configuration.
        precision: `float32` or `bfloat16`.

    Returns:
        A model from {"source": float32 [B, H, W, 3] in [-1, 1], and the target pose} to
        the coarse image, float32 [B, H, W, 3], nominally in [-1, 1], not clipped. The
        pose is "heatmaps", float32 [B, H, W, 18] of -1 and +1; with
        `pose_embedding="coordinate"` it is "keypoints", float32 [B, 18, 3]: x, y in
        pixels, confidence.
    """
    dtype = blocks.policy(precision)
    source = keras.Input((*config.image_size, 3), name="source")
    pose, image, features = POSE_EMBEDDINGS[config.pose_embedding](
        source, config, dtype
    )

    # === Encoder ===
    x, skips = blocks.residual_encoder(image, config, prefix="", dtype=dtype)

    # === Bottleneck: distant body parts exchange information ===
    x = _bottleneck(x, features, config, dtype)

    # === Decoder: block i stands opposite to encoder block i ===
    for block in range(config.num_blocks, 0, -1):
        name = f"decoder{block}"
        skip = skips[block - 1]
        x = blocks.concatenate(name=f"{name}_skip", dtype=dtype)([x, skip])
        x = blocks.residual_block(x.shape[-1], name=name, dtype=dtype)(x)
        if block > 1:
            # The released code upsamples first; a 1x1 convolution commutes with
            # repeated pixels and costs a quarter before them.
            x = blocks.conv_relu(
                config.width * (block - 1), kernel=1, name=f"{name}_up", dtype=dtype
            )(x)
            x = blocks.upsample(name=f"{name}_upsample", dtype=dtype)(x)
    coarse = blocks.to_image(name="coarse")(x)
    return keras.Model({"source": source, pose.name: pose}, coarse, name="generator1")


def _bottleneck(x: Any, features: Any, config: ModelConfig, dtype: str) -> Any:
    """Two linear, fully connected layers: to a few numbers, and back to a map."""
    shape = (*x.shape[1:3], config.width)
    x = keras.layers.Flatten(name="flatten", dtype=dtype)(x)
    x = keras.layers.Dense(config.bottleneck, name="bottleneck", dtype=dtype)(x)
    if features is not None:
        x = blocks.concatenate(name="bottleneck_pose", dtype=dtype)([x, features])
    x = keras.layers.Dense(math.prod(shape), name="expand", dtype=dtype)(x)
    return keras.layers.Reshape(shape, name="unflatten", dtype=dtype)(x)
