"""Scores a user study: how often real images were judged generated, and vice versa.

The results are written beside the paper's, as Markdown, CSV and JSON.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from pg2_tf.paper.table1 import report
from pg2_tf.paper.user_study.answers import Answers, Key
from preprocessing.system import files

RESAMPLES = 10_000
_NOTE = """R2G: real images judged generated; G2R: generated images judged real; means \
over participants in percent, practice left out, with 95 % bootstrap intervals over \
participants. Paper: Table 2, 30 participants, without intervals."""
_NOTHING = "-"
_ALONE = "A single participant gives no interval."


class Published(NamedTuple):
    """A row of the paper's Table 2 on one data set, in percent.

    Attributes:
        r2g: Real images judged generated.
        g2r: Generated images judged real.
    """

    r2g: float
    g2r: float


# Paper, Table 2: Amazon Mechanical Turk, 30 users; no intervals are given.
TABLE_2: dict[str, dict[str, Published]] = {
    "DeepFashion": {
        "G1+D": Published(7.8, 9.3),
        "G1+G2+D": Published(9.2, 14.9),
    },
    "Market-1501": {
        "G1+D": Published(17.1, 11.1),
        "G1+G2+D": Published(11.2, 5.5),
    },
}


class Rate(NamedTuple):
    """A share of misjudged images, in percent.

    Attributes:
        mean: Mean over participants, each with equal weight.
        interval: Bounds of the 95 % interval; None for a single participant.
    """

    mean: float
    interval: tuple[float, float] | None


class Score(NamedTuple):
    """The participants' judgement of one method.

    Attributes:
        method: Method name.
        real: Number of real images each participant judged, without practice.
        generated: Number of generated images likewise.
        participants: R2G and G2R in percent, by participant.
        r2g: Real images judged generated (paper, section 4.4); None if nobody judged
            the method.
        g2r: Generated images judged real; None likewise.
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
        key: Key of the study.
        answers: Answers from `answers.read_all`.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples of the participants.
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


def write(folder: str | Path, key: Key, scores: Sequence[Score], *, seed: int) -> str:
    """Writes `table2.md`, `table2.csv` and `table2.json`.

    Args:
        folder: Output folder.
        key: Key of the study.
        scores: Scores of its methods.
        seed: Seed of the bootstrap.

    Returns:
        The table as Markdown.
    """
    import pandas as pd

    folder = Path(folder)
    text = markdown(scores)
    files.write_text(folder / "table2.md", text)
    table = pd.DataFrame(rows(scores)).to_csv(index=False)
    files.write_text(folder / "table2.csv", table)
    files.write_json(folder / "table2.json", as_json(key, scores, seed=seed))
    return text


def rows(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Returns a row for each method, in percent, then the paper's other methods.

    Values that were not measured or published are None.
    """
    table = []
    published = {method for dataset in TABLE_2.values() for method in dataset}
    studied = {one.method: one for one in scores}
    for method in [*studied, *sorted(published - set(studied))]:
        one = studied.get(method)
        row: dict[str, Any] = {
            "method": method,
            "participants": len(one.participants) if one else 0,
        }
        for name in ("r2g", "g2r"):
            rate: Rate | None = getattr(one, name, None)
            low, high = (rate and rate.interval) or (None, None)
            row |= {name: rate and rate.mean, f"{name}_low": low, f"{name}_high": high}
        for dataset, values in TABLE_2.items():
            paper = values.get(method)
            row[f"paper_{dataset}_r2g"] = paper and paper.r2g
            row[f"paper_{dataset}_g2r"] = paper and paper.g2r
        table.append(row)
    return table


def markdown(scores: Sequence[Score]) -> str:
    """Returns the table as Markdown, with a note that explains it."""
    names = ["Method", "Participants", "R2G", "G2R"]
    names += [
        f"Paper, {dataset}, {name}" for dataset in TABLE_2 for name in ("R2G", "G2R")
    ]
    lines = []
    for row in rows(scores):
        cells = [row["method"], str(row["participants"] or _NOTHING)]
        for name in ("r2g", "g2r"):
            cells.append(_cell(row[name], row[f"{name}_low"], row[f"{name}_high"]))
        for name, value in row.items():
            if name.startswith("paper_"):
                cells.append(_cell(value))
        lines.append(cells)
    alone = any(len(one.participants) == 1 for one in scores)
    table = report.markdown_table(names, lines)
    return f"{table}\n{_NOTE}{' ' + _ALONE if alone else ''}\n"


def as_json(key: Key, scores: Sequence[Score], *, seed: int) -> dict[str, Any]:
    """Returns the results with every participant's rates, for a JSON file."""
    return {
        "study": key.study,
        "unit": "percent",
        "interval": f"95 %, percentile bootstrap over participants, {RESAMPLES:,}",
        "seed": seed,
        "methods": {
            one.method: {
                "r2g": one.r2g and one.r2g._asdict(),
                "g2r": one.g2r and one.g2r._asdict(),
                "real_images": one.real,
                "generated_images": one.generated,
                "participants": {
                    name: {"r2g": r2g, "g2r": g2r}
                    for name, (r2g, g2r) in one.participants.items()
                },
            }
            for one in scores
        },
        "paper": {
            dataset: {method: row._asdict() for method, row in values.items()}
            for dataset, values in TABLE_2.items()
        },
    }


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
    # A generator for each rate: an interval does not depend on the other methods.
    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Rate(float(values.mean()), (float(interval.low), float(interval.high)))


def _cell(
    value: float | None, low: float | None = None, high: float | None = None
) -> str:
    if value is None:
        return _NOTHING
    if low is None or high is None:
        return f"{value:.1f} %"
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"
