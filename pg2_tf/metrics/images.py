"""Scores of a generated image against its target, as the released code computes them.

All functions take uint8 [H, W, 3] images, and return a Python float. They match the
authors' score.py; on masked images, score_mask.py.
"""

from collections.abc import Callable

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

Metric = Callable[[np.ndarray, np.ndarray], float]


def ssim(image: np.ndarray, target: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004): 7x7 uniform window, mean over RGB."""
    return float(structural_similarity(image, target, data_range=255, channel_axis=2))


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels; infinite for equal images."""
    if np.array_equal(image, target):
        return float("inf")
    return float(peak_signal_noise_ratio(target, image, data_range=255))


def l1(image: np.ndarray, target: np.ndarray) -> float:
    """Mean absolute difference, in grey levels of 0 to 255."""
    return float(np.abs(image.astype(float) - target.astype(float)).mean())


def masked(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Blackens an image outside its mask.

    Args:
        image: uint8 [H, W, 3].
        mask: [H, W] of 0 and 1.
    """
    return np.where(mask[..., None] > 0, image, 0).astype(np.uint8)


METRICS: dict[str, Metric] = {"ssim": ssim, "psnr": psnr, "l1": l1}


def score(image: np.ndarray, target: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Returns every metric by name, on the whole images and as `mask_...` on the mask.

    Args:
        image, target: uint8 [H, W, 3].
        mask: of the target's pose, [H, W] of 0 and 1.
    """
    inside = masked(image, mask), masked(target, mask)
    return {
        **{name: metric(image, target) for name, metric in METRICS.items()},
        **{f"mask_{name}": metric(*inside) for name, metric in METRICS.items()},
    }
