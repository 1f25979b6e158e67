"""The metrics by name: of single images, and of all images together.

A measure of single images gives a number for each, a column of the table; a measure of
all images gives features of each, and one score in the end.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pg2_tf.evaluation.batches import Batch
from pg2_tf.evaluation.metrics import images as image_metrics
from pg2_tf.evaluation.metrics.inception import (
    Inception,
    Statistics,
    frechet_distance,
    inception_score,
)
from pg2_tf.evaluation.metrics.lpips import Lpips
from pg2_tf.evaluation.metrics.pose_accuracy import PoseAccuracy
from pg2_tf.evaluation.protocols import Protocol
from preprocessing.system.errors import InputError

TARGET = "target"
IS, MASK_IS, FID = "is", "mask_is", "fid"
LPIPS, PCKH, PCKH_COUNT = "lpips", "pckh", "pckh_keypoints"
# Columns that are averaged by another one's values, their weights.
WEIGHTS = {PCKH: PCKH_COUNT}
_INCEPTION = (IS, MASK_IS, FID)
_THREADS = 2
_SPLITS = 10


class Sources(NamedTuple):
    """Where the networks come from that some metrics need.

    Attributes:
        inception_graph: see `Inception.load`.
        lpips_alexnet, lpips_linear: see `Lpips.load`.
        pose_model: see `PoseAccuracy.load`.
    """

    inception_graph: str | None = None
    lpips_alexnet: str | None = None
    lpips_linear: str | None = None
    pose_model: str | None = None


def names(protocol: Protocol) -> tuple[str, ...]:
    """Returns every metric that a protocol knows."""
    return (*usual(protocol, has_masks=True), IS, MASK_IS, FID, LPIPS, PCKH)


def usual(protocol: Protocol, *, has_masks: bool) -> tuple[str, ...]:
    """Returns the metrics that need no network."""
    masked = tuple(f"mask_{name}" for name in protocol.masked)
    return (*protocol.metrics, *(masked if has_masks else ()))


class Measures:
    """The chosen metrics, ready to score batches.

    Args:
        chosen: their names.
        protocol: how they are computed.
        sources: of their networks.

    Raises:
        InputError: a network that one needs cannot be had.
    """

    def __init__(
        self, chosen: tuple[str, ...], *, protocol: Protocol, sources: Sources
    ):
        self.names = chosen
        self.protocol = protocol
        self._wants_masks = any(name.startswith("mask_") for name in chosen)
        self.networks: dict[str, str] = {}
        self.inception = self._lpips = self._poses = None
        if set(chosen) & set(_INCEPTION):
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
        """True if real images have a score too, of what they are by themselves."""
        return bool(set(self.names) & {IS, MASK_IS, PCKH, FID})

    def score(self, batch: Batch) -> dict[str, np.ndarray]:
        """Scores a batch.

        Returns:
            Arrays [B, ...] by `image/column`; those of more than one dimension are
            features.
        """
        targets = self.protocol.frame(batch.targets)
        masks = batch.masks
        if masks is not None:
            masks = self.protocol.frame(masks, colour=0)
        kept: dict[str, np.ndarray] = {}
        shown = dict(batch.images)
        if self.scores_targets:
            shown[TARGET] = batch.targets
        for name, made in shown.items():
            columns = self._alone(made, masks, batch.poses)
            if name != TARGET:
                columns |= self._beside(self.protocol.frame(made), targets, masks)
            kept |= {f"{name}/{column}": values for column, values in columns.items()}
        return kept

    def _beside(
        self, made: np.ndarray, targets: np.ndarray, masks: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Returns the scores of images against their targets."""
        columns = _each(self.protocol.metrics, self.names, made, targets)
        if self._wants_masks and masks is not None:
            inside = [image_metrics.masked(images, masks) for images in (made, targets)]
            masked = {
                f"mask_{name}": self.protocol.metrics[name]
                for name in self.protocol.masked
            }
            columns |= _each(masked, self.names, *inside)
        if self._lpips is not None:
            columns[LPIPS] = self._lpips(made, targets)
        return columns

    def _alone(
        self, made: np.ndarray, masks: np.ndarray | None, poses: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Returns what images are by themselves: features, and whether in pose."""
        columns: dict[str, np.ndarray] = {}
        framed = self.protocol.frame(made)
        if self.inception is not None and {IS, FID} & set(self.names):
            pool, probabilities = self.inception.features(framed)
            columns |= {FID: pool} if FID in self.names else {}
            columns |= {IS: probabilities} if IS in self.names else {}
        if self.inception is not None and MASK_IS in self.names and masks is not None:
            inside = image_metrics.masked(framed, masks)
            columns[MASK_IS] = self.inception.features(inside)[1]
        if self._poses is not None and poses is not None:
            correct, counted = self._poses.correct(made, poses)
            count = counted.sum(axis=1)
            columns[PCKH_COUNT] = count.astype(float)
            share = (correct & counted).sum(axis=1) / np.maximum(count, 1)
            columns[PCKH] = np.where(count > 0, share, np.nan)
        return columns


@dataclass(frozen=True)
class Value:
    """A score of many images.

    Attributes:
        mean: over the images; of a score of all images together, the score.
        std: standard deviation over the images; of the Inception score over its splits.
        interval: 95 % of the mean by bootstrap over pairs; None where there is none.
    """

    mean: float
    std: float | None = None
    interval: tuple[float, float] | None = None


def together(
    measure: str, features: Iterable[np.ndarray], reference: Statistics | None
) -> Value:
    """Returns the score of all images together.

    Args:
        measure: `is`, `mask_is` or `fid`.
        features: of the images, part by part.
        reference: that FID holds them against.
    """
    if measure == FID and reference is not None:
        return Value(frechet_distance(statistics(features), reference))
    mean, std = inception_score(np.concatenate(list(features)), splits=_SPLITS)
    return Value(mean, std)


def check_count(chosen: tuple[str, ...], count: int) -> None:
    """Refuses too few images for the metrics of all images together.

    Raises:
        InputError: there are fewer images than splits, or less than two for FID.
    """
    least = {IS: _SPLITS, MASK_IS: _SPLITS, FID: 2}
    for name in chosen:
        if count < least.get(name, 1):
            raise InputError(
                f"--metrics={name}: needs at least {least[name]} images, there are "
                f"{count}"
            )


def statistics(parts: Iterable[np.ndarray]) -> Statistics:
    """Returns mean and covariance of features that come in parts."""
    gathered = Statistics()
    for part in parts:
        gathered.update(part)
    return gathered


def _each(
    metrics: Mapping[str, image_metrics.Metric],
    wanted: tuple[str, ...],
    made: np.ndarray,
    targets: np.ndarray,
) -> dict[str, np.ndarray]:
    """Returns those of the metrics that are wanted, of every image."""

    def score(pair: Any) -> list[float]:
        return [metrics[name](*pair) for name in chosen]

    chosen = [name for name in metrics if name in wanted]
    with ThreadPoolExecutor(_THREADS) as pool:
        rows = list(pool.map(score, zip(made, targets, strict=True)))
    return dict(zip(chosen, np.array(rows, float).T, strict=True)) if chosen else {}
