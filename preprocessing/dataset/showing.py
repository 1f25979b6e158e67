"""Shows images of a data set with all that is stored of them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.dataset import reading
from preprocessing.dataset.inspection import SplitSurvey
from preprocessing.dataset.reading import StoredImage
from preprocessing.images import drawing as pictures
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

LEGEND = "Skeletons: the person's right is red, the left blue."
_NUM_COLUMNS = 5
# Images are shown as many whole times larger as come to this height at most.
_HEIGHT = 256


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
        counted: what there is.
        split: `train` or `test`, or None for both.
        names: of the images; where there are none, they are drawn.
        num: how many are drawn.
        seed: of the drawing.

    Returns:
        The manifest's entry of the shard that each image is in, by name.

    Raises:
        InputError: there is no such split, no image in it or none of such a name.
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
        data_dir: of the data set.
        chosen: as `choose` returns them.
        size: height and width of the images in pixels.
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
