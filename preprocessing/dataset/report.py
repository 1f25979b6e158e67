"""The report of a data set: its contents, and what was skipped."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from preprocessing.dataset.pair_index import Images, PairIndex
from preprocessing.dataset.settings import Settings
from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes


def summarize(
    splits: Sequence[str], entries: Sequence[dict[str, Any]], shards: Sequence[Images]
) -> dict[str, Any]:
    """Returns the entries of the splits in the manifest.

    Args:
        splits: Split of each shard.
        entries: Entries of the shards in the manifest.
        shards: Images of each shard.
    """
    return {
        split: _summary(
            [entry for entry, own in zip(entries, splits, strict=True) if own == split],
            [
                images
                for images, own in zip(shards, splits, strict=True)
                if own == split
            ],
        )
        for split in dict.fromkeys(splits)
    }


def _summary(entries: list[dict[str, Any]], shards: list[Images]) -> dict[str, Any]:
    joints = [int(kp.found(pose).sum()) for images in shards for pose in images.poses]
    with_person = [count for count in joints if count]
    identities = {identity for images in shards for identity in images.identities}
    return {
        "images": len(joints),
        "identities": len(identities),
        "images_without_person": len(joints) - len(with_person),
        "mean_joints": float(np.mean(with_person)) if with_person else 0.0,
        "pairs": sum(entry["pairs"] for entry in entries),
        "shards": entries,
    }


def describe(
    settings: Settings,
    splits: dict[str, Any],
    index: PairIndex,
    notes: Notes,
    *,
    expected: Mapping[str, str],
) -> str:
    """Returns the report of a data set, several lines.

    Args:
        settings: Settings of the data set.
        splits: Splits as in the manifest.
        index: Index of the pairs.
        notes: Notes about skipped and changed images.
        expected: Counts of the whole data set by split, one line each.
    """
    lines = [f"{settings.source}: {settings.image_size[0]}x{settings.image_size[1]}"]
    for name, split in splits.items():
        lines.append(
            f"  {name}: {split['images']:,} images of {split['identities']:,} "
            f"identities, {split['images_without_person']:,} without a person, "
            f"{split['mean_joints']:.1f} of 18 joints found on average, "
            f"{split['pairs']:,} ordered same-identity pairs, "
            f"{len(split['shards'])} shards"
        )
        if name in expected:
            lines.append(f"    for comparison: {expected[name]}")
    for pairs in index.lists:
        total = len(pairs.rows)
        lines.append(
            f"  {pairs.origin}: {total - pairs.used:,} of {total:,} rows name "
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
