"""Computes the chosen metrics of batches of images.

A metric of single images gives a number for each image, a column of the table. IS, FID
and KID are scores of all images together: a batch gives features, and `summary` turns
the features of all batches into the score.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np

from pg2_tf.evaluation import protocols
from pg2_tf.evaluation.metrics import images as image_metrics
from pg2_tf.evaluation.metrics.inception import Inception
from pg2_tf.evaluation.metrics.lpips import Lpips
from pg2_tf.evaluation.metrics.pose_accuracy import PoseAccuracy
from preprocessing.system.errors import InputError

TARGET = "target"
IS, MASK_IS, FID, KID = "is", "mask_is", "fid", "kid"
LPIPS, PCKH, PCKH_COUNT = "lpips", "pckh", "pckh_keypoints"
# Metrics whose mean is weighted by another column.
WEIGHTS = {PCKH: PCKH_COUNT}
# Features that a metric of all images together needs.
FEATURES = {
    IS: "probabilities",
    MASK_IS: "mask_probabilities",
    FID: "pool",
    KID: "pool",
}
_THREADS = 2


class Batch(NamedTuple):
    """Images to score, with their targets.

    Attributes:
        images: uint8 [B, H, W, 3] by name, such as `coarse`.
        targets: uint8 [B, H, W, 3].
        masks: uint8 [B, H, W] with values 0 and 1, or None without masks.
        poses: Target poses, float32 [B, 18, 3], or None if unknown.
    """

    images: dict[str, np.ndarray]
    targets: np.ndarray
    masks: np.ndarray | None
    poses: np.ndarray | None


class ImagePairs(Protocol):
    """Images to score, available batch by batch.

    Attributes:
        image_names: Names of the images in each batch; the model's final image is last.
        has_masks, has_poses: Whether batches hold masks and poses.
        size: Height and width of all images.
    """

    image_names: tuple[str, ...]
    has_masks: bool
    has_poses: bool
    size: tuple[int, int]

    def __len__(self) -> int:
        """Returns the number of pairs."""

    def rows(self) -> list[dict[str, str]]:
        """Returns the names of each pair, as columns of the table."""

    def batch(self, start: int, end: int) -> Batch:
        """Returns the pairs at positions `start` to `end`."""

    def describe(self) -> dict[str, Any]:
        """Returns a JSON record with checksums of everything the images depend on."""

    def sheet(self, positions: list[int]) -> np.ndarray:
        """Returns a picture of pairs, uint8 [.., .., 3]."""


class Sources(NamedTuple):
    """Files of the networks that some metrics need.

    Attributes:
        inception_graph: See `Inception.load`.
        lpips_alexnet, lpips_linear: See `Lpips.load`.
        pose_model: See `PoseAccuracy.load`.
    """

    inception_graph: str | None = None
    lpips_alexnet: str | None = None
    lpips_linear: str | None = None
    pose_model: str | None = None


def names(protocol: protocols.Protocol) -> tuple[str, ...]:
    """Returns all metrics of a protocol."""
    return (
        *default_names(protocol, has_masks=True),
        *(IS, MASK_IS, FID, KID, LPIPS, PCKH),
    )


def default_names(protocol: protocols.Protocol, *, has_masks: bool) -> tuple[str, ...]:
    """Returns the metrics that need no network."""
    masked = tuple(f"mask_{name}" for name in protocol.masked)
    return (*protocol.metrics, *(masked if has_masks else ()))


class Measures:
    """The chosen metrics, with their networks loaded.

    Args:
        chosen: Metric names.
        protocol: Definition of the metrics.
        sources: Files of the networks.

    Raises:
        InputError: A network cannot be loaded.
    """

    def __init__(
        self,
        chosen: tuple[str, ...],
        *,
        protocol: protocols.Protocol,
        sources: Sources,
    ):
        self.names = chosen
        self.protocol = protocol
        self._features = {FEATURES[name] for name in chosen if name in FEATURES}
        self._wants_masks = any(name.startswith("mask_") for name in chosen)
        self.networks: dict[str, str] = {}
        self.inception = self._lpips = self._poses = None
        if self._features:
            self.inception = Inception.load(sources.inception_graph)
            self.networks["inception"] = self.inception.checksum
        if LPIPS in chosen:
            if not (sources.lpips_alexnet and sources.lpips_linear):
                raise InputError(
                    "--metrics=lpips: needs --lpips_alexnet and --lpips_linear"
                )
            self._lpips = Lpips.load(sources.lpips_alexnet, sources.lpips_linear)
            self.networks |= self._lpips.checksums
        if PCKH in chosen:
            self._poses = PoseAccuracy.load(sources.pose_model)
            self.networks["pose_model"] = self._poses.checksum

    @property
    def scores_targets(self) -> bool:
        """True if a chosen metric also scores the real images by themselves."""
        return bool(self._features) or PCKH in self.names

    def score(self, batch: Batch) -> dict[str, np.ndarray]:
        """Scores a batch.

        Returns:
            Arrays [B, ...] by `image/column`; arrays with more than one dimension are
            features.
        """
        targets = self.protocol.frame(batch.targets)
        masks = batch.masks
        if masks is not None:
            masks = self.protocol.frame(masks, colour=0)
        scored: dict[str, np.ndarray] = {}
        shown = dict(batch.images)
        if self.scores_targets:
            shown[TARGET] = batch.targets
        for name, images in shown.items():
            columns = self._of_images(images, masks, batch.poses)
            if name != TARGET:
                framed = self.protocol.frame(images)
                columns |= self._of_pairs(framed, targets, masks)
            scored |= {f"{name}/{column}": values for column, values in columns.items()}
        return scored

    def _of_pairs(
        self, images: np.ndarray, targets: np.ndarray, masks: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Returns the scores of images compared with their targets."""
        columns = _score_each(self.protocol.metrics, self.names, images, targets)
        if self._wants_masks and masks is not None:
            inside = [image_metrics.masked(each, masks) for each in (images, targets)]
            masked = {
                f"mask_{name}": self.protocol.metrics[name]
                for name in self.protocol.masked
            }
            columns |= _score_each(masked, self.names, *inside)
        if self._lpips is not None:
            columns[LPIPS] = self._lpips(images, targets)
        return columns

    def _of_images(
        self, images: np.ndarray, masks: np.ndarray | None, poses: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Returns features and pose accuracy of images by themselves."""
        columns: dict[str, np.ndarray] = {}
        framed = self.protocol.frame(images)
        if self.inception is not None and self._features & {"pool", "probabilities"}:
            pool, probabilities = self.inception.features(framed)
            found = {"pool": pool, "probabilities": probabilities}
            columns |= {name: found[name] for name in found if name in self._features}
        if self.inception is not None and MASK_IS in self.names and masks is not None:
            inside = image_metrics.masked(framed, masks)
            columns[FEATURES[MASK_IS]] = self.inception.features(inside)[1]
        if self._poses is not None and poses is not None:
            correct, counted = self._poses.correct(images, poses)
            count = counted.sum(axis=1)
            columns[PCKH_COUNT] = count.astype(float)
            share = (correct & counted).sum(axis=1) / np.maximum(count, 1)
            columns[PCKH] = np.where(count > 0, share, np.nan)
        return columns


def _score_each(
    metrics: Mapping[str, image_metrics.Metric],
    wanted: tuple[str, ...],
    images: np.ndarray,
    targets: np.ndarray,
) -> dict[str, np.ndarray]:
    """Returns the wanted metrics of every pair of images."""

    def score(pair: Any) -> list[float]:
        return [metrics[name](*pair) for name in chosen]

    chosen = [name for name in metrics if name in wanted]
    with ThreadPoolExecutor(_THREADS) as pool:
        rows = list(pool.map(score, zip(images, targets, strict=True)))
    return dict(zip(chosen, np.array(rows, float).T, strict=True)) if chosen else {}
