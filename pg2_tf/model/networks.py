"""The three networks of PG2 together."""

from typing import Any, NamedTuple

import keras
from keras import ops

from pg2_tf.model.config import ModelConfig
from pg2_tf.model.discriminator import build_discriminator
from pg2_tf.model.generator1 import build_generator1
from pg2_tf.model.generator2 import build_generator2


class Networks(NamedTuple):
    """G1, G2 and D; G2 and D are None where a stage has none."""

    generator1: keras.Model
    generator2: keras.Model | None = None
    discriminator: keras.Model | None = None


def build_networks(
    config: ModelConfig,
    *,
    stage: int,
    adversarial: bool = False,
    precision: str = "float32",
    seed: int = 0,
) -> Networks:
    """Builds the networks of a stage: G1 for stage 1, all three for stage 2.

    Args:
        config: The networks' configuration.
        stage: 1 or 2.
        adversarial: Whether stage 1 has a D as well.
        precision: `float32` or `bfloat16`.
        seed: Seed of the initial weights. It seeds Keras, NumPy and Python globally.
    """
    keras.utils.set_random_seed(seed)
    return Networks(
        build_generator1(config, precision=precision),
        build_generator2(config, precision=precision) if stage == 2 else None,
        build_discriminator(config, precision=precision)
        if stage == 2 or adversarial
        else None,
    )


def generate(
    networks: Networks, source: Any, heatmaps: Any, *, keypoints: Any = None
) -> dict[str, Any]:
    """Runs the generators.

    Args:
        networks: The networks of stage 1 or 2.
        source: Source image, float32 [B, H, W, 3] in [-1, 1].
        heatmaps: Target pose, float32 [B, H, W, 18] of -1 and +1.
        keypoints: Target pose, float32 [B, 18, 3]: x, y in pixels, confidence; needed
            by a G1 with `pose_embedding="coordinate"` only.

    Returns:
        `coarse`, and with stage 2's networks `difference` and `refined`, float32
        [B, H, W, 3], not clipped.
    """
    source = ops.convert_to_tensor(source)
    pose = {"heatmaps": heatmaps, "keypoints": keypoints}
    inputs = {
        name: ops.convert_to_tensor(pose[name])
        for name in networks.generator1.input
        if name != "source"
    }
    coarse = networks.generator1({"source": source, **inputs})
    if networks.generator2 is None:
        return {"coarse": coarse}
    difference = networks.generator2({"coarse": coarse, "source": source})
    return {
        "coarse": coarse,
        "difference": difference,
        "refined": coarse + difference,
    }
