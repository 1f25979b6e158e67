"""How papers compute their scores: the same images get other numbers from each.

The same pair of images has an SSIM of 0.73 to 0.88 by these protocols, which is more
than models differ in. A protocol is one entry of a table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pg2_tf.evaluation.limb_mask import draw_limb_mask
from pg2_tf.evaluation.metrics import images
from preprocessing.images.masks import draw_mask

Draw = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Protocol:
    """One way to compute scores.

    Attributes:
        reference: what it follows.
        window: the window of its SSIM, for the record.
        data_range: that its SSIM takes images to have, for the record.
        least_side: pixels that an image needs at least, for the window.
        metrics: scores of an image against its target, by name.
        masked: those of the names that are also computed on the masked images, as
            `mask_...`.
        draw_mask: draws a mask from a pose [18, 3] and `size`.
        mask_of: whose pose the mask is of, `target` or `source`.
        truncates: whether generated values are cut to whole grey levels, not rounded.
        padded: the width to which narrower images are brought with white columns, by
            the width that they have.
        fid_reference: what FID holds generated images against: `target` images of the
            pairs, or the data set's `train` split.
    """

    reference: str
    window: str
    data_range: str
    least_side: int
    metrics: Mapping[str, images.Metric]
    masked: tuple[str, ...]
    draw_mask: Draw
    mask_of: str = "target"
    truncates: bool = False
    padded: Mapping[int, int] | None = None
    fid_reference: str = "target"

    def frame(self, pictures: np.ndarray, *, colour: int = 255) -> np.ndarray:
        """Pads pictures [B, H, W, ...] on both sides where the protocol does so."""
        wide = (self.padded or {}).get(pictures.shape[2])
        if not wide:
            return pictures
        left = (wide - pictures.shape[2]) // 2
        sides = (left, wide - pictures.shape[2] - left)
        others = [(0, 0)] * (pictures.ndim - 3)
        return np.pad(
            pictures, [(0, 0), (0, 0), sides, *others], constant_values=colour
        )


_AUTHORS = Protocol(
    reference="Ma et al. 2017: score.py, score_mask.py of the released code",
    window="7x7 uniform, sample covariance, mean over RGB",
    data_range="255",
    least_side=7,
    metrics={
        "ssim": images.ssim,
        "psnr": images.psnr,
        "l1": images.l1,
        "l2": images.l2,
    },
    masked=("ssim", "psnr", "l1", "l2"),
    draw_mask=draw_mask,
    # The folder that score_mask.py reads holds the masks of the source images; what
    # is generated was cut to whole numbers by a cast.
    mask_of="source",
    truncates=True,
)
_POSE_GAN = Protocol(
    reference="Siarohin et al. 2018: test.py of pose-gan",
    window="Gaussian, sigma 1.5, mean over RGB",
    data_range="largest minus smallest value of the generated image",
    least_side=11,
    metrics={"ssim": images.gaussian_ssim, "l1": images.signed_l1},
    masked=("ssim",),
    draw_mask=draw_limb_mask,
)

PROTOCOLS = {
    "authors": _AUTHORS,
    "corrected": replace(
        _AUTHORS,
        reference=f"{_AUTHORS.reference}, with the target's mask and rounded images",
        mask_of="target",
        truncates=False,
    ),
    "pose_gan": _POSE_GAN,
    "patn": replace(
        _POSE_GAN,
        reference="Zhu et al. 2019: tool/getMetrics_market.py and "
        "tool/getMetrics_fashion.py of PATN; 176 columns padded to 256 with white",
        padded={176: 256},
    ),
    "gfla": Protocol(
        reference="Ren et al. 2020: script/metrics.py of GFLA",
        window="ssim: 51x51 uniform; ssim_256: Gaussian, sigma 1.5; mean over RGB",
        data_range="ssim: 1; ssim_256: largest minus smallest value of the generated "
        "image",
        least_side=images.WIDE_WINDOW,
        metrics={
            "ssim": images.wide_ssim,
            "ssim_256": images.gaussian_ssim,
            "psnr": images.psnr,
            "l1": images.unit_l1,
            "mae": images.relative_l1,
        },
        masked=(),
        draw_mask=draw_limb_mask,
        fid_reference="train",
    ),
}
DEFAULT = "corrected"
