r"""Draws the figures of the paper from your data and runs.

    python -m pg2_tf.figures --figure=4 --data_dir=data/market1501 \
        --runs=G1-L1=runs/l1,G1+G2+D=runs/market1501 --out=figures
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pg2_tf.paper.figures import layout
from pg2_tf.runs.weights_flag import define_weights
from preprocessing.system import command, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from pg2_tf.data import pairs
    from pg2_tf.data.dataset import Split, read_split
    from pg2_tf.paper.figures import columns, comparison
    from pg2_tf.paper.figures.grid import Grid, draw_pages
    from preprocessing.dataset import records

_FIGURE = flags.DEFINE_enum(
    "figure",
    None,
    ["3", "4", "5", "lambda"],
    "3: steps of computing the pose mask; 4: images of several runs; 5: images of runs "
    "and of other methods; lambda: images of runs trained with different --l1_weight.",
)
_OUT = flags.DEFINE_string("out", None, "Folder of the PDF and PNG files.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data set.")
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "test"], "Split of the images.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed for sampling the pairs or the image.")
_NAME = flags.DEFINE_string(
    "name", None, "Figure 3: image name. Default: a random one with a full pose."
)
_RUNS = flags.DEFINE_list(
    "runs",
    [],
    "LABEL=RUN_DIR, separated by commas; RUN_DIR@1 shows the coarse images of stage I. "
    "Without LABEL= the folder's name is the label.",
)
_GENERATED = flags.DEFINE_list(
    "generated",
    [],
    "Figure 5: LABEL=DIR of images FROM_to_TO.png, or LABEL=CSV with the columns "
    "from,to,file, separated by commas.",
)
_PAIRS = flags.DEFINE_string(
    "pairs", None, "CSV with the columns from,to: the pairs to show, in order."
)
_NUM_PAIRS = flags.DEFINE_integer(
    "num_pairs", 6, "Number of sampled pairs.", lower_bound=1
)
_SCORES = flags.DEFINE_list(
    "scores",
    [],
    "Figure lambda: LABEL=FILE, the scores.json of each run by its label, separated by "
    "commas; SSIM and mask-SSIM are plotted by lambda.",
)
_COLUMNS_WIDTH = flags.DEFINE_enum(
    "columns_width",
    "double",
    list(layout.COLUMNS_WIDTHS),
    "Width of the figure: one column of a paper (3.25 in), or two (6.875 in).",
)
_ROWS_PER_PAGE = flags.DEFINE_integer(
    "rows_per_page",
    None,
    "Rows of a grid on a page. Default: as many as fit.",
    lower_bound=1,
)
_ROW_LABELS = flags.DEFINE_boolean(
    "row_labels", True, "Label rows with the person's identity."
)
_WEIGHTS = define_weights()
# Figures that a flag applies to, if not to all.
_COMPARISONS = ("4", "5", "lambda")
_ONLY_FOR = {
    "name": ("3",),
    "runs": _COMPARISONS,
    "generated": ("5",),
    "pairs": _COMPARISONS,
    "num_pairs": _COMPARISONS,
    "scores": ("lambda",),
    "rows_per_page": _COMPARISONS,
    "row_labels": _COMPARISONS,
    "weights": _COMPARISONS,
}


def main() -> None:
    """Checks the flags, draws the figure, and writes it."""
    figure = command.required("figure", _FIGURE.value)
    out = Path(command.required("out", _OUT.value))
    data_dir = command.existing_folder("data_dir", _DATA_DIR.value)
    _check_flags(figure)
    layout.require_matplotlib()
    # TensorFlow would warn that every run has its own graph.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    runs = columns.parse_runs("runs", _RUNS.value)
    generated = columns.parse_labelled("generated", _GENERATED.value)
    scored = columns.parse_labelled("scores", _SCORES.value)
    scores = comparison.collect_scores(runs, scored) if scored else None
    size = tuple(records.read_manifest(data_dir)["image_size"])
    split = read_split(data_dir, _SPLIT.value, image_size=size)
    if figure == "3":
        name = _NAME.value or comparison.draw_name(split, seed=_SEED.value)
        grid = comparison.mask_process(split, name)
    else:
        grid = _compare(figure, split, runs, generated)
    pages = draw_pages(
        grid,
        width=layout.COLUMNS_WIDTHS[_COLUMNS_WIDTH.value],
        rows_per_page=_ROWS_PER_PAGE.value,
    )
    paths = layout.write(pages, out, stem=f"figure_{figure}")
    if scores:
        plot = comparison.plot_scores(scores)
        paths += layout.write([plot], out, stem="figure_lambda_scores")
    print(*paths, sep="\n")


def _check_flags(figure: str) -> None:
    for name, figures in _ONLY_FOR.items():
        if flags.FLAGS[name].present and figure not in figures:
            raise InputError(f"--{name} requires --figure={' or '.join(figures)}")
    if flags.FLAGS["num_pairs"].present and _PAIRS.value:
        raise InputError("--num_pairs excludes --pairs, of which all are shown")
    if figure in ("4", "lambda"):
        command.required("runs", ",".join(_RUNS.value))
    if figure == "5":
        command.required("generated", ",".join(_GENERATED.value))


def _compare(
    figure: str, split: Split, runs: list[columns.Run], generated: dict[str, Path]
) -> Grid:
    if _PAIRS.value:
        split, lines = pairs.listed_pairs(split, _PAIRS.value)
        print("\n".join(lines), end="\n" * bool(lines))
        positions = list(range(len(split.pairs)))
    else:
        positions = pairs.draw_pairs(split, _NUM_PAIRS.value, seed=_SEED.value)
    shown = columns.gather(split, positions)
    make = (
        comparison.lambda_columns
        if figure == "lambda"
        else comparison.generated_columns
    )
    beside = [
        *comparison.read_columns(shown, generated),
        *make(shown, runs, weights=_WEIGHTS.value),
    ]
    return comparison.compare(shown, beside, labels=_ROW_LABELS.value)


if __name__ == "__main__":
    command.run(main)
