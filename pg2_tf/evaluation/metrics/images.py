"""Scores that compare a generated image with its target, a function for each.

All functions take uint8 [H, W, 3] images, the generated one first, and return a Python
float. `ssim`, `psnr`, `l1` and `l2` are those of the released score.py, and of
score_mask.py on masked images. The others come from later papers, which use the same
names for different numbers (see `evaluation.protocols`).
"""

from collections.abc import Callable

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

Metric = Callable[[np.ndarray, np.ndarray], float]

WIDE_WINDOW = 51


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
    return float(np.abs(_difference(image, target)).mean())


def l2(image: np.ndarray, target: np.ndarray) -> float:
    """Root of the summed squared difference, over the number of values (score.py)."""
    return float(np.sqrt(np.square(_difference(image, target)).sum()) / image.size)


def gaussian_ssim(image: np.ndarray, target: np.ndarray) -> float:
    """SSIM with a Gaussian window of 1.5 pixels, as in pose-gan and PATN.

    The data range is that of the generated image, so that dull images score lower. NaN
    if the generated image has a single colour.
    """
    data_range = float(image.max()) - float(image.min())
    if not data_range:
        return float("nan")
    return float(
        structural_similarity(
            image.astype(float),
            target.astype(float),
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=2,
        )
    )


def wide_ssim(image: np.ndarray, target: np.ndarray) -> float:
    """SSIM with a 51x51 uniform window, as in GFLA; images need at least that size."""
    return float(
        structural_similarity(
            image / 255,
            target / 255,
            data_range=1,
            win_size=WIDE_WINDOW,
            channel_axis=2,
        )
    )


def signed_l1(image: np.ndarray, target: np.ndarray) -> float:
    """Mean absolute difference of images in [-1, 1], as in pose-gan and PATN."""
    return l1(image, target) / 127.5


def unit_l1(image: np.ndarray, target: np.ndarray) -> float:
    """Mean absolute difference of images in [0, 1], as in GFLA."""
    return l1(image, target) / 255


def relative_l1(image: np.ndarray, target: np.ndarray) -> float:
    """Summed absolute difference over the sum of both images, GFLA's `mae`."""
    total = float(image.sum(dtype=np.float64) + target.sum(dtype=np.float64))
    return l1(image, target) * image.size / total if total else 0.0


def masked(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sets images to black outside their masks.

    Args:
        image: uint8 [..., H, W, 3].
        mask: [..., H, W] with values 0 and 1.
    """
    return np.where(mask[..., None] > 0, image, 0).astype(np.uint8)


METRICS: dict[str, Metric] = {"ssim": ssim, "psnr": psnr, "l1": l1}


def score(image: np.ndarray, target: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Returns every metric by name, and as `mask_NAME` inside the mask.

    Args:
        image, target: uint8 [H, W, 3].
        mask: Mask of the target's pose, [H, W] with values 0 and 1.
    """
    inside = masked(image, mask), masked(target, mask)
    return {
        **{name: metric(image, target) for name, metric in METRICS.items()},
        **{f"mask_{name}": metric(*inside) for name, metric in METRICS.items()},
    }


def _difference(image: np.ndarray, target: np.ndarray) -> np.ndarray:
    return image.astype(float) - target.astype(float)
