"""The only place that converts value ranges.

On disk, in requests and in pictures, images are uint8 0 to 255. Inside, they are
float32 in [-1, 1]. Masks are 0 and 1 everywhere; heatmaps are never converted, they
are drawn as -1 and +1 (`layers.pose_heatmaps`).
"""

from typing import Any

from keras import ops


def to_signed(image: Any) -> Any:
    """Maps images, uint8 or float of 0 to 255, to float32 in [-1, 1]."""
    return ops.cast(image, "float32") / 127.5 - 1.0


def to_pixels(image: Any, *, truncated: bool = False) -> Any:
    """Maps images of any values to uint8: [-1, 1] to 0 to 255, clipped and rounded.

    Args:
        image: float [..., H, W, 3].
        truncated: Whether values are cut to whole numbers in place of rounded, as the
            released code does before it scores (trainer.py, `test`).
    """
    pixels = ops.clip((ops.cast(image, "float32") + 1.0) * 127.5, 0.0, 255.0)
    return ops.cast(pixels if truncated else ops.round(pixels), "uint8")
