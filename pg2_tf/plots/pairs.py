"""The pairs that a figure shows."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pg2_tf import evaluation
from pg2_tf.data.dataset import Split
from pg2_tf.data.pipeline import PairSource
from preprocessing import keypoints as kp
from preprocessing import pair_lists
from preprocessing.errors import InputError


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


def drawn_pairs(split: Split, count: int, *, seed: int) -> Pairs:
    """Takes the pairs of a split that `pg2_tf.evaluate` draws with this seed."""
    return _gather(split, split.pairs[evaluation.draw_pairs(split, count, seed=seed)])


def listed_pairs(split: Split, path: str | Path) -> Pairs:
    """Takes the pairs that a file lists, in its order.

    Args:
        split: with the images.
        path: a file that `pair_lists.read` reads, such as the `pairs.csv` of
            `pg2_tf.evaluate`.

    Raises:
        InputError: the file cannot be read, names an image that the split does not
            have, or a target in which no keypoint was found.
    """
    position = {name: index for index, name in enumerate(split.names)}
    rows = pair_lists.read(path)
    for name in (name for row in rows for name in row):
        if name not in position:
            raise InputError(f"{path}: {name}: no image of this split has this name")
    pairs = np.array([(position[a], position[b]) for a, b in rows], np.int32)
    for index in pairs[:, 1].tolist():
        if not kp.found(split.keypoints[index]).any():
            raise InputError(
                f"{path}: {split.names[index]}: no keypoint was found in this image"
            )
    return _gather(split, pairs)


def _gather(split: Split, pairs: np.ndarray) -> Pairs:
    chosen = PairSource(dataclasses.replace(split, pairs=pairs))
    batch = chosen.gather(tf.range(len(pairs), dtype=tf.int64))
    return Pairs(
        names=chosen.names_of(np.arange(len(pairs))),
        identities=_of(split.identities, pairs[:, 1]),
        source=batch["source"].numpy(),
        target=batch["target"].numpy(),
        poses=batch["keypoints"].numpy(),
    )


def _of(values: Sequence[str], positions: np.ndarray) -> list[str]:
    return [values[position] for position in positions.tolist()]
