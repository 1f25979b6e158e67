"""The paper's tables as commands: plan, going on, tables, estimates."""

import dataclasses
import json
import shutil
import types

import pandas as pd
import pytest
from conftest import build_people
from pg2_tf_helpers import TINY, command_error, make_run, run_command, tiny_config

from pg2_tf.evaluation.measures import Measures, Sources
from pg2_tf.evaluation.protocols import PROTOCOLS
from pg2_tf.machine import arithmetic
from pg2_tf.model import config, presets
from pg2_tf.model.config import VARIANTS
from pg2_tf.model.networks import build_networks
from pg2_tf.paper.table1 import plan, report
from pg2_tf.paper.table1 import steps as table_steps
from pg2_tf.paper.table1.plan import Plan
from pg2_tf.paper.table1.report import TABLE_1
from pg2_tf.paper.table1.rows import SCALES, Scale, lambda_rows, variant_rows
from pg2_tf.runs.run_folder import RunFolder
from preprocessing.system.errors import InputError

MODULE = "pg2_tf.reproduce"
_SCALE = Scale(
    width=4,
    reconstruction={"steps": 2},
    one_stage={"steps": 2},
    adversarial={"steps": 2},
)


def tiny_plan(out, data, *, variants=tuple(VARIANTS), rows=None, scale=_SCALE, **more):
    return Plan(
        "tiny",
        data_dir=data,
        out=out,
        rows=rows or variant_rows(variants),
        scale=scale,
        num_pairs=6,
        evaluation=["--metrics=ssim,mask_ssim"],
        **more,
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
    monkeypatch.setattr(table_steps.subprocess, "run", run)
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
        "copy stage 1 of G1-poseMaskLoss to G1+G2+D: the same training",
        "train G1+G2+D, stage 2, 2 steps",
        "score G1+G2+D",
    ]
    alone = tiny_plan(tmp_path, tmp_path / "data", variants=("G1+G2+D",)).steps()
    assert [step.title.split(",")[1] for step in alone[:2]] == [" stage 1", " stage 2"]
    assert "cp -r" in steps[10].text
    assert steps[0].text.startswith("python -m pg2_tf.train --dataset=tiny")


@pytest.mark.parametrize("profile", config.PROFILES)
@pytest.mark.parametrize("scale", SCALES)
def test_the_shared_stage_is_the_same_training(tmp_path, profile, scale):
    for dataset in ("market1501", "deepfashion"):
        own = Plan(
            dataset,
            data_dir=tmp_path,
            out=tmp_path,
            rows=variant_rows(VARIANTS),
            scale=SCALES[scale],
            profile=profile,
            num_pairs=6,
        )
        copies = [step.title for step in own.steps() if step.copies]
        assert copies == [
            "copy stage 1 of G1-poseMaskLoss to G1+G2+D: the same training"
        ]
        one, other = (own.configured(own.rows[place]) for place in (3, 5))
        assert one[1][1] == other[1][1]
        assert one[0].model == other[0].model
        assert one[0].recipe.reconstruction == other[0].recipe.reconstruction
        trainings = [step for step in own.steps() if step.title.startswith("train")]
        assert all(f"--profile={profile}" in step.command for step in trainings)


@pytest.mark.parametrize("profile", config.PROFILES)
def test_paper_scale_is_the_preset(tmp_path, profile):
    own = tiny_plan(tmp_path, tmp_path, scale=SCALES["paper"], profile=profile)
    for row in own.rows:
        config, trainings = own.configured(row)
        preset = presets.preset("tiny", profile=profile, variant=row.variant)
        assert config.model == preset.model
        assert config.profile == profile
        assert trainings == {s: preset.stage(s) for s in VARIANTS[row.variant].stages}


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
    scores = {row.name: own.scores(row.name) for row in own.rows}
    table = report.write("market1501", scores, out=tmp_path)
    assert "| G1+G2+D |" in table
    refuses_what_was_exchanged(own, tmp_path)
    longer = dataclasses.replace(_SCALE, adversarial={"steps": 3})
    again = tiny_plan(
        tmp_path, people_dir, variants=("G1-poseMaskLoss", "G1+G2+D"), scale=longer
    ).steps()
    assert [step.is_done() for step in again] == [True, True, True, False, False]
    assert again[3].share_left() == pytest.approx(1 / 3)


