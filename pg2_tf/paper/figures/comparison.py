"""The figures: pose mask (3), images side by side (4, 5), and a sweep of lambda."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from pg2_tf.data.dataset import Split
from pg2_tf.paper.figures import layout
from pg2_tf.paper.figures.columns import Column, Pairs, Run, read_generated
from pg2_tf.paper.figures.grid import Cell, Grid
from preprocessing.dataset import pairing
from preprocessing.images import heatmaps
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError
from preprocessing.system.files import read_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# As in the paper's figures.
HEADINGS = ("Condition image", "Target pose", "Target image (GT)")
MASK_HEADINGS = ("Image", "Keypoints", "Limbs connected", "Dilation", "Pose mask")
METRICS = {"ssim": "SSIM", "mask_ssim": "mask-SSIM"}
# Scores are those of the first of these images in the file.
_IMAGES = ("refined", "coarse", "generated")
_HEIGHT = 2.3
# Lambdas with at least this ratio get a logarithmic axis.
_WIDE = 10


class Score(NamedTuple):
    """A score of a run.

    Attributes:
        mean: Mean over the images.
        interval: Lower and upper bound of the mean, or None if unknown.
    """

    mean: float
    interval: tuple[float, float] | None = None


def mask_process(split: Split, name: str) -> Grid:
    """Shows the steps of computing an image's pose mask (paper figure 3).

    The mask is the one that models are trained and scored with; see
    `heatmaps.mask_steps`.

    Args:
        split: Data split.
        name: Name of the image.

    Raises:
        InputError: The split has no such image, or the image has no person.
    """
    if name not in split.names:
        raise InputError(f"--name={name}: no image of this split has this name")
    index = split.names.index(name)
    pose = split.keypoints[index]
    if not kp.found(pose).any():
        raise InputError(f"--name={name}: no keypoint was found in this image")
    image = images.decode(split.images[index].numpy(), name=name)
    steps = heatmaps.mask_steps(pose, size=split.image_size)
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
        pairs: Pairs, shown in the first three columns.
        columns: Columns of images, in order.
        labels: Whether the person's identity labels each row.
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
        InputError: A run is missing or generates images of another size. This is
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
        pairs: The pairs.
        places: Folder or CSV by heading; see `columns.read_generated`.
    """
    return [
        Column(label, read_generated(place, pairs)) for label, place in places.items()
    ]


def lambda_columns(pairs: Pairs, runs: Sequence[Run], *, weights: str) -> list[Column]:
    """Returns a column for each run, ordered by lambda and headed with it.

    Raises:
        InputError: A run's lambda is unknown, or two runs have the same.
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


def collect_scores(
    runs: Sequence[Run], files: Mapping[str, Path]
) -> dict[float, dict[str, Score]]:
    """Reads scores and sorts them by lambda.

    Args:
        runs: Scored runs.
        files: Paths of `scores.json` by the label of the run; see `read_scores`.

    Returns:
        The scores by lambda, then by metric.

    Raises:
        InputError: No run has the label, or a file cannot be used.
    """
    labels = {run.label: run for run in runs}
    scores = {}
    for label, path in files.items():
        if label not in labels:
            raise InputError(
                f"--scores={label}=...: no run has this label; there are "
                f"{', '.join(labels)}"
            )
        scores[labels[label].l1_weight()] = read_scores(path)
    return dict(sorted(scores.items()))


def read_scores(path: Path) -> dict[str, Score]:
    """Reads SSIM and mask-SSIM from a file of scores.

    Args:
        path: JSON with `means` by image (`refined`, `coarse` or `generated`) and metric
            (`ssim`, `mask_ssim`), and perhaps `interval` likewise, two numbers each.
            Other content is ignored.

    Returns:
        The scores of those of the two metrics that the file has.

    Raises:
        InputError: The file cannot be read, or has neither.
    """
    content = read_json(path)
    means = _entry(content, "means")
    image = next((name for name in _IMAGES if _entry(means, name)), "")
    intervals = _entry(_entry(content, "interval"), image)
    scores = {
        metric: Score(mean, _interval(_entry(intervals, metric)))
        for metric in METRICS
        if _is_number(mean := _entry(_entry(means, image), metric))
    }
    if not scores:
        raise InputError(
            f"{path}: has no means of {' or '.join(METRICS)} of the images "
            f"{', '.join(_IMAGES)}"
        )
    return scores


def plot_scores(scores: Mapping[float, Mapping[str, Score]]) -> "Figure":
    """Draws each metric against lambda, one above the other, a column wide.

    Args:
        scores: Scores by lambda, ascending, and by metric.
    """
    metrics = [
        metric for metric in METRICS if any(metric in each for each in scores.values())
    ]
    weights = list(scores)
    with layout.styled():
        figure = layout.new_figure(layout.COLUMNS_WIDTHS["single"], _HEIGHT)
        panels = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
        for panel, metric in zip(panels, metrics, strict=True):
            known = [weight for weight in weights if metric in scores[weight]]
            values = [scores[weight][metric] for weight in known]
            panel.plot(
                known,
                [score.mean for score in values],
                color="black",
                linewidth=0.9,
                marker="o",
                markersize=3,
            )
            for weight, score in zip(known, values, strict=True):
                if score.interval:
                    panel.vlines(weight, *score.interval, color="black", linewidth=0.9)
            panel.set_ylabel(METRICS[metric])
            panel.margins(y=0.25)
        if weights[0] > 0 and weights[-1] >= _WIDE * weights[0]:
            panels[-1].set_xscale("log")
        panels[-1].set_xticks(weights, [f"{weight:g}" for weight in weights])
        panels[-1].minorticks_off()
        panels[-1].set_xlabel("λ")
        figure.align_ylabels()
        figure.tight_layout(pad=0.3)
        return figure


def _entry(content: Any, name: str) -> Any:
    return content.get(name) if isinstance(content, dict) else None


def _is_number(value: Any) -> bool:
    kind = isinstance(value, (int, float)) and not isinstance(value, bool)
    return kind and math.isfinite(value)


def _interval(value: Any) -> tuple[float, float] | None:
    if isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)):
        return value[0], value[1]
    return None
