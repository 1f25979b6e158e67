"""Scores of all images: means with their intervals, IS, FID, KID, and their tables."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pg2_tf.evaluation.measures import FID, IS, KID, MASK_IS, WEIGHTS
from pg2_tf.evaluation.metrics.distributions import (
    Gaussian,
    Statistics,
    frechet_distance,
    inception_score,
    kernel_distance,
)
from preprocessing.system import files
from preprocessing.system.errors import InputError

_RESAMPLES = 1000
_AT_ONCE = 50
_LEVEL = (2.5, 97.5)
_SPLITS = 10
_LEAST = {IS: _SPLITS, MASK_IS: _SPLITS, FID: 2, KID: 2}


@dataclass(frozen=True)
class Value:
    """A score of many images.

    Attributes:
        mean: Mean over the images, or the score of all images together.
        std: Standard deviation over the images, over the parts of the Inception score,
            or over the subsets of KID.
        interval: Bootstrap 95 % interval of the mean over pairs; None without one.
    """

    mean: float
    std: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Reference:
    """Statistics of the real images that FID and KID compare with.

    Attributes:
        gaussian: Mean and covariance of the features.
        features: float32 [M, C], or None where only the statistics are known.
        inception: SHA-256 of the Inception graph, or "" if unknown.
    """

    gaussian: Gaussian
    features: np.ndarray | None = None
    inception: str = ""


def check_count(chosen: tuple[str, ...], count: int) -> None:
    """Refuses too few images for IS, FID or KID.

    Raises:
        InputError: There are fewer images than parts of the Inception score, or fewer
            than two for FID or KID.
    """
    for name in chosen:
        if count < _LEAST.get(name, 1):
            raise InputError(
                f"--metrics={name}: needs at least {_LEAST[name]} images, there are "
                f"{count}"
            )


def score_together(
    metric: str, parts: Iterable[np.ndarray], reference: Reference | None
) -> Value:
    """Returns the score of all images together.

    Args:
        metric: `is`, `mask_is`, `fid` or `kid`.
        parts: Features or class probabilities, [N, C] each, in order.
        reference: Statistics that FID and KID compare with.
    """
    if metric == FID and reference is not None:
        statistics = _statistics(parts)
        return Value(frechet_distance(statistics, reference.gaussian))
    features = np.concatenate(list(parts))
    if metric == KID and reference is not None and reference.features is not None:
        return Value(*kernel_distance(features, reference.features, seed=0))
    return Value(*inception_score(features, splits=_SPLITS))


def reference_of(
    parts: Iterable[np.ndarray], *, inception: str, keep: bool
) -> Reference:
    """Returns the statistics of features that come in parts, [M, C] each.

    Args:
        parts: The features.
        inception: SHA-256 of the Inception graph.
        keep: Whether the features are kept, which KID needs.

    Raises:
        InputError: There are fewer than two.
    """
    kept: list[np.ndarray] = []
    statistics = _statistics(_collect(parts, kept) if keep else parts)
    if statistics.count < 2:
        raise InputError(f"--fid_reference: {statistics.count} images; needed are 2")
    gaussian = Gaussian(statistics.mean, statistics.covariance)
    return Reference(gaussian, np.concatenate(kept) if keep else None, inception)


def write_reference(path: Path, reference: Reference) -> None:
    """Writes statistics as `.npz`; see `read_reference`."""
    features = reference.features

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                mu=reference.gaussian.mean,
                sigma=reference.gaussian.covariance,
                inception=np.array(reference.inception),
                **({} if features is None else {"features": features}),
            )

    files.write_atomically(path, save)


def read_reference(path: str | Path, *, inception: str, kid: bool) -> Reference:
    """Reads precomputed statistics.

    Args:
        path: `.npz` with `mu` [C] and `sigma` [C, C], the format of the FID
            implementations of Heusel et al. and pytorch-fid, and perhaps `features`
            [M, C] and `inception`, as `write_reference` writes them.
        inception: SHA-256 of the Inception graph that scores the generated images.
        kid: Whether features are needed.

    Raises:
        InputError: The file cannot be read, lacks an array, or is of another Inception.
    """
    arrays = files.read_arrays(path)
    needed = ("mu", "sigma", *(["features"] if kid else []))
    for name in needed:
        if name not in arrays:
            raise InputError(
                f"{path}: has no array {name}; needed: {', '.join(needed)}"
            )
    mean, covariance = arrays["mu"], arrays["sigma"]
    features = arrays.get("features")
    shapes = mean.ndim == 1 and covariance.shape == 2 * mean.shape
    if not shapes or (features is not None and features.shape[1:] != mean.shape):
        found = ", ".join(f"{name} {list(arrays[name].shape)}" for name in needed)
        raise InputError(f"{path}: needed are mu [C] and sigma [C, C], found {found}")
    if not all(_is_finite(array) for array in (mean, covariance, features)):
        raise InputError(f"{path}: holds values that are not finite numbers")
    made_with = str(arrays.get("inception", ""))
    if made_with and made_with != inception:
        raise InputError(
            f"{path}: statistics of another Inception graph, SHA-256 {made_with}; the "
            f"images are scored with {inception}"
        )
    return Reference(Gaussian(mean, covariance), features, made_with)


def summarise(
    columns: Mapping[str, np.ndarray], *, seed: int = 0
) -> dict[str, dict[str, Value]]:
    """Returns mean, standard deviation and interval of every column.

    Intervals are the 2.5th and 97.5th percentile of the means of 1,000 bootstrap
    samples of the pairs (Efron 1979). All columns share the samples, and some columns
    are weighted, which `scipy.stats.bootstrap` does not offer.

    Args:
        columns: float64 [N] by `image/metric`. A metric in `WEIGHTS` is averaged with
            the weights of the other column; images of weight 0 are left out.
        seed: Seed of the bootstrap.

    Returns:
        Values by image and metric, without the weights.
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

    JSON has no infinity, the PSNR of equal images; it becomes null.
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
    """Returns a table for the terminal: one row per metric, one column per image.

    Args:
        scores: Values by image and metric.
        titles: Column titles by image, where they differ from the image's name.
    """
    metrics = list(dict.fromkeys(name for row in scores.values() for name in row))
    rows = {
        titles.get(image, image): [_shown(row.get(metric)) for metric in metrics]
        for image, row in scores.items()
    }
    return pd.DataFrame(rows, index=metrics).to_string()


