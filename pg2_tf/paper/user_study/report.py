"""The results of a user study beside the paper's, as Markdown, CSV and JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pg2_tf.paper.user_study.key import Key
from pg2_tf.paper.user_study.published import TABLE_2
from pg2_tf.paper.user_study.scoring import RESAMPLES, Rate, Score
from preprocessing.system import files

_NOTE = """R2G: real images judged generated; G2R: generated images judged real; means \
over participants in percent, practice left out, with 95 % bootstrap intervals over \
participants. Paper: Table 2, 30 users, without intervals."""
_NOTHING = "-"
_ALONE = "A single participant gives no interval."


def write(folder: str | Path, key: Key, scores: Sequence[Score], *, seed: int) -> str:
    """Writes `table2.md`, `table2.csv` and `table2.json`.

    Args:
        folder: to write to.
        key: of the study.
        scores: of its methods.
        seed: of the bootstrap.

    Returns:
        The table as Markdown.
    """
    folder = Path(folder)
    text = markdown(scores)
    files.write_text(folder / "table2.md", text)
    table = pd.DataFrame(rows(scores)).to_csv(index=False)
    files.write_text(folder / "table2.csv", table)
    files.write_json(folder / "table2.json", as_json(key, scores, seed=seed))
    return text


def rows(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Returns a row for each method, in percent, then the paper's other methods.

    What has not been measured or published is None.
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
    """Returns the table as Markdown, with a note of what it shows."""
    names = ["Method", "Participants", "R2G", "G2R"]
    names += [
        f"Paper, {dataset}, {name}" for dataset in TABLE_2 for name in ("R2G", "G2R")
    ]
    lines = [names, ["---"] * len(names)]
    for row in rows(scores):
        cells = [
            row["method"].replace("|", "\\|"),
            str(row["participants"] or _NOTHING),
        ]
        for name in ("r2g", "g2r"):
            cells.append(_cell(row[name], row[f"{name}_low"], row[f"{name}_high"]))
        for name, value in row.items():
            if name.startswith("paper_"):
                cells.append(_cell(value))
        lines.append(cells)
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    alone = any(len(one.participants) == 1 for one in scores)
    return f"{table}\n\n{_NOTE}{' ' + _ALONE if alone else ''}\n"


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


def _cell(
    value: float | None, low: float | None = None, high: float | None = None
) -> str:
    if value is None:
        return _NOTHING
    if low is None or high is None:
        return f"{value:.1f} %"
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"
