"""The pairs that a figure shows."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pg2_tf.data.dataset import Split
from pg2_tf.data.pipeline import PairSource


class Pairs(NamedTuple):
    """Pairs of images, as many of each.

    Attributes:
        names: of source and target.
        identities: of the targets.
        source, target: uint8 [P, H, W, 3].
        poses: of the targets, float32 [P, 18, 3] in pixels.
    """

    names: list[tuple[str, str]]
    identities: list[str]
    source: np.ndarray
    target: np.ndarray
    poses: np.ndarray

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return self.source.shape[1:3]


def gather(split: Split, positions: Sequence[int]) -> Pairs:
    """Gathers pairs from a split.

    Args:
        split: with the pairs.
        positions: of those wanted among the split's, in order.
    """
    # So only their images are decoded.
    pairs = split.pairs[list(positions)]
    chosen = PairSource(dataclasses.replace(split, pairs=pairs))
    batch = chosen.gather(tf.range(len(pairs), dtype=tf.int64))
    return Pairs(
        names=chosen.names_of(np.arange(len(pairs))),
        identities=[split.identities[target] for target in pairs[:, 1].tolist()],
        source=batch["source"].numpy(),
        target=batch["target"].numpy(),
        poses=batch["keypoints"].numpy(),
    )
