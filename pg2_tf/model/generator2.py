"""G2, the generator of stage II: image refinement (paper sections 3.2 and 3.3)."""

import keras

from pg2_tf.model import blocks
from pg2_tf.model.config import ModelConfig


def build_generator2(config: ModelConfig, *, precision: str = "float32") -> keras.Model:
    """Builds G2, a fully convolutional U-Net of N - 2 blocks.

    Where the paper is silent it follows the released code: no residual sums, a constant
    width in the decoder, the deepest skip connection being the bottleneck itself
    (models.py, UAE_noFC_AfterNoise and UAE_noFC_After2Noise).

    Args:
        config: The networks' configuration. `generator2_skips="inner"` leaves out the
            skip connection at full resolution, as the released Market-1501 model does.
        precision: `float32` or `bfloat16`.

    Returns:
        A model from {"coarse", "source"}, float32 [B, H, W, 3] in [-1, 1], to the
        difference map, float32 [B, H, W, 3]; refined = coarse + difference.
    """
    height, width = config.image_size
    last = config.num_blocks - 2
    dtype = blocks.policy(precision)

    coarse = keras.Input((height, width, 3), name="coarse")
    source = keras.Input((height, width, 3), name="source")
    x = blocks.concatenate(name="input", dtype=dtype)([coarse, source])
    x = blocks.conv_relu(config.width, name="stem", dtype=dtype)(x)

    # === Encoder: block i works at width * i ===
    skips = []
    for block in range(1, last + 1):
        filters, name = config.width * block, f"encoder{block}"
        x = blocks.two_convs(filters, name=name, dtype=dtype)(x)
        skips.append(x)
        if block < last:
            x = blocks.conv_relu(filters, strides=2, name=f"{name}_down", dtype=dtype)(
                x
            )

    # === Decoder: block i stands opposite to encoder block i ===
    for block in range(last, 0, -1):
        name = f"decoder{block}"
        if block > 1 or config.generator2_skips == "all":
            skip = skips[block - 1]
            x = blocks.concatenate(name=f"{name}_skip", dtype=dtype)([x, skip])
        x = blocks.two_convs(config.width, name=name, dtype=dtype)(x)
        if block > 1:
            x = blocks.upsample(name=f"{name}_upsample", dtype=dtype)(x)
    difference = blocks.to_image(name="difference")(x)
    return keras.Model(
        {"coarse": coarse, "source": source}, difference, name="generator2"
    )
