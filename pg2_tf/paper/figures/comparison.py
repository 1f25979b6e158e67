"""Generated images side by side (paper figures 4 and 5; the effect of lambda)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from pg2_tf.paper.figures.columns import Column, Run, read_generated
from pg2_tf.paper.figures.grid import Cell, Grid
from pg2_tf.paper.figures.pairs import Pairs
from preprocessing.system.errors import InputError

# As in the paper's figures.
HEADINGS = ("Condition image", "Target pose", "Target image (GT)")


def compare(pairs: Pairs, columns: Sequence[Column], *, labels: bool) -> Grid:
    """Lays out pairs, one row each, beside what came of them.

    Args:
        pairs: shown in the first three columns.
        columns: of images, in order.
        labels: whether rows are labelled with the person's identity.
    """
    rows = []
    for index in range(len(pairs.names)):
        given = [
            Cell(pairs.source[index]),
            Cell(None, pairs.poses[index]),
            Cell(pairs.target[index]),
        ]
        rows.append([*given, *(Cell(column.images[index]) for column in columns)])
    headings = [*HEADINGS, *(column.heading for column in columns)]
    people = [f"ID {name}" for name in pairs.identities] if labels else ()
    return Grid(pairs.image_size, headings, rows, people)


def generated_columns(
    pairs: Pairs, runs: Sequence[Run], *, weights: str
) -> list[Column]:
    """Returns a column for each run, in order; see `Run.generate`.

    Raises:
        InputError: there is no such run, or it makes images of another size; before
            any image is generated.
    """
    for run in runs:
        run.require_size(pairs.image_size)
    made = []
    with tqdm(
        total=len(runs), desc="generating", unit=" runs", disable=not runs
    ) as progress:
        for run in runs:
            made.append(Column(run.label, run.generate(pairs, weights=weights)))
            progress.update()
    return made


def read_columns(pairs: Pairs, places: Mapping[str, Path]) -> list[Column]:
    """Returns a column of another method's images for each place, in order.

    Args:
        pairs: shown.
        places: by heading; see `columns.read_generated`.
    """
    return [
        Column(label, read_generated(place, pairs)) for label, place in places.items()
    ]


def lambda_columns(pairs: Pairs, runs: Sequence[Run], *, weights: str) -> list[Column]:
    """Returns a column for each run, in the order of lambda, which stands above.

    Raises:
        InputError: a run's lambda is not known, or two runs have the same.
    """
    by_weight: dict[float, Run] = {}
    for run in runs:
        weight = run.l1_weight()
        if weight in by_weight:
            raise InputError(
                f"{by_weight[weight].path} and {run.path}: both were trained with "
                f"lambda {weight:g}"
            )
        by_weight[weight] = run
    ordered = [
        by_weight[weight]._replace(label=f"λ = {weight:g}")
        for weight in sorted(by_weight)
    ]
    return generated_columns(pairs, ordered, weights=weights)
