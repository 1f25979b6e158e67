"""How often real images were judged generated, and generated ones real."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pg2_tf.paper.user_study.answers import Answers
from pg2_tf.paper.user_study.key import Key

RESAMPLES = 10_000
_CONFIDENCE = 95


class Rate(NamedTuple):
    """A share of misjudged images, in percent.

    Attributes:
        mean: over participants, each of whom counts alike.
        interval: bounds of the 95 % interval; None for a single participant.
    """

    mean: float
    interval: tuple[float, float] | None


class Score(NamedTuple):
    """What participants made of one method.

    Attributes:
        method: its name.
        real: how many real images each participant judged, practice left out.
        generated: how many generated ones.
        participants: their R2G and G2R in percent, by participant.
        r2g: real images judged generated (paper, section 4.4); None where nobody
            has judged the method.
        g2r: generated images judged real; None likewise.
    """

    method: str
    real: int
    generated: int
    participants: dict[str, tuple[float, float]]
    r2g: Rate | None
    g2r: Rate | None


def score(
    key: Key, answers: Sequence[Answers], *, seed: int = 0, resamples: int = RESAMPLES
) -> list[Score]:
    """Scores each method of a study, in the order of its parts.

    Args:
        key: of the study.
        answers: read by `answers.read_all`.
        seed: of the bootstrap.
        resamples: how often participants are drawn anew for an interval.
    """
    scores = []
    for part in key.parts:
        counted = {shown.image: shown.real for shown in part.images[key.practice :]}
        rates = {
            one.participant: _rates(one, counted)
            for one in sorted(answers, key=lambda one: one.participant)
            if one.part.part == part.part
        }
        columns = np.reshape(list(rates.values()), (-1, 2)).T
        means = [
            _rate(column, seed=seed, resamples=resamples) if rates else None
            for column in columns
        ]
        real = sum(counted.values())
        scores.append(Score(part.method, real, len(counted) - real, rates, *means))
    return scores


def _rates(answers: Answers, counted: dict[str, bool]) -> tuple[float, float]:
    """Returns a participant's R2G and G2R in percent."""
    said = [(real, answers.judged[image] == "real") for image, real in counted.items()]
    real = [judged for truth, judged in said if truth]
    generated = [judged for truth, judged in said if not truth]
    return 100 * real.count(False) / len(real), 100 * float(np.mean(generated))


def _rate(values: np.ndarray, *, seed: int, resamples: int) -> Rate:
    """Returns the mean with a percentile bootstrap interval over participants."""
    if len(values) == 1:
        return Rate(float(values[0]), None)
    # Anew for each rate: a method's interval does not depend on the other methods.
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(values), size=(resamples, len(values)))
    outside = (100 - _CONFIDENCE) / 2
    low, high = np.percentile(values[drawn].mean(axis=1), [outside, 100 - outside])
    return Rate(float(values.mean()), (float(low), float(high)))
