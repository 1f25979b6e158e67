"""Selects the pairs of a split: drawn, listed, or of held-out identities."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from pg2_tf.data.dataset import Split
from pg2_tf.data.stored import StoredPairs
from preprocessing.dataset import pair_index, pairing
from preprocessing.dataset.pair_index import PairList
from preprocessing.poses import pose_files as poses
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError


def draw_pairs(split: Split, count: int, *, seed: int) -> list[int]:
    """Draws positions among a split's pairs, in ascending order; see `pairing.drawn`.

    The same data and seed give the same pairs on every machine.
    """
    named = [(split.names[a], split.names[b]) for a, b in split.pairs.tolist()]
    return pairing.drawn(named, count=count, seed=seed)


def hold_out(
    split: Split | StoredPairs, fraction: float
) -> tuple[Split | StoredPairs, Split | StoredPairs]:
    """Divides the pairs of a split by identity.

    The hash of its name decides for each identity, so the result depends neither on
    the order of the images nor on the other identities.

    Args:
        split: The split.
        fraction: Approximate fraction of the identities to hold out, 0 to 1.

    Returns:
        The split with the pairs to train on, and the split with the held-out pairs.
    """
    if not fraction:
        return split, split.select([])
    held = split.is_source(lambda name: _hash(name) < fraction)
    return split.select(np.flatnonzero(~held)), split.select(np.flatnonzero(held))


def _hash(name: str) -> float:
    """Returns a number from 0 to 1 that depends on a name only."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def listed_pairs(split: Split, path: str | Path) -> tuple[Split, list[str]]:
    """Returns a split with the pairs of a list, in its order.

    Args:
        split: Split with the images.
        path: A CSV with the columns `from` and `to`; see `pair_index.read`.

    Returns:
        The split, and lines about pairs of the list that were left out.

    Raises:
        InputError: The list cannot be read, or has no pair of images of the split.
    """
    notes = Notes()
    listed = PairList(path, pair_index.read(path), key=poses.default_key)
    pairs = listed.pairs(split.names, list(split.keypoints), notes)
    if not len(pairs):
        raise InputError(
            f"{path}: none of its {len(listed.rows):,} pairs has both images in the "
            f"split, such as {split.names[0]}"
        )
    missing = len(listed.rows) - listed.used
    if missing:
        notes.say(f"{missing:,} listed pairs have an image that the split lacks")
    return dataclasses.replace(split, pairs=pairs), notes.lines()