def _shown(value: Value | None) -> str:
    if value is None:
        return ""
    digits = 4 if abs(value.mean) < 10 else 2
    if value.interval and all(map(math.isfinite, value.interval)):
        half = (value.interval[1] - value.interval[0]) / 2
        return f"{value.mean:.{digits}f} ±{half:.{digits}f}"
    return f"{value.mean:.{digits}f}"


def _statistics(parts: Iterable[np.ndarray]) -> Statistics:
    statistics = Statistics()
    for part in parts:
        statistics.update(part)
    return statistics


def _collect(parts: Iterable[np.ndarray], kept: list[np.ndarray]) -> Iterator:
    for part in parts:
        kept.append(part)
        yield part


def _weights(name: str, columns: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    image, metric = name.split("/")
    if metric in WEIGHTS:
        return columns[f"{image}/{WEIGHTS[metric]}"]
    return np.ones(count)


def _mean(values: np.ndarray, weights: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Returns weighted means [R, C] of columns [N, C]; `drawn` [R, N] counts rows."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return drawn @ (values * weights) / (drawn @ weights)


def _std(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the standard deviation of each column over images with a weight."""
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


def _is_finite(array: Any) -> bool:
    if array is None:
        return True
    return np.issubdtype(array.dtype, np.number) and bool(np.isfinite(array).all())
