"""Scores of image sets by their Inception features: IS, FID and KID.

Inception score: Salimans et al. 2016. Fréchet Inception distance (FID): Heusel et al.
2017. Kernel Inception distance (KID): Bińkowski et al. 2018. `inception.Inception`
computes the features and class probabilities. All arithmetic here is float64.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000


class Gaussian(NamedTuple):
    """Mean and covariance of features.

    Attributes:
        mean: float64 [C].
        covariance: Sample covariance, float64 [C, C].
    """

    mean: np.ndarray
    covariance: np.ndarray


class Statistics:
    """Accumulates mean and covariance of features batch by batch.

    Batches are merged by the update of Chan, Golub and LeVeque (1979), which stays
    exact for large means. Memory depends on C, not on the number of images.

    Attributes:
        count: Number of features so far.
        mean: float64 [C].
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    def update(self, features: np.ndarray) -> None:
        """Adds features [N, C]."""
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
            ValueError: Fewer than 2 features were added.
        """
        if self.count < 2:
            raise ValueError(f"{self.count} images; a covariance needs at least 2")
        return self._scatter / (self.count - 1)


def frechet_distance(a: Gaussian | Statistics, b: Gaussian | Statistics) -> float:
    """Squared Fréchet distance of two Gaussians (FID, Heusel et al. 2017, eq. 6).

    |m_a - m_b|² + tr(C_a) + tr(C_b) - 2 tr((C_a C_b)^½). The last trace is the sum of
    the singular values of C_a^½ C_b^½, whose symmetric roots also exist with fewer
    images than features, where a general matrix root fails or turns complex.

    Raises:
        ValueError: Fewer than 2 images in either, or features of different length.
    """
    roots = [_root(statistics.covariance) for statistics in (a, b)]
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of {len(a.mean)} and of {len(b.mean)}")
    shared = np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum()
    spread = sum(np.square(root).sum() for root in roots)
    distance = np.square(a.mean - b.mean).sum() + spread - 2 * shared
    return max(0.0, float(distance))


def kernel_distance(
    features: np.ndarray, reference: np.ndarray, *, seed: int
) -> tuple[float, float]:
    """Kernel Inception distance: squared MMD with the kernel (x·y / C + 1)³.

    The unbiased estimate of Bińkowski et al. 2018, averaged over 100 random subsets of
    1,000 images, or of all images of the smaller set where it has fewer.

    Args:
        features: Generated images, [N, C].
        reference: Real images, [M, C].
        seed: Seed of the subsets.

    Returns:
        Mean and (population) standard deviation over the subsets.

    Raises:
        ValueError: Fewer than 2 images in either, or features of different length.
    """
    if features.shape[1:] != reference.shape[1:]:
        raise ValueError(f"features {features.shape} and {reference.shape}")
    size = min(KID_SUBSET_SIZE, len(features), len(reference))
    if size < 2:
        raise ValueError(f"{size} images; KID needs at least 2")
    rng = np.random.default_rng(seed)
    estimates = [
        _squared_mmd(
            features[rng.choice(len(features), size, replace=False)],
            reference[rng.choice(len(reference), size, replace=False)],
        )
        for _ in range(KID_SUBSETS)
    ]
    return float(np.mean(estimates)), float(np.std(estimates))


def inception_score(
    probabilities: np.ndarray, *, splits: int = 10
) -> tuple[float, float]:
    """Inception score (Salimans et al. 2016): exp of the mean KL(p(y|x) || p(y)).

    Args:
        probabilities: Class probabilities [N, classes], in the order of the images.
        splits: Number of equal parts of neighbouring images, each with its own p(y).

    Returns:
        Mean and (population) standard deviation over the parts.

    Raises:
        ValueError: There are fewer images than splits.
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


def _squared_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the unbiased squared MMD of two sets of features [N, C]."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    within = 0.0
    for kernel in (_kernel(a, a), _kernel(b, b)):
        count = len(kernel)
        within += (kernel.sum() - np.trace(kernel)) / (count * (count - 1))
    return within - 2 * _kernel(a, b).mean()


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3
