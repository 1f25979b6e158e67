"""The paper's tables as commands: plan, going on, tables, estimates."""

import dataclasses
import json
import types

import pandas as pd
import pytest
from pg2_tf_helpers import TINY, command_error, make_run, run_command, tiny_config

from pg2_tf.model import presets
from pg2_tf.model.config import VARIANTS
from pg2_tf.paper.table1 import estimate, plan, scales, study
from pg2_tf.paper.table1 import report as table1
from pg2_tf.paper.table1.plan import Plan
from pg2_tf.paper.table1.published import TABLE_1
from pg2_tf.paper.table1.scales import Scale
from pg2_tf.runs.run_folder import RunFolder

MODULE = "pg2_tf.reproduce"
_SCALE = Scale(
    width=4,
    reconstruction={"steps": 2},
    one_stage={"steps": 2},
    adversarial={"steps": 2},
)


def tiny_plan(out, data, *, variants=tuple(VARIANTS), scale=_SCALE):
    return Plan(
        "tiny",
        data_dir=data,
        out=out,
        variants=variants,
        scale=scale,
        evaluation=["--num_pairs=6", "--metrics=ssim,mask_ssim"],
    )


def scores_of(source, coarse, refined=None):
    """Returns what an evaluation writes, with SSIM and mask-SSIM alone."""
    images = {"source": source, "coarse": coarse, "refined": refined}
    names = ("ssim", "mask_ssim")
    means = {k: dict(zip(names, v, strict=True)) for k, v in images.items() if v}
    interval = {
        image: {name: [value - 0.01, value + 0.03] for name, value in row.items()}
        for image, row in means.items()
    }
    return {"means": means, "interval": interval}


@pytest.fixture
def commands(monkeypatch):
    """What commands are run, which do nothing, and the statuses that they end with."""

    def run(command, **_):
        given = dict(flag.removeprefix("--").split("=", 1) for flag in command[3:])
        calls.append((command[2], given))
        return types.SimpleNamespace(returncode=results.pop(0) if results else 0)

    calls, results = [], []
    monkeypatch.setattr(plan.subprocess, "run", run)
    return calls, results


def test_every_row_is_trained_and_scored_and_the_shared_stage_once(tmp_path):
    steps = tiny_plan(tmp_path, tmp_path / "data").steps()
    assert [step.title for step in steps] == [
        "train G1-CE-L1, stage 1, 2 steps",
        "score G1-CE-L1",
        "train G1-HME-L1, stage 1, 2 steps",
        "score G1-HME-L1",
        "train G1-L1, stage 1, 2 steps",
        "score G1-L1",
        "train G1-poseMaskLoss, stage 1, 2 steps",
        "score G1-poseMaskLoss",
        "train G1+D, stage 1, 2 steps",
        "score G1+D",
        "take over stage 1 of G1-poseMaskLoss for G1+G2+D: the same training",
        "train G1+G2+D, stage 2, 2 steps",
        "score G1+G2+D",
    ]
    alone = tiny_plan(tmp_path, tmp_path / "data", variants=("G1+G2+D",)).steps()
    assert [step.title.split(",")[1] for step in alone[:2]] == [" stage 1", " stage 2"]
    assert "cp -r" in steps[10].text
    assert steps[0].text.startswith("python -m pg2_tf.train --dataset=tiny")


def test_the_shared_stage_is_the_same_training(tmp_path):
    for dataset in ("market1501", "deepfashion"):
        for scale in scales.SCALES.values():
            one, other = (
                scales.configured(dataset, variant, scale)
                for variant in ("G1-poseMaskLoss", "G1+G2+D")
            )
            assert one[1][1] == other[1][1]
            assert one[0].model == other[0].model
            assert one[0].recipe.reconstruction == other[0].recipe.reconstruction


