"""The figures: the pose mask (3), and images side by side (4, 5, and by lambda)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pg2_tf.data.dataset import Split
from pg2_tf.paper.figures.columns import Column, Pairs, Run, read_generated
from pg2_tf.paper.figures.grid import Cell, Grid
from preprocessing.dataset import pairing
from preprocessing.images import image_files as images
from preprocessing.images import masks
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

# As in the paper's figures.
HEADINGS = ("Condition image", "Target pose", "Target image (GT)")
MASK_HEADINGS = ("Image", "Keypoints", "Limbs connected", "Dilation", "Pose mask")


def mask_process(split: Split, name: str) -> Grid:
    """Shows the steps of computing an image's pose mask (paper figure 3).

    The mask is the one that models are trained and scored with; see `masks.mask_steps`.

    Args:
        split: data split.
        name: name of the image.

    Raises:
        InputError: the split has no such image, or the image has no person.
    """
    if name not in split.names:
        raise InputError(f"--name={name}: no image of this split has this name")
    index = split.names.index(name)
    pose = split.keypoints[index]
    if not kp.found(pose).any():
        raise InputError(f"--name={name}: no keypoint was found in this image")
    image = images.decode(split.images[index].numpy(), name=name)
    steps = masks.mask_steps(pose, size=split.image_size)
    cells = [Cell(image), Cell(image, pose, limbs=False)]
    # uint8 [H, W] of 0 and 1 to black and white.
    cells += [Cell(np.repeat(255 * step[..., None], 3, axis=2)) for step in steps]
    return Grid(split.image_size, MASK_HEADINGS, [cells], arrows=True)


def draw_name(split: Split, *, seed: int) -> str:
    """Returns the name of a random image among those with the most keypoints."""
    counts = kp.found(split.keypoints).sum(axis=1)
    fullest = [split.names[index] for index in np.flatnonzero(counts == counts.max())]
    (position,) = pairing.drawn([(name, "") for name in fullest], count=1, seed=seed)
    return fullest[position]


def compare(pairs: Pairs, columns: Sequence[Column], *, labels: bool) -> Grid:
    """Lays out pairs, one row each, and the methods' images beside them.

    Args:
        pairs: pairs, shown in the first three columns.
        columns: columns of images, in order.
        labels: whether the person's identity labels each row.
    """
    rows = []
    for index in range(len(pairs.names)):
        given = [
            Cell(pairs.source[index]),
            Cell(None, pairs.poses[index]),
            Cell(pairs.target[index]),
        ]
        rows.append([*given, *(Cell(column.images[index]) for column in columns)])
    headings = [*HEADINGS, *(column.heading for column in columns)]
    people = [f"ID {name}" for name in pairs.identities] if labels else ()
    return Grid(pairs.image_size, headings, rows, people)


def generated_columns(
    pairs: Pairs, runs: Sequence[Run], *, weights: str
) -> list[Column]:
    """Returns a column for each run, in order; see `Run.generate`.

    Raises:
        InputError: a run is missing or generates images of another size. This is
            checked before any image is generated.
    """
    for run in runs:
        run.require_size(pairs.image_size)
    made = []
    with tqdm(
        total=len(runs), desc="generating", unit=" runs", disable=not runs
    ) as progress:
        for run in runs:
            made.append(Column(run.label, run.generate(pairs, weights=weights)))
            progress.update()
    return made


def read_columns(pairs: Pairs, places: Mapping[str, Path]) -> list[Column]:
    """Returns a column of another method's images for each place, in order.

    Args:
        pairs: the pairs.
        places: folder or CSV by heading; see `columns.read_generated`.
    """
    return [
        Column(label, read_generated(place, pairs)) for label, place in places.items()
    ]


def lambda_columns(pairs: Pairs, runs: Sequence[Run], *, weights: str) -> list[Column]:
    """Returns a column for each run, ordered by lambda and headed with it.

    Raises:
        InputError: a run's lambda is unknown, or two runs have the same.
    """
    by_weight: dict[float, Run] = {}
    for run in runs:
        weight = run.l1_weight()
        if weight in by_weight:
            raise InputError(
                f"{by_weight[weight].path} and {run.path}: both were trained with "
                f"lambda {weight:g}"
            )
        by_weight[weight] = run
    ordered = [
        by_weight[weight]._replace(label=f"λ = {weight:g}")
        for weight in sorted(by_weight)
    ]
    return generated_columns(pairs, ordered, weights=weights)
