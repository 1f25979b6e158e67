"""Which pairs of a split are scored: drawn ones, or those of a list."""

import dataclasses
from pathlib import Path

from pg2_tf.data.dataset import Split
from preprocessing.dataset import pair_lists, pairing
from preprocessing.dataset.pair_lists import PairList
from preprocessing.poses import pose_files as poses
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError


def draw_pairs(split: Split, count: int, *, seed: int) -> list[int]:
    """Draws positions among a split's pairs, in ascending order; see `pairing.drawn`.

    The same data and seed give the same pairs on every machine.
    """
    named = [(split.names[a], split.names[b]) for a, b in split.pairs.tolist()]
    return pairing.drawn(named, count=count, seed=seed)


def listed_pairs(split: Split, path: str | Path) -> tuple[Split, list[str]]:
    """Returns a split whose pairs are those of a list, in its order.

    Args:
        split: with the images.
        path: a CSV with the columns `from` and `to`; see `pair_lists.read`.

    Returns:
        The split, and lines on what of the list was left out.

    Raises:
        InputError: the list cannot be read, or no pair of it is of images of the split.
    """
    notes = Notes()
    listed = PairList(path, pair_lists.read(path), key=poses.default_key)
    pairs = listed.pairs(split.names, list(split.keypoints), notes)
    if not len(pairs):
        raise InputError(
            f"{path}: none of its {len(listed.rows):,} pairs is of images of the "
            f"split, such as {split.names[0]}"
        )
    missing = len(listed.rows) - listed.used
    if missing:
        notes.say(f"{missing:,} listed pairs have an image that the split lacks")
    return dataclasses.replace(split, pairs=pairs), notes.lines()