def test_paper_scale_is_the_preset():
    for variant in VARIANTS:
        config, trainings = scales.configured(
            "market1501", variant, scales.SCALES["paper"]
        )
        preset = presets.preset("market1501", variant=variant)
        assert config.model == preset.model
        assert trainings == {s: preset.stage(s) for s in VARIANTS[variant].stages}


def test_commands_of_a_plan_train_and_score(tmp_path, people_dir):
    """The real commands, in their own processes, on two steps of a tiny model."""
    own = tiny_plan(tmp_path, people_dir, variants=("G1-poseMaskLoss", "G1+G2+D"))
    for step in own.steps():
        assert not step.is_done()
        step.run()
        assert step.is_done(), step.title
    assert all(step.is_done() for step in own.steps())
    first, second = (
        RunFolder(own.run_dir(name)).stage(1).path / "metrics.jsonl"
        for name in ("G1-poseMaskLoss", "G1+G2+D")
    )
    assert first.read_bytes() == second.read_bytes()
    assert own.scores("G1+G2+D")["stage"] == 2
    assert own.scores("G1+G2+D")["step"] == 2
    table = table1.write(
        own, "market1501", ("G1-poseMaskLoss", "G1+G2+D"), out=tmp_path
    )
    assert "| G1+G2+D |" in table
    longer = dataclasses.replace(_SCALE, adversarial={"steps": 3})
    again = tiny_plan(
        tmp_path, people_dir, variants=("G1-poseMaskLoss", "G1+G2+D"), scale=longer
    ).steps()
    assert [step.is_done() for step in again] == [True, True, True, False, False]
    assert again[3].share_left() == pytest.approx(1 / 3)


def test_command_passes_over_what_is_there_and_stops_where_a_step_fails(
    capsys, tmp_path, people_dir, commands
):
    calls, results = commands
    results += [0, 0, 1]
    flags = ("--dataset=market1501", f"--data_dir={people_dir}", f"--out={tmp_path}")
    error = command_error(capsys, MODULE, *flags, "--scale=small", "--num_pairs=7")
    assert "train G1-HME-L1, stage 1, 3,000 steps: failed" in error
    assert [module for module, _ in calls] == [
        "pg2_tf.train",
        "pg2_tf.evaluate",
        "pg2_tf.train",
    ]
    train, evaluate = calls[0][1], calls[1][1]
    assert train["variant"] == "G1-CE-L1"
    assert train["width"] == "16"
    assert train["steps"] == "3000"
    assert evaluate["num_pairs"] == "7"
    results.append(143)
    assert run_command(capsys, MODULE, *flags).status == 130


def test_other_training_in_the_folder_is_refused(capsys, tmp_path, people_dir):
    run = tmp_path / "runs" / "G1-L1"
    make_run(run, config=tiny_config(variant="G1-L1"), stages=(1,))
    options = {"training": dataclasses.asdict(TINY.stage1), "data": {}, "versions": {}}
    (run / "stage1" / "options.json").write_text(json.dumps(options))
    flags = ("--dataset=market1501", f"--data_dir={people_dir}", f"--out={tmp_path}")
    error = command_error(capsys, MODULE, *flags)
    assert f"{run / 'stage1'}: was trained with batch_size 4, not 16" in error


def test_table_stands_beside_the_paper(tmp_path):
    contents = {
        "G1-L1": scores_of((0.15, 0.75), (0.31, 0.80)),
        "G1+G2+D": scores_of((0.15, 0.75), (0.31, 0.80), (0.25, 0.79)),
    }
    table = table1.rows("market1501", ("G1-L1", "G1+G2+D"), contents)
    chosen = table.set_index(["model", "metric"])
    row = chosen.loc["G1+G2+D", "ssim"]
    assert row["value"] == 0.25
    assert row["paper"] == 0.253
    assert row["difference"] == pytest.approx(-0.003)
    assert chosen.loc["copy of the source", "ssim"]["value"] == 0.15
    assert chosen.loc["real target images", "mask_ssim"]["value"] == 1
    assert pd.isna(chosen.loc["copy of the source", "ssim"]["paper"])
    text = table1.markdown(table)
    assert (
        "| G1+G2+D | 0.250 ± 0.020 | 0.253 | -0.003 | 0.790 ± 0.020 | 0.792 | -0.002 |"
        in text
    )
    assert text.splitlines()[0] == (
        "| model | SSIM | paper | difference | mask-SSIM | paper | difference |"
    )
    latex = table1.latex(table)
    assert r"G1+G2+D & 0.250 $\pm$ 0.020 & 0.253 & $-$0.003" in latex
    assert latex.count(r"\\") == 5
    assert latex.startswith(r"\begin{tabular}{lrrrrrr}")


