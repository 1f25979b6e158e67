"""Counts what is in a data set."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from preprocessing.dataset import reading
from preprocessing.poses import keypoints as kp

PARTS = ("JPEG", "heatmaps", "mask", "heatmaps + mask", "keypoints")
_MOST_NAMED = 3


@dataclass
class SplitSurvey:
    """What was counted in one split.

    Attributes:
        shard_of: the manifest's entry of the shard that each image is in, by name.
        images, pairs: how many each identity has.
        found: int64 [18], in how many images each keypoint was found.
        sizes: bytes of each of `PARTS`, of every image.
        bytes_on_disk: of shards and pair indices.
    """

    shard_of: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    found: np.ndarray = field(
        default_factory=lambda: np.zeros(kp.NUM_KEYPOINTS, np.int64)
    )
    sizes: list[tuple[int, ...]] = field(default_factory=list)
    bytes_on_disk: int = 0


def survey(data_dir: Path, manifest: dict[str, Any]) -> dict[str, SplitSurvey]:
    """Reads a whole data set and counts, split by split.

    Raises:
        InputError: a shard or a pair index is missing or damaged.
    """
    counted = {name: SplitSurvey() for name in manifest["splits"]}
    total = sum(split["images"] for split in manifest["splits"].values())
    size = tuple(manifest["image_size"])
    with tqdm(total=total, desc="survey", unit=" images", leave=False) as progress:
        for name, split in manifest["splits"].items():
            for shard in split["shards"]:
                _count_shard(counted[name], data_dir, shard, size, progress)
    return counted


def describe(manifest: dict[str, Any], counted: Mapping[str, SplitSurvey]) -> str:
    """Returns the counts as tables, many lines."""
    height, width = manifest["image_size"]
    lines = [f"{manifest.get('source', 'data set')}: {height}x{width}", ""]
    lines += _table("", list(counted), _totals(manifest["splits"], counted))
    for what in ("images", "pairs"):
        lines += ["", f"{what} of an identity"]
        lines += [
            f"  {name}: {_spread({i: getattr(split, what)[i] for i in split.images})}"
            for name, split in counted.items()
            if split.images
        ]
    shares = {
        name: [
            f"{split.found[index] / max(1, len(split.sizes)):.1%}"
            for split in counted.values()
        ]
        for index, name in enumerate(kp.NAMES)
    }
    lines += ["", *_table("keypoint found in", list(counted), shares)]
    sizes = np.array([row for split in counted.values() for row in split.sizes])
    parts = {
        part: [f"{column.mean():,.0f}", f"{column.max():,}"]
        for part, column in zip(PARTS, sizes.T, strict=True)
    }
    lines += ["", *_table("bytes of an image", ["mean", "largest"], parts)]
    return "\n".join(lines)


def _count_shard(
    counted: SplitSurvey,
    data_dir: Path,
    shard: dict[str, Any],
    size: tuple[int, int],
    progress: tqdm,
) -> None:
    path, index = data_dir / shard["file"], data_dir / shard["pairs_file"]
    identities = []
    for stored in reading.read_shard(path, count=shard["images"], size=size):
        identities.append(stored.identity)
        counted.shard_of[stored.name] = shard
        counted.found += kp.found(stored.pose)
        drawn = len(stored.heatmaps), len(stored.mask)
        counted.sizes.append(
            (len(stored.image), *drawn, sum(drawn), stored.pose.nbytes)
        )
        progress.update()
    pairs = reading.read_pairs(index, count=shard["pairs"], num_images=shard["images"])
    counted.images.update(identities)
    counted.pairs.update(identities[source] for source in pairs[:, 0].tolist())
    counted.bytes_on_disk += path.stat().st_size + index.stat().st_size


def _totals(
    splits: dict[str, Any], counted: Mapping[str, SplitSurvey]
) -> dict[str, list[str]]:
    rows = {
        name.replace("_", " "): [f"{split[name]:,}" for split in splits.values()]
        for name in ("images", "identities", "images_without_person", "pairs")
    }
    rows["shards"] = [f"{len(split['shards']):,}" for split in splits.values()]
    sizes = [split.bytes_on_disk for split in counted.values()]
    return rows | {"MB on disk": [f"{size / 1e6:,.1f}" for size in sizes]}


def _spread(counts: Mapping[str, int]) -> str:
    """Says how counts are spread, and whose are the largest and the smallest."""
    values = list(counts.values())
    most = sorted(counts, key=lambda name: (-counts[name], name))[:_MOST_NAMED]
    fewest = sorted(counts, key=lambda name: (counts[name], name))[:_MOST_NAMED]
    return (
        f"{min(values):,} to {max(values):,}, median {np.median(values):,g}; "
        f"most {_named(most, counts)}; fewest {_named(fewest, counts)}"
    )


def _named(names: Iterable[str], counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({counts[name]:,})" for name in names)


def _table(
    heading: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]
) -> list[str]:
    lines = {heading: columns, **rows}
    label = max(map(len, lines))
    wide = 2 + max(len(cell) for cells in lines.values() for cell in cells)
    return [
        name.ljust(label) + "".join(cell.rjust(wide) for cell in cells)
        for name, cells in lines.items()
    ]
