"""Inception score and Fréchet Inception distance, on the network of 2015.

As the improved-gan code computes the score (Salimans et al. 2016), which the authors'
score.py uses: images in their own size (the graph resizes them to 299x299), class
probabilities from `pool_3` and the last layer's weights without its bias, 10 splits.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf.evaluation.metrics import inception_graph
from preprocessing.system import fetching, files
from preprocessing.system.errors import InputError

_BATCH = 32
_SIZES = (2048, 1008)


class Inception:
    """The network, ready to look at images.

    Args:
        graph: as `inception_graph.read` returns it.
        checksum: SHA-256 of the file it was read from.

    Raises:
        ValueError: the graph does not run, or not on several images at once.
    """

    def __init__(self, graph: tf.compat.v1.GraphDef, *, checksum: str):
        self.checksum = checksum
        # A session, for in a tf.function the graph is taken for one of today's
        # version, which lacks its BatchNormWithGlobalNormalization.
        self._session, self._images, self._pool, weights = _start(graph)
        self._weights = self._session.run(weights).astype(np.float64)
        self.features(np.zeros((2, 64, 64, 3), np.uint8))

    @classmethod
    def load(cls, path: str | Path | None) -> "Inception":
        """Loads the network, and prints its path and SHA-256.

        Args:
            path: of `classify_image_graph_def.pb`. None: it is kept in
                `fetching.default_cache()`, and fetched if it is not there.

        Raises:
            InputError: it cannot be fetched, or is another graph.
        """
        place = (
            Path(path)
            if path is not None
            else inception_graph.fetch(
                fetching.default_cache(), url=inception_graph.URL
            )
        )
        graph, checksum = inception_graph.read(place), files.sha256(place)
        try:
            loaded = cls(graph, checksum=checksum)
        except (ValueError, TypeError, IndexError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{place}: not the Inception graph of 2015: {reason}"
            ) from error
        print(f"Inception: {place}, SHA-256 {checksum}{loaded._sizes_if_other()}")
        return loaded

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Looks at images.

        Args:
            images: uint8 [B, H, W, 3], RGB, of any size.

        Returns:
            The features of `pool_3`, float32 [B, 2048], and the probabilities of the
            classes, float64 [B, 1008].
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(
                f"images {images.dtype} {images.shape}, needed uint8 [B, H, W, 3]"
            )
        parts = [
            self._session.run(
                self._pool,
                {self._images: images[start : start + _BATCH].astype(np.float32)},
            )
            for start in range(0, len(images), _BATCH)
        ]
        pool = np.concatenate(parts).reshape(len(images), -1)
        logits = pool.astype(np.float64) @ self._weights
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return pool, powers / powers.sum(axis=1, keepdims=True)

    def _sizes_if_other(self) -> str:
        if self._weights.shape == _SIZES:
            return ""
        features, classes = self._weights.shape
        return (
            f"; {features:,} features and {classes:,} classes, not {_SIZES[0]:,} and "
            f"{_SIZES[1]:,}: its scores compare with no published ones"
        )


class Statistics:
    """Mean and covariance of features that come in batches, in float64.

    Batches are joined as Chan, Golub and LeVeque (1979) do, so that nothing is lost
    where the mean is large; memory depends on C, not on the number of images.

    Attributes:
        count: how many features came.
        mean: float64 [C].
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    def update(self, features: np.ndarray) -> None:
        """Takes more features, [N, C]."""
        if features.ndim != 2 or (self.count and features.shape[1] != len(self.mean)):
            needed = f"[N, {len(self.mean)}]" if self.count else "[N, C]"
            raise ValueError(f"features {features.shape}, needed {needed}")
        if not len(features):
            return
        new = features.astype(np.float64)
        mean = new.mean(axis=0)
        centred = new - mean
        if not self.count:
            self.mean = np.zeros(len(mean))
            self._scatter = np.zeros((len(mean), len(mean)))
        total, step = self.count + len(new), mean - self.mean
        weight = np.sqrt(self.count * len(new) / total)
        rows = np.concatenate([centred, weight * step[None]])
        self._scatter += rows.T @ rows
        self.mean = self.mean + step * (len(new) / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """Sample covariance, float64 [C, C].

        Raises:
            ValueError: fewer than 2 features came.
        """
        if self.count < 2:
            raise ValueError(f"{self.count} images; a covariance needs at least 2")
        return self._scatter / (self.count - 1)


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """Squared Fréchet distance of two Gaussians (FID, Heusel et al. 2017, eq. 6).

    |m_a - m_b|² + tr(C_a) + tr(C_b) - 2 tr((C_a C_b)^½). The last trace is the sum of
    the singular values of C_a^½ C_b^½, whose symmetric roots exist also where there are
    fewer images than features; a general matrix root fails or turns complex there.

    Raises:
        ValueError: fewer than 2 images in either, or features of different length.
    """
    roots = [_root(statistics.covariance) for statistics in (a, b)]
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of {len(a.mean)} and of {len(b.mean)}")
    shared = np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum()
    spread = sum(np.square(root).sum() for root in roots)
    distance = np.square(a.mean - b.mean).sum() + spread - 2 * shared
    return max(0.0, float(distance))


def inception_score(
    probabilities: np.ndarray, *, splits: int = 10
) -> tuple[float, float]:
    """Inception score (Salimans et al. 2016): exp of the mean KL(p(y|x) || p(y)).

    Args:
        probabilities: of the classes, [N, classes], in the order of the images.
        splits: equal parts of neighbouring images, each with a p(y) of its own.

    Returns:
        Mean and (population) standard deviation of the splits' scores.

    Raises:
        ValueError: there are fewer images than splits.
    """
    count = len(probabilities)
    if count < splits:
        raise ValueError(f"{count} images; {splits} splits need at least as many")
    bounds = [i * count // splits for i in range(splits + 1)]
    scores = [
        _score(probabilities[start:end].astype(np.float64))
        for start, end in pairwise(bounds)
    ]
    return float(np.mean(scores)), float(np.std(scores))


def _score(part: np.ndarray) -> float:
    ratio = part / np.maximum(part.mean(axis=0), np.finfo(np.float64).tiny)
    # A class of probability 0 adds 0.
    divergence = part * np.log(ratio, where=part > 0, out=np.zeros_like(part))
    return float(np.exp(divergence.sum(axis=1).mean()))


def _root(covariance: np.ndarray) -> np.ndarray:
    """Returns R with R R' = covariance, [C, rank]; R is a rotated symmetric root."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values.max() * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])


def _start(graph: tf.compat.v1.GraphDef) -> tuple[Any, Any, Any, Any]:
    """Returns a session, its images, `pool_3` and the weights of the last layer.

    The graph was made for one image; imported onto a placeholder of many, the shapes
    that follow from it have an open batch dimension.
    """
    v1 = tf.compat.v1
    with tf.Graph().as_default() as place:
        images = v1.placeholder(tf.float32, [None, None, None, 3])
        pool, logits = tf.graph_util.import_graph_def(
            graph,
            input_map={f"{inception_graph.IMAGES}:0": images},
            return_elements=[f"{inception_graph.POOL}:0", inception_graph.LOGITS],
            name="inception",
        )
    options = v1.ConfigProto(allow_soft_placement=True)
    options.gpu_options.allow_growth = True
    session = v1.Session(graph=place, config=options)
    return session, images, pool, logits.inputs[1]