def test_papers_numbers_are_whole():
    assert set(TABLE_1["market1501"]) == set(TABLE_1["deepfashion"]) == set(VARIANTS)
    assert {len(row) for row in TABLE_1["market1501"].values()} == {4}
    assert {len(row) for row in TABLE_1["deepfashion"].values()} == {2}


def test_dry_run_estimates_and_does_nothing(capsys, tmp_path, people_dir, commands):
    calls, _ = commands
    out = tmp_path / "out"
    flags = ("--dataset=market1501", f"--data_dir={people_dir}", f"--out={out}")
    result = run_command(capsys, MODULE, *flags, "--scale=small", "--dry_run")
    assert result.status == 0, result.err
    assert not calls
    assert not out.exists()
    assert "[12/13] train G1+G2+D, stage 2, 1,000 steps: " in result.out
    assert "python -m pg2_tf.train --dataset=market1501" in result.out
    assert "in all " in result.out


def test_estimates_follow_steps_arithmetic_and_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(estimate.ceiling, "product_rate", lambda dtype, seconds: 1e9)
    costs = {}
    for count in (2, 4):
        scale = dataclasses.replace(_SCALE, reconstruction={"steps": count})
        steps = tiny_plan(tmp_path, tmp_path, variants=("G1-L1",), scale=scale).steps()
        costs[count] = estimate.costs(steps, num_pairs=100)
    assert costs[2][0].seconds > 0
    assert costs[4][0].seconds == pytest.approx(2 * costs[2][0].seconds)
    assert costs[4][0].disk == costs[2][0].disk
    assert costs[2][0].disk > 0
    assert costs[2][1].seconds == pytest.approx(2)
    done = dataclasses.replace(steps[0], is_done=lambda: True)
    assert estimate.costs([done], num_pairs=1)[0] == estimate.Cost(0, 0)


def test_user_study_follows_from_the_adversarial_rows(tmp_path, people_dir):
    own = tiny_plan(tmp_path, people_dir, variants=tuple(study.METHODS))
    steps = study.steps(own, out=tmp_path, seed=5)
    assert [step.title for step in steps] == [
        "images of G1+D",
        "images of G1+G2+D",
        f"write the page {tmp_path}/study.html",
    ]
    for step in steps[:2]:
        assert "--save_images" in step.command
    assert f"--real={tmp_path}/study/G1+G2+D/images/target" in steps[2].command
    assert f"--method=G1+D={tmp_path}/study/G1+D/images/coarse" in steps[2].command


def test_command_of_the_user_study_lists_its_page(capsys, tmp_path, people_dir):
    flags = ("--dataset=market1501", f"--data_dir={people_dir}", f"--out={tmp_path}")
    result = run_command(
        capsys, MODULE, *flags, "--table=2", "--dry_run", "--scale=small"
    )
    assert result.status == 0, result.err
    titles = [line.split("] ")[1] for line in result.out.splitlines() if "] " in line]
    assert [title.split(",")[0].split(":")[0] for title in titles] == [
        "train G1+D",
        "score G1+D",
        "train G1+G2+D",
        "train G1+G2+D",
        "score G1+G2+D",
        "images of G1+D",
        "images of G1+G2+D",
        f"write the page {tmp_path}/study.html",
    ]
