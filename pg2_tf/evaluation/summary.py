"""Means of scores, how sure they are, and tables of them."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from pg2_tf.evaluation.measures import WEIGHTS, Value

_RESAMPLES = 1000
_AT_ONCE = 50
_LEVEL = (2.5, 97.5)


def summarise(
    columns: Mapping[str, np.ndarray], *, seed: int = 0
) -> dict[str, dict[str, Value]]:
    """Returns mean, standard deviation and interval of every column.

    Intervals are the 2.5th and 97.5th percentile of the means of 1,000 drawings of as
    many pairs with replacement (Efron 1979), the same pairs for every column.

    Args:
        columns: float64 [N] by `image/metric`; a column of `WEIGHTS` is averaged with
            the weights of the other, images of weight 0 left out.
        seed: of the drawings.

    Returns:
        By image and metric; weights are not among them.
    """
    count = len(next(iter(columns.values())))
    names = [name for name in columns if name.split("/")[1] not in WEIGHTS.values()]
    values = np.stack([columns[name] for name in names], axis=1)
    weights = np.stack([_weights(name, columns, count) for name in names], axis=1)
    values = np.where(weights > 0, values, 0)
    means, stds = _mean(values, weights, np.ones((1, count)))[0], _std(values, weights)
    low, high = _intervals(values, weights, seed=seed)
    found: dict[str, dict[str, Value]] = {}
    for index, name in enumerate(names):
        image, metric = name.split("/")
        found.setdefault(image, {})[metric] = Value(
            float(means[index]),
            float(stds[index]),
            (float(low[index]), float(high[index])),
        )
    return found


def as_json(scores: dict[str, dict[str, Value]]) -> dict[str, object]:
    """Returns the scores as JSON: `means`, `std` and `interval`, by image and metric.

    JSON knows no infinity, which the PSNR of equal images is; null stands for it.
    """
    return {
        "means": _of(scores, lambda value: _finite(value.mean)),
        "std": _of(scores, lambda value: _finite(value.std)),
        "interval": _of(
            scores,
            lambda value: value.interval and [_finite(edge) for edge in value.interval],
        ),
    }


def as_text(scores: dict[str, dict[str, Value]], *, titles: dict[str, str]) -> str:
    """Returns a table for the terminal: a row a score, a column an image.

    Args:
        scores: by image and metric.
        titles: of images, where they differ from their names.
    """
    metrics = list(dict.fromkeys(name for row in scores.values() for name in row))
    rows = {
        titles.get(image, image): [shown(row.get(metric)) for metric in metrics]
        for image, row in scores.items()
    }
    return pd.DataFrame(rows, index=metrics).to_string()


def shown(value: Value | None) -> str:
    """Returns a score with half the width of its interval, as text."""
    if value is None:
        return ""
    digits = 4 if abs(value.mean) < 10 else 2
    if value.interval and all(map(math.isfinite, value.interval)):
        half = (value.interval[1] - value.interval[0]) / 2
        return f"{value.mean:.{digits}f} ±{half:.{digits}f}"
    return f"{value.mean:.{digits}f}"


def _weights(name: str, columns: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    image, metric = name.split("/")
    if metric in WEIGHTS:
        return columns[f"{image}/{WEIGHTS[metric]}"]
    return np.ones(count)


def _mean(values: np.ndarray, weights: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Returns weighted means [R, C] of columns [N, C], rows counted as in [R, N]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return drawn @ (values * weights) / (drawn @ weights)


def _std(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the spread of each column over the images that count."""
    with np.errstate(invalid="ignore"):
        return np.array(
            [
                values[weights[:, i] > 0, i].std() if weights[:, i].any() else math.nan
                for i in range(values.shape[1])
            ]
        )


def _intervals(
    values: np.ndarray, weights: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    count = len(values)
    rng = np.random.default_rng(seed)
    means = [
        _mean(values, weights, rng.multinomial(count, [1 / count] * count, _AT_ONCE))
        for _ in range(_RESAMPLES // _AT_ONCE)
    ]
    with np.errstate(invalid="ignore"):
        low, high = np.percentile(np.concatenate(means), _LEVEL, axis=0)
    return low, high


def _of(
    scores: dict[str, dict[str, Value]], choose: Callable[[Value], object]
) -> dict[str, dict[str, object]]:
    return {
        image: {metric: choose(value) for metric, value in row.items()}
        for image, row in scores.items()
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
