"""Evaluation protocols: how each paper computes its scores.

One pair of images has an SSIM between 0.73 and 0.88 depending on the protocol. The
difference between protocols exceeds the difference between models. `PROTOCOLS` is the
table; one more protocol is one more entry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from skimage.draw import disk, polygon
from skimage.morphology import closing, footprint_rectangle

from pg2_tf.evaluation.metrics import images
from preprocessing.images.heatmaps import LIMBS, draw_mask
from preprocessing.poses import keypoints as kp

_BAR_RADIUS = 4
_SQUARE = footprint_rectangle((5, 5))


@dataclass(frozen=True)
class Protocol:
    """One way to compute scores.

    Attributes:
        reference: Paper and script that the protocol follows.
        window: SSIM window, as text for the record.
        data_range: SSIM data range, as text for the record.
        least_side: Smallest height and width in pixels that the window allows.
        metrics: Functions of a generated image and its target, by metric name.
        masked: Names in `metrics` that are also computed inside the pose mask, as
            `mask_NAME`.
        draw_mask: Function of a pose [18, 3] and `size` that returns the mask.
        mask_of: Image whose pose gives the mask, `target` or `source`.
        truncates: Whether generated values are truncated to whole grey levels instead
            of rounded.
        padded: Target width by image width; narrower images get white columns on both
            sides.
        fid_reference: Images that FID and KID compare with: the `target` images of
            the pairs, or the `train` split of the data set.
    """

    reference: str
    window: str
    data_range: str
    least_side: int
    metrics: Mapping[str, images.Metric]
    masked: tuple[str, ...]
    draw_mask: Callable[..., np.ndarray]
    mask_of: str = "target"
    truncates: bool = False
    padded: Mapping[int, int] | None = None
    fid_reference: str = "target"

    def frame(self, pictures: np.ndarray, *, colour: int = 255) -> np.ndarray:
        """Pads images [B, H, W, ...] on both sides where the protocol does so."""
        wide = (self.padded or {}).get(pictures.shape[2])
        if not wide:
            return pictures
        left = (wide - pictures.shape[2]) // 2
        sides = (left, wide - pictures.shape[2] - left)
        others = [(0, 0)] * (pictures.ndim - 3)
        return np.pad(
            pictures, [(0, 0), (0, 0), sides, *others], constant_values=colour
        )


def draw_limb_mask(pose: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """Draws the mask of pose-gan, PATN and GFLA: bars along limbs, discs on keypoints.

    Follows `produce_ma_mask` in PATN's tool/pose_utils.py: bars of half width 4, discs
    of radius 4, closed with a 5x5 square. PG2 itself is trained and scored with
    `preprocessing.images.heatmaps.draw_mask`.

    Args:
        pose: float [18, 3]: x, y in pixels, confidence (0 or less: not found).
        size: Height and width of the image in pixels.

    Returns:
        uint8 [height, width]: 1 on the body, 0 elsewhere.
    """
    mask = np.zeros(size, bool)
    points, found = pose[:, 1::-1].astype(np.float64), kp.found(pose)
    for start, end in LIMBS:
        if found[start] and found[end] and (points[start] != points[end]).any():
            rows, columns = _bar(points[start], points[end])
            mask[polygon(rows, columns, shape=size)] = True
    for point in points[found]:
        mask[disk(point, _BAR_RADIUS, shape=size)] = True
    return closing(mask, _SQUARE).astype(np.uint8)


def _bar(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Returns the corners of a bar between two points, rows and columns, [2, 4]."""
    row, column = _BAR_RADIUS * (start - end) / np.linalg.norm(start - end)
    across = np.array([-column, row])
    return np.stack([start + across, start - across, end - across, end + across], 1)


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
    # score_mask.py reads the folder that holds the masks of the source images. The
    # released code truncates generated values by casting them to integers.
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


def describe_protocol(
    name: str, protocol: Protocol, *, given_masks: bool
) -> dict[str, object]:
    """Returns a protocol as JSON for `scores.json`.

    Args:
        name: Key in `PROTOCOLS`.
        protocol: The protocol, perhaps with another `mask_of`.
        given_masks: Whether the masks come from files instead of poses.
    """
    return {
        "name": name,
        "reference": protocol.reference,
        "ssim_window": protocol.window,
        "ssim_data_range": protocol.data_range,
        "mask": "given" if given_masks else protocol.draw_mask.__name__,
        "mask_of": None if given_masks else protocol.mask_of,
        "values": "truncated" if protocol.truncates else "rounded",
        "padded_widths": {str(k): v for k, v in (protocol.padded or {}).items()},
        "interval": "95 %, percentile bootstrap over pairs, 1,000 drawings",
    }
