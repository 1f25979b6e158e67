"""Table 1 beside the paper's, as Markdown, CSV and LaTeX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from preprocessing.system import files

METRICS = ("ssim", "is", "mask_ssim", "mask_is")
TITLES = {"ssim": "SSIM", "is": "IS", "mask_ssim": "mask-SSIM", "mask_is": "mask-IS"}

# Paper, Table 1, on 12,800 test pairs that the authors sampled. DeepFashion has no
# masked scores. Its second and third row are equal in the paper.
_PRINTED: dict[str, dict[str, tuple[float, ...]]] = {
    "deepfashion": {
        "G1-CE-L1": (0.694, 2.395),
        "G1-HME-L1": (0.735, 2.427),
        "G1-L1": (0.735, 2.427),
        "G1-poseMaskLoss": (0.779, 2.668),
        "G1+D": (0.761, 3.091),
        "G1+G2+D": (0.762, 3.090),
    },
    "market1501": {
        "G1-CE-L1": (0.219, 2.568, 0.771, 2.455),
        "G1-HME-L1": (0.294, 3.171, 0.802, 2.508),
        "G1-L1": (0.304, 3.006, 0.809, 2.455),
        "G1-poseMaskLoss": (0.340, 3.326, 0.817, 2.682),
        "G1+D": (0.283, 3.490, 0.803, 3.310),
        "G1+G2+D": (0.253, 3.460, 0.792, 3.435),
    },
}
TABLE_1 = {
    dataset: {
        model: dict(zip(METRICS, values, strict=False))
        for model, values in rows.items()
    }
    for dataset, rows in _PRINTED.items()
}
COPY, REAL = "copy of the source", "real target images"
_NOTHING = "-"
# Scores of an image compared with itself.
_BEST = {"ssim": 1.0, "mask_ssim": 1.0}


def rows(dataset: str, scores: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Returns a row for each model and metric.

    Args:
        dataset: Key in `TABLE_1`, for the paper's numbers.
        scores: Contents of each model's `scores.json`, by model.

    Returns:
        Columns model, metric, value, low, high (95 % interval), paper, difference.
    """
    first = next(iter(scores.values()))
    images = [(COPY, first, "source")]
    images += [(name, content, _last(content)) for name, content in scores.items()]
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
    """Returns the table as Markdown: one row per model, three columns per metric."""
    head, cells = _cells(table, plus_minus="±", minus="-")
    return markdown_table(head, cells)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table; `|` in cells is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped) + "\n"


def latex(table: pd.DataFrame) -> str:
    """Returns the table as a LaTeX `tabular` for the package booktabs."""
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


def write(
    dataset: str,
    scores: Mapping[str, Mapping[str, Any]],
    *,
    out: Path,
    name: str = "table1",
) -> str:
    """Writes the table as `NAME.md`, `NAME.csv` and `NAME.tex`.

    Args:
        dataset: Key in `TABLE_1`.
        scores: Contents of each model's `scores.json`, by model.
        out: Output folder.
        name: File name without suffix.

    Returns:
        The table as Markdown.
    """
    table = rows(dataset, scores)
    files.write_atomically(
        out / f"{name}.csv", lambda path: table.to_csv(path, index=False)
    )
    files.write_text(out / f"{name}.tex", latex(table))
    text = markdown(table)
    files.write_text(out / f"{name}.md", text)
    return text


def _last(content: Mapping[str, Any]) -> str:
    """Returns the name of a model's final image."""
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
