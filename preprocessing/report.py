"""Says what a data set holds and what was passed over."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from preprocessing.pairing import PairList
from preprocessing.samples import Notes


def describe(
    source: str,
    image_size: tuple[int, int],
    splits: dict[str, Any],
    pair_lists: Sequence[PairList],
    notes: Notes,
) -> str:
    """Returns the report of a data set, several lines.

    Args:
        source: name of the source.
        image_size: height and width in pixels.
        splits: as the manifest holds them.
        pair_lists: those that the pairs were taken from.
        notes: of what was passed over.
    """
    lines = [f"{source}: {image_size[0]}x{image_size[1]}"]
    for name, split in splits.items():
        lines.append(
            f"  {name}: {split['images']:,} images of {split['identities']:,} "
            f"identities, {split['images_without_person']:,} without a person, "
            f"{split['mean_joints']:.1f} of 18 joints found on average, "
            f"{split['pairs']:,} ordered same-identity pairs, "
            f"{len(split['shards'])} shards"
        )
    used: dict[str, int] = {}
    for pairs in pair_lists:
        used[str(pairs.path)] = used.get(str(pairs.path), 0) + pairs.used
    for pairs in {str(pairs.path): pairs for pairs in pair_lists}.values():
        total = len(pairs.rows)
        lines.append(
            f"  {pairs.path}: {total - used[str(pairs.path)]:,} of {total:,} rows name "
            "no two images of one person here"
        )
    return "\n".join(lines + [f"  {line}" for line in notes.lines()])


def versions() -> dict[str, str]:
    """Returns the versions of the packages that records depend on."""
    return {
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
