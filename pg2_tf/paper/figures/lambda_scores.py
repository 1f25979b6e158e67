"""Scores of runs by the lambda that they were trained with."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pg2_tf.paper.figures import layout
from pg2_tf.paper.figures.columns import Run
from preprocessing.system.content import read_json
from preprocessing.system.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {"ssim": "SSIM", "mask_ssim": "mask-SSIM"}
# Scores are those of the first of these images in the file.
_IMAGES = ("refined", "coarse", "generated")
_HEIGHT = 2.3
# Lambdas with at least this ratio get a logarithmic axis.
_WIDE = 10


class Score(NamedTuple):
    """A score of a run.

    Attributes:
        mean: mean over the images.
        interval: lower and upper bound of the mean, or None if unknown.
    """

    mean: float
    interval: tuple[float, float] | None = None


def collect(
    runs: Sequence[Run], files: Mapping[str, Path]
) -> dict[float, dict[str, Score]]:
    """Reads scores and sorts them by lambda.

    Args:
        runs: scored runs.
        files: paths of `scores.json` by the label of the run; see `read_scores`.

    Returns:
        The scores by lambda, then by metric.

    Raises:
        InputError: no run has the label, or a file cannot be used.
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
        InputError: the file cannot be read, or has neither.
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


def draw(scores: Mapping[float, Mapping[str, Score]]) -> "Figure":
    """Draws each metric against lambda, one above the other, a column wide.

    Args:
        scores: by lambda, ascending, then by metric.
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
