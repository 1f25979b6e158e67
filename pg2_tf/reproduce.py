r"""Reproduces a table of the paper: trains its rows, scores them, and prints it.

    python -m pg2_tf.reproduce --table=1 --dataset=market1501 --scale=small --out=table1
    python -m pg2_tf.reproduce --table=2 --dataset=market1501 --scale=small --out=table1
    python -m pg2_tf.reproduce --sweep=l1_weight=1,10,50 --dataset=market1501 \
        --scale=small --out=lambda

Table 1 is printed beside the paper's numbers. Table 2 is the user study: the command
writes the page that the participants answer. A sweep trains G1+G2+D with each lambda of
equation 4, and draws images and scores by lambda. The same command resumes an
interrupted one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pg2_tf.model.config import PRECISIONS, PROFILES, VARIANTS
from pg2_tf.paper.user_study.page import PARTICIPANTS
from preprocessing.system import command, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from pg2_tf.evaluation import protocols
    from pg2_tf.evaluation.measures import Measures, Sources
    from pg2_tf.paper.figures import layout
    from pg2_tf.paper.table1 import plan as plans
    from pg2_tf.paper.table1 import report
    from pg2_tf.paper.table1.plan import Plan
    from pg2_tf.paper.table1.rows import SCALES, lambda_rows, variant_rows
    from pg2_tf.paper.table1.steps import Cost, Estimator, Step
    from preprocessing.dataset import records

_TABLE = flags.DEFINE_enum(
    "table", None, ["1", "2"], "1: the scores; 2: the user study. Default: 1."
)
_SWEEP = flags.DEFINE_string(
    "sweep",
    None,
    "Instead of a table: l1_weight=NUMBER,NUMBER,..., the values of lambda.",
)
_DATASET = flags.DEFINE_enum("dataset", None, ["market1501", "deepfashion"], "Preset.")
_PROFILE = flags.DEFINE_enum(
    "profile",
    "paper",
    PROFILES,
    "paper: as the paper says; authors: as the released code behaves.",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data set. Default: data/DATASET."
)
_SCALE = flags.DEFINE_enum(
    "scale",
    "paper",
    ["paper", "small"],
    "paper: steps and width of section 4.1; small: narrow networks, few steps.",
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    None,
    [*PRECISIONS, "auto"],
    "Precision of the trainings. Default: the scale's.",
)
_NUM_PAIRS = flags.DEFINE_integer(
    "num_pairs", 12_800, "Number of sampled test pairs.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed for sampling pairs.")
_INCEPTION_GRAPH = flags.DEFINE_string(
    "inception_graph",
    None,
    "classify_image_graph_def.pb of 2015; adds IS and mask-IS to the table.",
)
_OUT = flags.DEFINE_string("out", None, "Output folder of runs, scores and tables.")
_DRY_RUN = flags.DEFINE_boolean(
    "dry_run", False, "List the steps with estimates of time and disk space, and stop."
)


def main() -> None:
    """Checks the flags, runs the remaining steps, and prints the table."""
    dataset = command.required("dataset", _DATASET.value)
    out = Path(command.required("out", _OUT.value))
    weights = _sweep(_SWEEP.value) if _SWEEP.value else []
    data_dir = Path(_DATA_DIR.value or f"data/{dataset}")
    test = records.read_manifest(data_dir)["splits"].get("test", {"pairs": 0})
    scale = SCALES[_SCALE.value]
    if _PRECISION.value:
        scale = dataclasses.replace(scale, precision=_PRECISION.value)
    variants = list(plans.STUDIED if _TABLE.value == "2" else VARIANTS)
    plan = Plan(
        dataset,
        data_dir=data_dir,
        out=out,
        rows=lambda_rows(weights) if weights else variant_rows(variants),
        scale=scale,
        profile=_PROFILE.value,
        num_pairs=min(_NUM_PAIRS.value, max(1, test["pairs"])),
        evaluation=(f"--seed={_SEED.value}", *_metric_flags()),
    )
    steps = plan.steps()
    if weights:
        steps.append(plans.sweep_step(plan, out=out, seed=_SEED.value))
    elif _TABLE.value == "2":
        steps += plans.study_steps(plan, out=out, seed=_SEED.value)
    if _DRY_RUN.value:
        _show(steps)
        return
    for number, step in enumerate(steps, start=1):
        done = step.is_done()
        print(f"[{number}/{len(steps)}] {step.title}{': done' * done}", flush=True)
        if not done:
            step.run()
    _finish(plan, dataset, out)


def _sweep(text: str) -> list[float]:
    """Returns the values of `l1_weight=NUMBER,...`, sorted."""
    if _TABLE.value:
        raise InputError("--sweep replaces --table; give one of them")
    name, _, values = text.partition("=")
    try:
        weights = sorted(float(value) for value in values.split(","))
    except ValueError:
        weights = []
    positive = all(0 < weight < float("inf") for weight in weights)
    if name != "l1_weight" or not positive or len(set(weights)) < 2:
        raise InputError(
            f"--sweep={text}: expected l1_weight=NUMBER,NUMBER,... with at least two "
            "different positive numbers"
        )
    if len(set(weights)) < len(weights):
        raise InputError(f"--sweep={text}: a number appears twice")
    layout.require_matplotlib()
    return weights


def _finish(plan: Plan, dataset: str, out: Path) -> None:
    scores = {row.name: plan.scores(row.name) for row in plan.rows}
    if _SWEEP.value:
        print(report.write(dataset, scores, out=out, name="lambda"))
        print(f"{out}: lambda.md, lambda.csv, lambda.tex, figure_lambda.pdf,", end=" ")
        print("figure_lambda_scores.pdf")
    elif _TABLE.value == "2":
        print(f"{out}/study.html: give this page to the participants; the paper asked")
        print(f"{PARTICIPANTS} for each data set. Then run:")
        print(f"python -m pg2_tf.user_study score --key={out}/study.key.json", end=" ")
        print(f"--answers=FOLDER --out={out}/table2")
    else:
        print(report.write(dataset, scores, out=out))
        print(f"{out}: table1.md, table1.csv, table1.tex")


def _metrics() -> tuple[str, ...]:
    names = ("ssim", "mask_ssim")
    return (*names, "is", "mask_is") if _INCEPTION_GRAPH.value else names


def _metric_flags() -> list[str]:
    graph = _INCEPTION_GRAPH.value
    flag = [f"--inception_graph={graph}"] if graph else []
    return [f"--metrics={','.join(_metrics())}", *flag]


def _show(steps: Sequence[Step]) -> None:
    measures = Measures(
        _metrics(),
        protocol=protocols.PROTOCOLS[protocols.DEFAULT],
        sources=Sources(inception_graph=_INCEPTION_GRAPH.value),
    )
    costs = Estimator(measures).costs(steps)
    for number, (step, cost) in enumerate(zip(steps, costs, strict=True), start=1):
        rest = "done" if step.is_done() else _cost(cost)
        print(f"[{number}/{len(steps)}] {step.title}: {rest}\n    {step.text}")
    total = Cost(sum(c.seconds for c in costs), sum(c.disk for c in costs))
    print(f"in total {_cost(total)}, estimated on this machine")


def _cost(cost: Cost) -> str:
    time = (
        f"{cost.seconds / 3600:.1f} h"
        if cost.seconds >= 5400
        else f"{cost.seconds / 60:.0f} min"
    )
    return f"{time}, {cost.disk / 1e9:.2f} GB"


if __name__ == "__main__":
    command.run(main)
