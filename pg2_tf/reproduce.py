r"""Makes a table of the paper: trains its rows, scores them, and prints it.

    python -m pg2_tf.reproduce --table=1 --dataset=market1501 --scale=small --out=table1
    python -m pg2_tf.reproduce --table=2 --dataset=market1501 --scale=small --out=table1

Table 1 stands beside the paper's numbers; for table 2, the user study, the page is
written that the participants answer. The same command goes on where it was interrupted,
and passes over what is there.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from pg2_tf.model.config import PRECISIONS, VARIANTS
from pg2_tf.paper.table1 import estimate, study
from pg2_tf.paper.table1 import report as table1
from pg2_tf.paper.table1.plan import Plan, Step
from pg2_tf.paper.table1.scales import SCALES
from preprocessing.dataset import records
from preprocessing.system import command

_TABLE = flags.DEFINE_enum(
    "table", "1", ["1", "2"], "Of the paper: 1, the scores; 2, the user study."
)
_DATASET = flags.DEFINE_enum("dataset", None, ["market1501", "deepfashion"], "Preset.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data set. Default: data/DATASET."
)
_SCALE = flags.DEFINE_enum(
    "scale",
    "paper",
    SCALES,
    "paper: section 4.1's steps and width. small: narrow networks, briefly.",
)
_PRECISION = flags.DEFINE_enum(
    "precision", None, [*PRECISIONS, "auto"], "Of the trainings. Default: the scale's."
)
_NUM_PAIRS = flags.DEFINE_integer(
    "num_pairs", 12_800, "Test pairs that are drawn for table 1.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the drawing.")
_INCEPTION_GRAPH = flags.DEFINE_string(
    "inception_graph",
    None,
    "classify_image_graph_def.pb of 2015. With it IS and mask-IS are in the table.",
)
_OUT = flags.DEFINE_string("out", None, "Folder of runs, scores and tables.")
_DRY_RUN = flags.DEFINE_boolean(
    "dry_run", False, "List the steps, with estimates of time and disk, and stop."
)


def main() -> None:
    """Checks the flags, does the steps that are left, and prints the table."""
    dataset = command.required("dataset", _DATASET.value)
    out = Path(command.required("out", _OUT.value))
    data_dir = Path(_DATA_DIR.value or f"data/{dataset}")
    test = records.read_manifest(data_dir)["splits"].get("test", {"pairs": 0})
    scale = SCALES[_SCALE.value]
    if _PRECISION.value:
        scale = dataclasses.replace(scale, precision=_PRECISION.value)
    variants = tuple(VARIANTS) if _TABLE.value == "1" else tuple(study.METHODS)
    scored = f"--num_pairs={_NUM_PAIRS.value}", f"--seed={_SEED.value}"
    plan = Plan(
        dataset,
        data_dir=data_dir,
        out=out,
        variants=variants,
        scale=scale,
        evaluation=(*scored, *_metrics()),
    )
    steps = plan.steps()
    if _TABLE.value == "2":
        steps += study.steps(plan, out=out, seed=_SEED.value)
    if _DRY_RUN.value:
        _show(steps, num_pairs=min(_NUM_PAIRS.value, test["pairs"]))
        return
    for number, step in enumerate(steps, start=1):
        done = step.is_done()
        print(f"[{number}/{len(steps)}] {step.title}{': is there' * done}", flush=True)
        if not done:
            step.run()
    if _TABLE.value == "1":
        print(table1.write(plan, dataset, variants, out=out))
        print(f"{out}: table1.md, table1.csv, table1.tex")
    else:
        print(study.READY.format(out=out))


def _metrics() -> list[str]:
    names = ["ssim", "mask_ssim"]
    if not _INCEPTION_GRAPH.value:
        return [f"--metrics={','.join(names)}"]
    names += ["is", "mask_is"]
    graph = f"--inception_graph={_INCEPTION_GRAPH.value}"
    return [f"--metrics={','.join(names)}", graph]


def _show(steps: Sequence[Step], *, num_pairs: int) -> None:
    costs = estimate.costs(steps, num_pairs=num_pairs)
    for number, (step, cost) in enumerate(zip(steps, costs, strict=True), start=1):
        what = "is there" if step.is_done() else _cost(cost)
        print(f"[{number}/{len(steps)}] {step.title}: {what}\n    {step.text}")
    whole = estimate.Cost(sum(c.seconds for c in costs), sum(c.disk for c in costs))
    print(f"in all {_cost(whole)}, estimated from this machine's arithmetic")


def _cost(cost: estimate.Cost) -> str:
    time = (
        f"{cost.seconds / 3600:.1f} h"
        if cost.seconds >= 5400
        else f"{cost.seconds / 60:.0f} min"
    )
    return f"{time}, {cost.disk / 1e9:.2f} GB"


if __name__ == "__main__":
    command.run(main)
