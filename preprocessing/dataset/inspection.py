"""Counts the contents of a data set, and draws sheets of its images."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from preprocessing.dataset import reading
from preprocessing.dataset.reading import StoredImage
from preprocessing.images import drawing as pictures
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

PARTS = ("JPEG", "heatmaps", "mask", "heatmaps + mask", "keypoints")
_MOST_NAMED = 3
LEGEND = "Skeletons: the person's right is red, the left blue."
_NUM_COLUMNS = 5
# Images are enlarged by a whole factor, to at most this height in pixels.
_HEIGHT = 256


@dataclass
class SplitSurvey:
    """What was counted in one split.

    Attributes:
        shard_of: The manifest's entry of the shard that each image is in, by name.
        images, pairs: Numbers of images and pairs of each identity.
        found: int64 [18], in how many images each keypoint was found.
        sizes: Bytes of each of `PARTS`, of every image.
        bytes_on_disk: Bytes of shards and pair indices on disk.
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
        InputError: A shard or a pair index is missing or damaged.
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


def choose(
    counted: Mapping[str, SplitSurvey],
    *,
    split: str | None,
    names: Sequence[str],
    num: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Chooses the images to show.

    Args:
        counted: Counts of the split.
        split: `train` or `test`, or None for both.
        names: Names of the images; without names, images are drawn.
        num: Number of images to draw.
        seed: Seed of the drawing.

    Returns:
        The manifest's entry of the shard that each image is in, by name.

    Raises:
        InputError: There is no such split, no image in it or none of such a name.
    """
    if split is not None and split not in counted:
        raise InputError(f"--split={split}: there is only {', '.join(counted)}")
    present: dict[str, dict[str, Any]] = {}
    for name in counted if split is None else [split]:
        present |= counted[name].shard_of
    among = "the data set" if split is None else f"the {split} split"
    if not present:
        raise InputError(f"{among} has no images")
    for name in names:
        if name not in present:
            raise InputError(f"--names={name}: no image in {among} has this name")
    if not names:
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(present), min(num, len(present)), replace=False)
        names = [list(present)[position] for position in sorted(drawn)]
    return {name: present[name] for name in names}


def load(
    data_dir: Path, chosen: Mapping[str, dict[str, Any]], *, size: tuple[int, int]
) -> list[StoredImage]:
    """Reads the chosen images, in their order.

    Args:
        data_dir: Folder of the data set.
        chosen: As `choose` returns them.
        size: Height and width of the images in pixels.
    """
    shards = {shard["file"]: shard["images"] for shard in chosen.values()}
    stored = {
        image.name: image
        for file, count in shards.items()
        for image in reading.read_shard(data_dir / file, count=count, size=size)
        if image.name in chosen
    }
    return [stored[name] for name in chosen]


def sheet(chosen: Sequence[StoredImage]) -> np.ndarray:
    """Shows images: each as it is, with skeleton, heatmaps, mask, and flipped.

    Returns:
        uint8 [.., .., 3], RGB, about as wide as tall.
    """
    height, width = chosen[0].size
    blocks = round((len(chosen) * height / (_NUM_COLUMNS * width)) ** 0.5)
    rows = math.ceil(len(chosen) / max(1, blocks))
    starts = range(0, len(chosen), rows)
    parts = [_block(chosen[start : start + rows]) for start in starts]
    return pictures.beside(parts, note=LEGEND)


def _block(chosen: Sequence[StoredImage]) -> np.ndarray:
    height = chosen[0].size[0]
    scale = max(1, _HEIGHT // height)
    rows = [_row(stored, scale) for stored in chosen]
    captions = [
        f"{stored.name}   identity {stored.identity}   "
        f"{kp.found(stored.pose).sum()} of {kp.NUM_KEYPOINTS} keypoints"
        for stored in chosen
    ]
    return pictures.sheet(
        {heading: [row[heading] for row in rows] for heading in rows[0]},
        height=min(height * scale, 2 * _HEIGHT),
        captions=captions,
    )


def _row(stored: StoredImage, scale: int) -> dict[str, np.ndarray]:
    height, width = stored.size
    image = images.decode(stored.image, name=stored.place)
    flipped = kp.flip(stored.pose, width=width)
    size, large = stored.size, (height * scale, width * scale)
    return {
        "image": images.resize(image, large),
        "skeleton": pictures.draw_pose(
            stored.pose, size=size, scale=scale, image=image
        ),
        "heatmaps": pictures.fold_heatmaps(stored.unpack_heatmaps(), scale=scale),
        "mask": pictures.draw_mask_on(image, stored.unpack_mask(), scale=scale),
        "flipped": pictures.draw_pose(
            flipped, size=size, scale=scale, image=image[:, ::-1]
        ),
    }
