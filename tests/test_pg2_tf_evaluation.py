"""Evaluation of a tiny model beside copying the source image."""

import dataclasses
import json
import signal

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from pg2_tf_helpers import command_error, make_run, run_command, run_script

from pg2_tf.data.dataset import read_split
from pg2_tf.data.pairs import draw_pairs
from pg2_tf.evaluation import scoring as evaluation
from pg2_tf.evaluation.measures import Measures, Sources
from pg2_tf.evaluation.metrics import images as metrics
from pg2_tf.evaluation.models import ModelImages, model_checksum
from pg2_tf.evaluation.protocols import PROTOCOLS
from pg2_tf.inference import loading
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.paper.figures import layout
from pg2_tf.paper.table1.rows import SCALES
from preprocessing.images import image_files as images
from preprocessing.images.heatmaps import draw_mask

MODULE = "pg2_tf.evaluate"
_METRICS = tuple(f"{m}{n}" for m in ("", "mask_") for n in ("ssim", "psnr", "l1", "l2"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def split(people_dir):
    return read_split(people_dir, "train", image_size=(32, 32))


def evaluate(out, model, split, positions, *, chosen=_METRICS, protocol="corrected"):
    protocol = PROTOCOLS[protocol]
    return evaluation.evaluate(
        ModelImages(
            model,
            split,
            positions,
            protocol=protocol,
            checksum=model_checksum(model, out),
        ),
        Measures(chosen, protocol=protocol, sources=Sources()),
        out=out,
        record={},
    )


def decoded(split, position):
    start, end = split.pairs[position]
    return [images.decode(split.images[i].numpy(), name="") for i in (start, end)]


def test_flags_offer_every_protocol_and_scale():
    """The lists are written out, so that --help imports no slow package."""
    for module, flag, names in (
        (MODULE, "--protocol", PROTOCOLS),
        ("pg2_tf.reproduce", "--scale", SCALES),
        ("pg2_tf.figures", "--columns_width", layout.COLUMNS_WIDTHS),
    ):
        script = f"import runpy, sys; sys.argv = ['{module}', '--help']\n"
        script += f"runpy.run_module('{module}', run_name='__main__')"
        assert f"{flag}: <{'|'.join(names)}>" in run_script(script)


def test_drawn_pairs_follow_from_their_names_alone(split):
    drawn = draw_pairs(split, 5, seed=0)
    assert len(drawn) == 5
    assert drawn == sorted(drawn) == draw_pairs(split, 5, seed=0)
    assert drawn != draw_pairs(split, 5, seed=1)
    order = np.random.default_rng(0).permutation(len(split.pairs))
    shuffled = dataclasses.replace(split, pairs=split.pairs[order])
    again = draw_pairs(shuffled, 5, seed=0)
    assert {order[position] for position in again} == set(drawn)
    everything = list(range(len(split.pairs)))
    assert draw_pairs(split, 10_000, seed=3) == everything


@pytest.mark.parametrize("stage", [1, 2])
def test_table_holds_every_metric_of_every_image(tmp_path, run, split, stage):
    model = PoseTransfer.load(run, stage=stage)
    positions = [0, 5, 17, 20, 23]
    result = evaluate(tmp_path, model, split, positions)
    names = ["source", "coarse"] + ["refined"] * (stage == 2)
    columns = ["from", "to", *(f"{n}_{m}" for n in names for m in _METRICS)]
    assert set(result.table.columns) == set(columns)
    assert list(result.scores) == names
    for row, position in zip(result.table.to_dict("records"), positions, strict=True):
        start, end = split.pairs[position]
        assert (row["from"], row["to"]) == (split.names[start], split.names[end])
        source, target = decoded(split, position)
        mask = draw_mask(split.keypoints[end], size=(32, 32))
        for name, value in metrics.score(source, target, mask).items():
            assert row[f"source_{name}"] == pytest.approx(value, rel=1e-3), name
    for name in names:
        assert tuple(result.scores[name]) == _METRICS
        for metric, value in result.scores[name].items():
            column = result.table[f"{name}_{metric}"]
            assert value.mean == pytest.approx(column.mean())
            assert value.std == pytest.approx(column.std(ddof=0))
            assert value.interval[0] <= value.mean <= value.interval[1]


def test_generated_images_are_scored_against_the_target_of_their_pair(
    tmp_path, run, split, monkeypatch
):
    monkeypatch.setattr(evaluation, "_AT_ONCE", 7)
    model = PoseTransfer.load(run)
    result = evaluate(tmp_path, model, split, list(range(20)))
    for position in (0, 6, 7, 15, 19):
        source, target = decoded(split, position)
        pose = split.keypoints[split.pairs[position][1]]
        made = model(source[None], pose[None])
        expected = metrics.l1(made["refined"][0], target)
        value = result.table["refined_l1"][position]
        assert value == pytest.approx(expected, rel=1e-3)


def test_model_that_copies_scores_as_the_source_does(tmp_path, run, split):
    class Copier(PoseTransfer):
        def __call__(self, images, poses, *, truncated=False):
            return {"coarse": images}

    model = Copier.load(run, stage=1)
    result = evaluate(tmp_path, model, split, [0, 1, 2, 3])
    assert result.scores["coarse"] == result.scores["source"]
    assert result.scores["source"]["ssim"].mean < 0.99


def test_authors_protocol_cuts_values_and_takes_the_mask_of_the_source(
    tmp_path, run, split
):
    model = PoseTransfer.load(run)
    theirs = evaluate(tmp_path / "a", model, split, [3], protocol="authors").table
    ours = evaluate(tmp_path / "c", model, split, [3]).table
    source, target = decoded(split, 3)
    pose = split.keypoints[split.pairs[3]]
    rounded, cut = (
        model(source[None], pose[1][None], truncated=truncated)["refined"][0]
        for truncated in (False, True)
    )
    assert {0, 1} == set(np.unique(rounded.astype(int) - cut))
    assert ours["refined_l2"][0] == pytest.approx(metrics.l2(rounded, target))
    assert theirs["refined_l2"][0] == pytest.approx(metrics.l2(cut, target), rel=2e-2)
    inside = [
        metrics.masked(image, draw_mask(pose[0], size=(32, 32)))
        for image in (cut, target)
    ]
    expected = metrics.ssim(*inside)
    assert theirs["refined_mask_ssim"][0] == pytest.approx(expected, abs=2e-3)
    assert abs(ours["refined_mask_ssim"][0] - expected) > 5e-3


def test_interrupted_evaluation_goes_on_with_the_same_scores(
    tmp_path, run, split, monkeypatch
):
    monkeypatch.setattr(evaluation, "_AT_ONCE", 4)
    model = PoseTransfer.load(run)
    whole = evaluate(tmp_path / "whole", model, split, list(range(12)))
    made = []

    class Interrupted(PoseTransfer):
        def __call__(self, *arguments, **options):
            made.append(len(arguments[0]))
            if len(made) == 3:
                raise KeyboardInterrupt
            return super().__call__(*arguments, **options)

    broken = Interrupted.load(run)
    out = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        evaluate(out, broken, split, list(range(12)))
    assert not (out / "scores.json").exists()
    again = evaluate(out, broken, split, list(range(12)))
    # Two parts were done; the third and the sheet were made afterwards.
    assert made[:4] == [4, 4, 4, 4]
    assert set(made[4:]) == {1}
    pd.testing.assert_frame_equal(again.table, whole.table)
    assert again.scores == whole.scores
    assert sorted(p.name for p in out.iterdir()) == [
        "pairs.csv",
        "scores.json",
        "sheet.png",
    ]


def test_parts_of_other_pairs_or_weights_are_not_taken(
    tmp_path, run, split, monkeypatch
):
    class Stopped(PoseTransfer):
        calls = 0

        def __call__(self, *arguments, **options):
            Stopped.calls += 1
            if Stopped.calls == 2:
                raise KeyboardInterrupt
            return super().__call__(*arguments, **options)

    monkeypatch.setattr(evaluation, "_AT_ONCE", 2)
    with pytest.raises(KeyboardInterrupt):
        evaluate(tmp_path, Stopped.load(run), split, [0, 1, 2, 3])
    result = evaluate(tmp_path, PoseTransfer.load(run), split, [4, 5, 2, 3])
    expected = evaluate(tmp_path / "b", PoseTransfer.load(run), split, [4, 5, 2, 3])
    pd.testing.assert_frame_equal(result.table, expected.table)


def killed(flags, *, batches):
    """Runs the command and kills it when it has scored some batches of 4 pairs."""
    script = """
import os, signal, sys
from pg2_tf import evaluate
from pg2_tf.evaluation import scoring
from preprocessing.system import command

write, left = scoring._Progress.write, [int(sys.argv.pop(1))]

def dies(*arguments):
    write(*arguments)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

scoring._AT_ONCE = 4
scoring._Progress.write = dies
command.run(evaluate.main)
"""
    result = run_script(script, batches, *flags, wait=False)
    result.communicate(timeout=300)
    assert result.returncode == -signal.SIGKILL


def test_scores_of_another_model_are_not_resumed(
    capsys, tmp_path, run, people_dir, monkeypatch
):
    """Run A killed half-way, then run B of the same step into the same folder."""
    monkeypatch.setattr(evaluation, "_AT_ONCE", 4)
    other = make_run(tmp_path / "other", seed=1)
    given = (f"--data_dir={people_dir}", "--split=train", "--num_pairs=12")
    out = tmp_path / "out"
    killed((f"--run_dir={run}", *given, f"--out={out}"), batches=2)
    assert (out / ".evaluation" / "00001.npz").exists()
    flags = (f"--run_dir={other}", *given)
    result = run_command(capsys, MODULE, *flags, f"--out={out}")
    assert result.status == 0, result.err
    line = f"{out}: starting afresh; the interrupted evaluation there had other weights"
    assert result.out.count(line) == 1
    alone = tmp_path / "alone"
    result = run_command(capsys, MODULE, *flags, f"--out={alone}")
    assert "starting afresh" not in result.out
    for name in ("pairs.csv", "scores.json"):
        assert (out / name).read_bytes() == (alone / name).read_bytes()
    first = tmp_path / "first"
    run_command(capsys, MODULE, f"--run_dir={run}", *given, f"--out={first}")
    checksums = {
        json.loads((place / "scores.json").read_text())["model_checksum"]
        for place in (out, first)
    }
    assert len(checksums) == 2


def test_other_data_of_the_same_names_is_not_resumed(tmp_path, run, split):
    """Shards whose images were exchanged, with the same names and pairs."""
    exchanged = dataclasses.replace(split, images=tf.Variable(split.images[::-1]))
    posed = dataclasses.replace(split, keypoints=split.keypoints[::-1])
    model = PoseTransfer.load(run)
    found = [
        ModelImages(model, each, [0, 1], protocol=PROTOCOLS["corrected"], checksum="")
        for each in (split, exchanged, posed)
    ]
    assert found[0].rows() == found[1].rows()
    checksums = [images.describe()["pairs_checksum"] for images in found]
    assert len(set(checksums)) == 3


def test_saved_images_of_another_evaluation_are_replaced(
    capsys, tmp_path, run, people_dir
):
    flags = (f"--run_dir={run}", f"--data_dir={people_dir}", "--split=train")
    flags += ("--num_pairs=4", "--save_images", f"--out={tmp_path}")
    names = []
    for seed in (0, 0, 1):
        result = run_command(capsys, MODULE, *flags, f"--seed={seed}")
        assert result.status == 0, result.err
        assert ("replacing the images of another" in result.out) == (seed == 1)
        names.append({path.name for path in (tmp_path / "images/target").iterdir()})
    assert names[0] == names[1] != names[2]
    assert len(names[2]) == 4
    (tmp_path / "images" / ".fingerprint").unlink()
    error = command_error(capsys, MODULE, *flags)
    assert f"{tmp_path / 'images'}: holds files that this evaluation did not" in error
    assert {path.name for path in (tmp_path / "images/target").iterdir()} == names[2]


def test_exported_model_scores_like_its_run(
    capsys, tmp_path, run, people_dir, monkeypatch
):
    given = (f"--data_dir={people_dir}", "--split=train", "--num_pairs=6")
    export = tmp_path / "exported"
    result = run_command(
        capsys,
        "pg2_tf.export",
        f"--run_dir={run}",
        f"--out={export}",
        "--tflite=float32",
    )
    assert result.status == 0, result.err
    models = {"run": run, "saved": export, "lite": next(export.rglob("*.tflite"))}
    scores = {}
    for name, model in models.items():
        out = tmp_path / name
        result = run_command(capsys, MODULE, f"--model={model}", *given, f"--out={out}")
        assert result.status == 0, result.err
        scores[name] = json.loads((out / "scores.json").read_text())
        assert scores[name]["stage"] == 2
    for name in ("saved", "lite"):
        found, expected = (scores[each]["means"]["refined"] for each in (name, "run"))
        assert found["ssim"] == pytest.approx(expected["ssim"], abs=2e-3)
        assert found["l1"] == pytest.approx(expected["l1"], abs=0.1)
    monkeypatch.setattr(loading, "_SHIPPED", models["lite"].parent)
    monkeypatch.setattr(loading, "SHIPPED", (models["lite"].stem,))
    by_name = (f"--model={models['lite'].stem}", *given, f"--out={tmp_path / 'name'}")
    assert run_command(capsys, MODULE, *by_name).status == 0
    named = json.loads((tmp_path / "name" / "scores.json").read_text())
    assert named["fingerprint"] == scores["lite"]["fingerprint"]
    assert named["means"] == scores["lite"]["means"]
    flags = (f"--model={export}", *given, f"--out={tmp_path / 'a'}")
    error = command_error(capsys, MODULE, *flags, "--protocol=authors")
    assert "this protocol truncates values, an exported model rounds them" in error
    assert "--out is needed" in command_error(capsys, MODULE, *flags[:-1])


def test_command_scores_a_run_and_says_how(capsys, tmp_path, run, people_dir):
    result = run_command(
        capsys,
        MODULE,
        f"--run_dir={run}",
        f"--data_dir={people_dir}",
        "--split=train",
        "--num_pairs=9",
        "--seed=3",
        f"--out={tmp_path}",
    )
    assert result.status == 0, result.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["means"]) == {"source", "coarse", "refined"}
    assert scores["pairs"] == 9
    assert scores["seed"] == 3
    assert scores["step"] == 7
    assert scores["protocol"]["mask_of"] == "target"
    assert scores["protocol"]["ssim_window"].startswith("7x7")
    assert scores["versions"]["scikit-image"]
    low, high = scores["interval"]["refined"]["ssim"]
    assert low < scores["means"]["refined"]["ssim"] < high
    table = pd.read_csv(tmp_path / "pairs.csv")
    assert table["refined_ssim"].mean() == pytest.approx(
        scores["means"]["refined"]["ssim"]
    )
    assert images.read(tmp_path / "sheet.png").shape[0] > 5 * 32
    assert "source copy" in result.out


def test_listed_pairs_are_scored_in_their_order(
    capsys, tmp_path, run, people_dir, split
):
    chosen = [split.pairs[position] for position in (7, 2)]
    rows = [f"{split.names[a]},{split.names[b]}" for a, b in chosen]
    listed = tmp_path / "pairs.csv"
    listed.write_text("\n".join(["from,to", *rows, "nobody.jpg,noone.jpg"]))
    flags = (f"--run_dir={run}", f"--data_dir={people_dir}", "--split=train")
    out = tmp_path / "out"
    result = run_command(capsys, MODULE, *flags, f"--pairs={listed}", f"--out={out}")
    assert result.status == 0, result.err
    assert "1 listed pairs have an image that the split lacks" in result.out
    table = pd.read_csv(out / "pairs.csv")
    assert [f"{a},{b}" for a, b in table[["from", "to"]].to_numpy()] == rows
    listed.write_text("from,to\nnobody.jpg,noone.jpg\n")
    error = command_error(capsys, MODULE, *flags, f"--pairs={listed}")
    assert "none of its 1 pairs has both images in the split" in error


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), "either --model or --generated is needed"),
        (("--run_dir=a", "--generated=b"), "either --model or --generated"),
        (("--mask=masks",), "--mask requires --generated"),
        (("--metrics=sim",), "--metrics=sim: protocol corrected has ssim, psnr"),
        (("--metrics=lpips",), "--metrics=lpips: needs --lpips_alexnet"),
        (("--protocol=gfla",), "32x32: the protocol's SSIM has a window of 51"),
        (("--metrics=is", "--num_pairs=9"), "at least 10"),
        (("--metrics=mask_l2", "--protocol=patn"), "has ssim, l1, mask_ssim, is"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    capsys, tmp_path, run, people_dir, flags, expected
):
    given = [f"--run_dir={run}", f"--data_dir={people_dir}", "--split=train"]
    if "either" in expected:
        given = []
    error = command_error(capsys, MODULE, *given, *flags, f"--out={tmp_path / 'out'}")
    assert expected in error
    assert not (tmp_path / "out" / "scores.json").exists()