def refuses_what_was_exchanged(own, place):
    """Other weights, scores or data under the same names are not taken as done."""
    *_, first, copy, train, last = own.steps()
    assert (first.title, last.title) == ("score G1-poseMaskLoss", "score G1+G2+D")
    scores = own.scores_path("G1+G2+D")
    kept = scores.read_bytes()
    scores.write_bytes(own.scores_path("G1-poseMaskLoss").read_bytes())
    assert not last.is_done()
    scores.write_bytes(kept)
    assert last.is_done()
    (data,) = (own.run_dir("G1+G2+D") / "stage2/checkpoints").glob("*-2.data*")
    other = make_run(place / "other", config=tiny_config(), step=2, seed=5)
    weights = data.read_bytes()
    data.write_bytes(next(other.glob("stage2/checkpoints/*.data*")).read_bytes())
    assert train.is_done()
    assert not last.is_done()
    data.write_bytes(weights)
    assert last.is_done()
    (data,) = (own.run_dir("G1+G2+D") / "stage1/checkpoints").glob("*-2.data*")
    weights = data.read_bytes()
    data.write_bytes(weights[:-4] + b"abcd")
    with pytest.raises(InputError, match="its stage 1 has other weights than"):
        copy.is_done()
    data.write_bytes(weights)


def test_runs_on_other_data_or_of_another_profile_are_refused(
    tmp_path, people_dir, whole
):
    """Trainings that are done by their steps, but are not those of the plan."""
    shutil.copytree(whole, tmp_path / "runs" / "G1+G2+D")
    trained = [
        {
            name: value
            for name, value in RunFolder(whole)
            .stage(stage)
            .options()["training"]
            .items()
            if name not in ("stage", "precision", "l1_weight")
        }
        for stage in (1, 2)
    ]
    scale = Scale(reconstruction=trained[0], adversarial=trained[1])
    same = {"variants": ("G1+G2+D",), "scale": scale}
    assert tiny_plan(tmp_path, people_dir, **same).steps()[1].is_done()
    other = build_people(tmp_path / "data", seed=2)
    with pytest.raises(InputError, match="was trained on other data than"):
        tiny_plan(tmp_path, other, **same).steps()
    config = json.loads((tmp_path / "runs/G1+G2+D/config.json").read_text())
    config["profile"] = "authors"
    (tmp_path / "runs/G1+G2+D/config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="other networks or another profile"):
        tiny_plan(tmp_path, people_dir, **same).steps()
    config["profile"] = "paper"
    (tmp_path / "runs/G1+G2+D/config.json").write_text(json.dumps(config))
    rows = lambda_rows([3.5])
    (tmp_path / "runs/G1+G2+D").rename(tmp_path / "runs/lambda-3.5")
    with pytest.raises(InputError, match="was trained with l1_weight"):
        tiny_plan(tmp_path, people_dir, rows=rows, scale=scale).steps()


def test_sweep_trains_stage_1_once_and_draws(tmp_path, people_dir):
    """The real commands, on two steps of a tiny model for each lambda."""
    own = tiny_plan(tmp_path, people_dir, rows=lambda_rows([1.0, 30.0]))
    steps = [*own.steps(), plan.sweep_step(own, out=tmp_path, seed=0)]
    assert [step.title for step in steps] == [
        "train lambda-1, stage 1, 2 steps",
        "train lambda-1, stage 2, 2 steps",
        "score lambda-1",
        "copy stage 1 of lambda-1 to lambda-30: the same training",
        "train lambda-30, stage 2, 2 steps",
        "score lambda-30",
        "draw images and scores by lambda",
    ]
    for step in steps:
        step.run()
        assert step.is_done(), step.title
    for name in ("figure_lambda.pdf", "figure_lambda_scores.png"):
        assert (tmp_path / name).exists()
    weights = [
        RunFolder(own.run_dir(row.name)).stage(2).options()["training"]["l1_weight"]
        for row in own.rows
    ]
    assert weights == [1, 30]


def test_command_of_a_sweep(capsys, tmp_path, people_dir, commands):
    calls, _ = commands
    given = ("--dataset=market1501", f"--data_dir={people_dir}", f"--out={tmp_path}")
    result = run_command(
        capsys, MODULE, *given, "--sweep=l1_weight=50,2", "--scale=small", "--dry_run"
    )
    assert result.status == 0, result.err
    assert "[2/7] train lambda-2, stage 2, 1,000 steps: " in result.out
    assert "python -m pg2_tf.figures --figure=lambda" in result.out
    for flag, expected in {
        "--sweep=l1_weight=5": "at least two different positive numbers",
        "--sweep=width=1,2": "expected l1_weight=NUMBER",
        "--sweep=l1_weight=0,2": "positive numbers",
        "--sweep=l1_weight=1,x": "expected l1_weight=NUMBER",
        "--sweep=l1_weight=1,2,1": "a number appears twice",
    }.items():
        assert expected in command_error(capsys, MODULE, *given, flag)
    error = command_error(capsys, MODULE, *given, "--table=1", "--sweep=l1_weight=1,2")
    assert "--sweep replaces --table" in error
    assert not calls


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
    table = report.rows("market1501", contents)
    chosen = table.set_index(["model", "metric"])
    row = chosen.loc["G1+G2+D", "ssim"]
    assert row["value"] == 0.25
    assert row["paper"] == 0.253
    assert row["difference"] == pytest.approx(-0.003)
    assert chosen.loc["copy of the source", "ssim"]["value"] == 0.15
    assert chosen.loc["real target images", "mask_ssim"]["value"] == 1
    assert pd.isna(chosen.loc["copy of the source", "ssim"]["paper"])
    text = report.markdown(table)
    assert (
        "| G1+G2+D | 0.250 ± 0.020 | 0.253 | -0.003 | 0.790 ± 0.020 | 0.792 | -0.002 |"
        in text
    )
    assert text.splitlines()[0] == (
        "| model | SSIM | paper | difference | mask-SSIM | paper | difference |"
    )
    latex = report.latex(table)
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
    assert "in total " in result.out


def estimator():
    return table_steps.Estimator(
        Measures(
            ("ssim", "mask_ssim"), protocol=PROTOCOLS["corrected"], sources=Sources()
        )
    )


def test_estimates_follow_steps_arithmetic_and_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(arithmetic, "product_rate", lambda dtype, seconds: 1e9)
    costs = {}
    for count in (2, 4):
        scale = dataclasses.replace(_SCALE, reconstruction={"steps": count})
        steps = tiny_plan(tmp_path, tmp_path, variants=("G1-L1",), scale=scale).steps()
        costs[count] = estimator().costs(steps)
    assert costs[2][0].seconds > 0
    assert costs[4][0].seconds == pytest.approx(2 * costs[2][0].seconds)
    assert costs[4][0].disk == costs[2][0].disk
    assert costs[2][0].disk > 0
    assert 0 < costs[2][1].seconds < 60
    done = dataclasses.replace(steps[0], is_done=lambda: True)
    assert estimator().costs([done])[0] == table_steps.Cost(0, 0)


def test_estimates_of_evaluations_follow_pairs_and_width(tmp_path, monkeypatch):
    """Wide networks take longer; so do more pairs, and a slower machine."""

    def seconds(*, width=4, pairs=6, rate=1e8):
        monkeypatch.setattr(arithmetic, "product_rate", lambda *_, **__: rate)
        monkeypatch.setattr(
            table_steps.Estimator, "_seconds_of_metrics", lambda *_: 0.001
        )
        scale = dataclasses.replace(_SCALE, width=width)
        own = tiny_plan(tmp_path, tmp_path, variants=("G1+G2+D",), scale=scale)
        step = own.evaluation(own.rows[0], "score", tmp_path, num_pairs=pairs)
        return estimator().costs([step])[0].seconds

    base = seconds()
    assert seconds(pairs=12) == pytest.approx(2 * base)
    generating, metrics = base - 6 * 0.001, 6 * 0.001
    assert seconds(rate=5e7) == pytest.approx(2 * generating + metrics)
    assert seconds(width=64) > 20 * base


def test_forward_arithmetic_is_the_forward_part_of_a_training_step(tmp_path):
    own = tiny_plan(tmp_path, tmp_path, variants=("G1+G2+D",))
    config, trainings = own.configured(own.rows[0])
    networks = build_networks(config.model, stage=2)
    step = arithmetic.operations(
        networks._replace(discriminator=None), trainings[2], batch_size=3
    )
    forward = {each: n for each, n in step.items() if each.direction == "forward"}
    assert arithmetic.forward_operations(networks, batch_size=3) == forward


def test_user_study_follows_from_the_adversarial_rows(tmp_path, people_dir):
    own = tiny_plan(tmp_path, people_dir, variants=tuple(plan.STUDIED))
    steps = plan.study_steps(own, out=tmp_path, seed=5)
    assert [step.title for step in steps] == [
        "images of G1+D",
        "images of G1+G2+D",
        f"write the page {tmp_path}/study.html",
    ]
    for step in steps[:2]:
        assert "--save_images" in step.command
    assert f"--real={tmp_path}/study/G1+G2+D/images/target" in steps[2].command
    assert f"--method=G1+D={tmp_path}/study/G1+D/images/coarse" in steps[2].command
    assert "--num_pairs=400" in steps[0].command
    (tmp_path / "study.html").write_text("a page of other images")
    with pytest.raises(InputError, match=r"study\.html: was made of other images"):
        steps[2].is_done()


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
