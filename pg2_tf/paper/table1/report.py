"""Table 1 beside the paper's, as Markdown, CSV and LaTeX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pg2_tf.paper.table1.plan import Plan
from pg2_tf.paper.table1.published import METRICS, TABLE_1, TITLES
from preprocessing.system import files

COPY, REAL = "copy of the source", "real target images"
_NOTHING = "-"
# Of an image with itself, by definition.
_BEST = {"ssim": 1.0, "mask_ssim": 1.0}


def rows(
    dataset: str, variants: Sequence[str], scores: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Returns a row for each model and metric.

    Args:
        dataset: whose numbers of the paper stand beside.
        variants: the models.
        scores: what the evaluation of each wrote.

    Returns:
        Columns model, metric, value, low, high (95 % interval), paper, difference.
    """
    first = scores[variants[0]]
    images = [(COPY, first, "source")]
    images += [(name, scores[name], _last(scores[name])) for name in variants]
    images += [(REAL, first, "target")]
    table = []
    for model, content, image in images:
        for metric in METRICS:
            value = content["means"].get(image, {}).get(metric)
            if image == "target" and metric in first["means"]["source"]:
                value = _BEST.get(metric, value)
            if value is None:
                continue
            low, high = content["interval"].get(image, {}).get(metric) or (None, None)
            paper = TABLE_1.get(dataset, {}).get(model, {}).get(metric)
            table.append(
                {
                    "model": model,
                    "metric": metric,
                    "value": value,
                    "low": low,
                    "high": high,
                    "paper": paper,
                    "difference": None if paper is None else value - paper,
                }
            )
    return pd.DataFrame(table)


def markdown(table: pd.DataFrame) -> str:
    """Returns the table as Markdown: a model a row, three columns a metric."""
    head, cells = _cells(table, plus_minus="±", minus="-")
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def latex(table: pd.DataFrame) -> str:
    """Returns the table as a LaTeX `tabular` with booktabs' rules."""
    head, cells = _cells(table, plus_minus=r"$\pm$", minus="$-$")
    body = [r" & ".join(line) + r" \\" for line in (head, *cells)]
    columns = "l" + "r" * (len(head) - 1)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            body[0],
            r"\midrule",
            *body[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def write(plan: Plan, dataset: str, variants: Sequence[str], *, out: Path) -> str:
    """Writes `table1.md`, `table1.csv` and `table1.tex` of what a plan has scored.

    Returns:
        The table as Markdown.

    Raises:
        InputError: the scores of a row cannot be read.
    """
    scores = {variant: plan.scores(variant) for variant in variants}
    table = rows(dataset, variants, scores)
    files.write_atomically(
        out / "table1.csv", lambda path: table.to_csv(path, index=False)
    )
    files.write_text(out / "table1.tex", latex(table))
    text = markdown(table)
    files.write_text(out / "table1.md", text)
    return text


def _last(content: Mapping[str, Any]) -> str:
    """Returns the image that a model is scored by."""
    return "refined" if "refined" in content["means"] else "coarse"


def _cells(
    table: pd.DataFrame, *, plus_minus: str, minus: str
) -> tuple[list[str], list[list[str]]]:
    metrics = [name for name in METRICS if name in set(table["metric"])]
    head = ["model"]
    for name in metrics:
        head += [TITLES[name], "paper", "difference"]
    lines = []
    for model, part in table.groupby("model", sort=False):
        found = part.set_index("metric").to_dict("index")
        line = [str(model)]
        for name in metrics:
            line += _three(found.get(name), plus_minus, minus)
        lines.append(line)
    return head, lines


def _three(row: dict[Any, Any] | None, plus_minus: str, minus: str) -> list[str]:
    if row is None:
        return [_NOTHING] * 3
    value = f"{row['value']:.3f}"
    if pd.notna(row["low"]):
        value += f" {plus_minus} {(row['high'] - row['low']) / 2:.3f}"
    if pd.isna(row["paper"]):
        return [value, _NOTHING, _NOTHING]
    sign = minus if row["difference"] < 0 else "+"
    return [value, f"{row['paper']:.3f}", f"{sign}{abs(row['difference']):.3f}"]
