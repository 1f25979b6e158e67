"""The only place that knows value ranges.

On disk, in requests and in pictures, images are uint8 0 to 255 and masks and heatmaps
0 and 1. Inside, images are float32 in [-1, 1], heatmaps float32 of -1 and +1, masks
float32 of 0 and 1.
"""

from typing import Any

from keras import ops


def to_signed(image: Any) -> Any:
    """Maps images, uint8 or float of 0 to 255, to float32 in [-1, 1]."""
    return ops.cast(image, "float32") / 127.5 - 1.0


def to_pixels(image: Any) -> Any:
    """Maps images of any values to uint8: [-1, 1] to 0 to 255, clipped and rounded."""
    pixels = ops.clip((ops.cast(image, "float32") + 1.0) * 127.5, 0.0, 255.0)
    return ops.cast(ops.round(pixels), "uint8")


def heatmaps_to_signed(heatmaps: Any) -> Any:
    """Maps heatmaps of 0 and 1 to float32 of -1 and +1."""
    return ops.cast(heatmaps, "float32") * 2.0 - 1.0
