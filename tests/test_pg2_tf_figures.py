"""The command that makes the paper's figures of one's own data and runs."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pypdf
import pytest
from pg2_tf_helpers import TINY, command_error, make_run, run_command, tiny_config

from pg2_tf.data import pairs
from pg2_tf.data.dataset import read_split
from pg2_tf.evaluation.folders import image_name
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.paper.figures import columns, comparison, layout
from pg2_tf.paper.figures.comparison import Score
from preprocessing.images import heatmaps
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.system import files
from preprocessing.system.errors import InputError

GIVEN = "Condition image Target pose Target image (GT)"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "whole")


@pytest.fixture(scope="module")
def weighted(tmp_path_factory, run):
    """Runs that were trained with other lambdas, by lambda."""
    place = tmp_path_factory.mktemp("lambdas")
    runs = {}
    for weight in (50.0, 2.5, 10.0):
        runs[weight] = make_run(place / f"run{weight:g}", seed=int(weight))
        training = dataclasses.replace(TINY.stage2, l1_weight=weight)
        options = {"training": dataclasses.asdict(training)}
        files.write_json(runs[weight] / "stage2" / "options.json", options)
    return runs


@pytest.fixture(scope="module")
def split(people_dir):
    return read_split(people_dir, "test", image_size=(32, 32))


def figures(capsys, figure, people_dir, out, *flags):
    arguments = [f"--figure={figure}", f"--data_dir={people_dir}", f"--out={out}"]
    result = run_command(capsys, "pg2_tf.figures", *arguments, *flags)
    assert result.status == 0, result
    stem = f"figure_{figure}"
    assert f"{out / stem}.pdf" in result.out.splitlines()
    (page,) = pypdf.PdfReader(out / f"{stem}.pdf").pages
    stored = [np.array(image.image.convert("RGB")) for image in page.images]
    return stored, " ".join(page.extract_text().split())


def image_of(split, name):
    content = split.images[split.names.index(name)].numpy()
    return images.decode(content, name=name)


def pairs_of(split, count, *, seed=0):
    """Names, images and target poses of the pairs that an evaluation draws."""
    positions = pairs.draw_pairs(split, count, seed=seed)
    drawn = split.pairs[positions].tolist()
    names = [(split.names[a], split.names[b]) for a, b in drawn]
    sources, targets = (
        np.stack([image_of(split, row[side]) for row in names]) for side in (0, 1)
    )
    return names, sources, targets, split.keypoints[[b for _, b in drawn]]


def assert_rows(stored, *expected):
    """Checks that an image of each of `expected` stands in each row, in order."""
    flat = [image for row in zip(*expected, strict=True) for image in row]
    assert len(stored) == len(flat)
    for one, other in zip(stored, flat, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


# === Figure 3 ===


def test_mask_process_shows_the_steps_of_the_training_masks(
    people_dir, split, tmp_path, capsys
):
    name = split.names[3]
    stored, text = figures(capsys, 3, people_dir, tmp_path, f"--name={name}")
    assert text == "Image Keypoints Limbs connected Dilation Pose mask"
    image = image_of(split, name)
    steps = heatmaps.mask_steps(split.keypoints[3], size=(32, 32))
    packed = np.packbits(steps.mask)
    np.testing.assert_array_equal(packed, split.masks[3].numpy())
    assert len(stored) == 5
    assert_rows(stored[:2], [image], [image])
    # As the PNG has them: pypdf misreads some pictures of one bit a pixel.
    page = images.read(tmp_path / "figure_3.png")
    planned = layout.plan(
        comparison.MASK_HEADINGS, image_size=(32, 32), width=6.875, arrows=True
    )
    (height, width), top = planned.cell, planned.top
    scale = height // 32
    for column, step in enumerate(steps, 2):
        left = column * (width + planned.gutter)
        shown = page[top : top + height, left : left + width]
        expected = 255 * step.repeat(scale, axis=0).repeat(scale, axis=1)
        np.testing.assert_array_equal(shown, expected[..., None].repeat(3, axis=2))


def test_steps_of_the_mask_grow_and_shrink():
    pose = np.zeros((18, 3), np.float32)
    pose[2], pose[3] = (10, 12, 1), (20, 40, 1)
    limbs, dilated, mask = heatmaps.mask_steps(pose, size=(64, 32))
    np.testing.assert_array_equal(mask, heatmaps.draw_mask(pose, size=(64, 32)))
    assert (limbs <= mask).all()
    assert (mask <= dilated).all()
    assert limbs.sum() < mask.sum() < dilated.sum()


def test_an_image_with_a_full_pose_is_drawn(people_dir, split, tmp_path, capsys):
    stored, _ = figures(capsys, 3, people_dir, tmp_path, "--seed=4")
    names = [n for n in split.names if (image_of(split, n) == stored[0]).all()]
    counts = kp.found(split.keypoints).sum(axis=1)
    assert counts[split.names.index(names[0])] == counts.max()
    again, _ = figures(capsys, 3, people_dir, tmp_path, "--seed=4")
    np.testing.assert_array_equal(again[0], stored[0])


# === Figures 4 and 5 ===


def test_grid_shows_the_pairs_that_an_evaluation_draws(
    run, people_dir, split, tmp_path, capsys
):
    flags = [f"--runs=coarse={run}@1,{run}", "--num_pairs=3", "--seed=2"]
    stored, text = figures(capsys, 4, people_dir, tmp_path, *flags)
    _, sources, targets, poses = pairs_of(split, 3, seed=2)
    made = PoseTransfer.load(run)(sources, poses)
    assert_rows(stored, sources, targets, made["coarse"], made["refined"])
    assert f"{GIVEN} coarse whole" in text
    assert text.count("ID ") == 3


def test_listed_pairs_are_shown_in_their_order(
    run, people_dir, split, tmp_path, capsys
):
    rows = [(split.names[4], split.names[0]), (split.names[1], split.names[2])]
    (tmp_path / "pairs.csv").write_text(
        "from,to,score\n" + "".join(f"{a},{b},1\n" for a, b in rows)
    )
    flags = [f"--pairs={tmp_path / 'pairs.csv'}", f"--runs={run}", "--norow_labels"]
    stored, text = figures(capsys, 4, people_dir, tmp_path, *flags)
    assert "ID" not in text
    for index, (source, target) in enumerate(rows):
        np.testing.assert_array_equal(stored[3 * index], image_of(split, source))
        np.testing.assert_array_equal(stored[3 * index + 1], image_of(split, target))


def test_pages_are_files(run, people_dir, tmp_path, capsys):
    arguments = ["--figure=4", f"--data_dir={people_dir}", f"--runs={run}"]
    arguments += [f"--out={tmp_path}", "--num_pairs=5", "--rows_per_page=2"]
    assert run_command(capsys, "pg2_tf.figures", *arguments).status == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["figure_4.pdf", *(f"figure_4_{n}.png" for n in (1, 2, 3))]
    assert len(pypdf.PdfReader(tmp_path / "figure_4.pdf").pages) == 3


def test_images_of_other_methods_stand_beside_runs(
    run, people_dir, split, tmp_path, capsys
):
    names, sources, targets, poses = pairs_of(split, 2)
    (tmp_path / "theirs").mkdir()
    listed = ["file,to,from"]
    for index, (source, target) in enumerate(names):
        place = tmp_path / "theirs" / f"{image_name((source, target))}.png"
        place.write_bytes(images.encode_png(255 - targets[index]))
        (tmp_path / f"{index}.png").write_bytes(images.encode_png(sources[index] // 2))
        listed.append(f"{index}.png,{target},{source}")
    (tmp_path / "list.csv").write_text("\n".join(listed) + "\n")
    generated = f"[36]={tmp_path / 'theirs'},halved={tmp_path / 'list.csv'}"
    flags = [f"--generated={generated}", f"--runs=Ours={run}", "--num_pairs=2"]
    stored, text = figures(capsys, 5, people_dir, tmp_path / "out", *flags)
    assert f"{GIVEN} [36] halved Ours" in text
    refined = PoseTransfer.load(run)(sources, poses)["refined"]
    assert_rows(stored, sources, targets, 255 - targets, sources // 2, refined)


def test_images_are_named_after_their_pair():
    name = image_name(("WOMEN/id_1/02_2_side.jpg", "0003_c1.png"))
    assert name == "WOMEN__id_1__02_2_side_to_0003_c1"


# === lambda ===


def test_runs_are_sorted_by_lambda(weighted, people_dir, split, tmp_path, capsys):
    listed = ",".join(str(path) for path in weighted.values())
    flags = [f"--runs={listed}", "--num_pairs=2", "--columns_width=single"]
    stored, text = figures(capsys, "lambda", people_dir, tmp_path, *flags)
    assert "λ = 2.5 λ = 10 λ = 50" in text
    _, sources, targets, poses = pairs_of(split, 2)
    made = [
        PoseTransfer.load(weighted[weight])(sources, poses)["refined"]
        for weight in sorted(weighted)
    ]
    assert_rows(stored, sources, targets, *made)
    assert not list(tmp_path.glob("*scores*"))


def test_scores_are_drawn_against_lambda(weighted, people_dir, tmp_path, capsys):
    scores = {
        50.0: {
            "means": {"refined": {"ssim": 0.2, "mask_ssim": 0.8}},
            "interval": {"refined": {"ssim": [0.1, 0.3], "mask_ssim": None}},
        },
        2.5: {"means": {"source": {"ssim": 0.9}, "coarse": {"ssim": 0.25}}},
    }
    for weight, content in scores.items():
        (tmp_path / f"{weight}.json").write_text(json.dumps(content))
    runs = ",".join(f"r{weight:g}={path}" for weight, path in weighted.items())
    listed = ",".join(f"r{weight:g}={tmp_path / f'{weight}.json'}" for weight in scores)
    flags = [f"--runs={runs}", f"--scores={listed}", "--num_pairs=1"]
    out = tmp_path / "out"
    figures(capsys, "lambda", people_dir, out, *flags)
    (page,) = pypdf.PdfReader(out / "figure_lambda_scores.pdf").pages
    text = page.extract_text()
    assert "SSIM" in text
    assert "mask-SSIM" in text
    assert "2.5" in text
    assert "50" in text
    assert (out / "figure_lambda_scores.png").exists()
    parsed = columns.parse_runs("runs", runs.split(","))
    places = {f"r{weight:g}": tmp_path / f"{weight}.json" for weight in scores}
    assert comparison.collect_scores(parsed, places) == {
        2.5: {"ssim": Score(0.25)},
        50.0: {"ssim": Score(0.2, (0.1, 0.3)), "mask_ssim": Score(0.8)},
    }


def test_panels_of_scores_hold_the_values():
    scores = {1: {"ssim": Score(0.3, (0.25, 0.4))}, 5: {"ssim": Score(0.2)}}
    figure = comparison.plot_scores(scores)
    (panel,) = figure.axes
    assert panel.get_xscale() == "linear"
    (line,) = panel.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), [[1, 0.3], [5, 0.2]])
    (interval,) = panel.collections
    np.testing.assert_array_equal(interval.get_segments(), [[[1, 0.25], [1, 0.4]]])
    both = {
        1: {"ssim": Score(0.3), "mask_ssim": Score(0.7)},
        10: {"mask_ssim": Score(0.8)},
    }
    upper, lower = comparison.plot_scores(both).axes
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("SSIM", "mask-SSIM")
    assert lower.get_xscale() == "log"
    assert len(upper.get_lines()[0].get_xydata()) == 1


@pytest.mark.parametrize(
    "content",
    [
        *("[]", "{}", '{"means": 3}', '{"means": {"refined": 3}}'),
        '{"means": {"source": {"ssim": 1}}}',
        '{"means": {"refined": {"ssim": "high", "mask_ssim": true}}}',
        '{"means": {"refined": {"ssim": NaN}}}',
    ],
)
def test_files_without_scores_are_refused(tmp_path, content):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(InputError, match=r"scores\.json: has no means of ssim or"):
        comparison.read_scores(tmp_path / "scores.json")


# === Bad input ===


@pytest.fixture
def bad(tmp_path, split):
    """Unusable files."""
    name = split.names[0]
    (tmp_path / "strangers.csv").write_text(f"from,to\n{name},nobody.jpg\n")
    (tmp_path / "columns.csv").write_text(f"source,to\n{name},{name}\n")
    (tmp_path / "short.csv").write_text(f"from,to,file\n{name},{name},a.png\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.json").write_text("scores")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(b"")
    return tmp_path


def error_of(capsys, people_dir, out, **changes):
    given = {"figure": 4, "data_dir": people_dir, "out": out, **changes}
    arguments = [f"--{k}={v}" for k, v in given.items() if v is not None]
    line = command_error(capsys, "pg2_tf.figures", *arguments)
    assert not out.exists()
    return line


def test_unusable_flags_are_one_line(run, people_dir, bad, capsys):
    for changes, message in (
        ({"runs": run, "data_dir": None}, "--data_dir is needed"),
        ({"runs": run, "data_dir": bad / "none"}, "none: no such folder"),
        ({"runs": run, "figure": None}, "--figure is needed"),
        ({}, "--runs is needed"),
        ({"figure": "lambda"}, "--runs is needed"),
        ({"figure": 5, "runs": run}, "--generated is needed"),
        ({"figure": 3, "runs": run}, "--runs requires --figure=4 or 5 or lambda"),
        ({"runs": run, "name": "a"}, "--name requires --figure=3"),
        ({"runs": run, "generated": "a=b"}, "--generated requires --figure=5"),
        ({"runs": run, "scores": "a=b"}, "--scores requires --figure=lambda"),
        ({"runs": run, "pairs": "p", "num_pairs": 3}, "--num_pairs excludes --pairs"),
        ({"runs": f"{run},{run}"}, "--runs: the label whole appears twice"),
        ({"runs": f"={run}"}, f"--runs={'='}{run}: expected LABEL=PATH"),
        ({"runs": "label="}, "--runs=label=: expected LABEL=PATH"),
        ({"figure": 3, "name": "me.jpg"}, "--name=me.jpg: no image of this split"),
        ({"runs": f"{'long' * 30}={run}"}, "4 columns do not fit"),
    ):
        assert message in error_of(capsys, people_dir, bad / "out", **changes)


def test_unusable_files_are_one_line(run, people_dir, split, bad, capsys):
    first = image_name(pairs_of(split, 1)[0][0])
    (bad / "text").mkdir()
    (bad / "text" / f"{first}.jpg").write_text("image")
    lone = {"figure": 5, "num_pairs": 1}
    for changes, message in (
        ({"runs": bad}, "no run folder"),
        ({"runs": f"{bad / 'none'}@2"}, "none: no run folder"),
        ({"runs": run, "pairs": bad / "strangers.csv"}, "none of its 1 pairs"),
        ({"runs": run, "pairs": bad / "columns.csv"}, "needs the columns from,to"),
        ({"runs": run, "pairs": bad / "none.csv"}, "none.csv: cannot be read"),
        ({**lone, "generated": bad / "other"}, f"other: has no image of {first}"),
        ({**lone, "generated": bad / "text"}, f"{first}.jpg: cannot be decoded"),
        ({**lone, "generated": bad / "none"}, "none: no such folder"),
        ({**lone, "generated": bad / "short.csv"}, f"has no image of {first}"),
        ({**lone, "generated": bad / "columns.csv"}, "needs the columns from,to,file"),
        ({**lone, "generated": bad / "empty.csv"}, "empty.csv: is empty"),
    ):
        assert message in error_of(capsys, people_dir, bad / "out", **changes)


def test_unusable_runs_of_lambda_are_one_line(
    run, weighted, people_dir, bad, tmp_path, capsys
):
    shutil.copytree(weighted[10.0], tmp_path / "copy")
    ten = weighted[10.0]
    for changes, message in (
        ({"runs": run}, "stage2: has no options.json"),
        ({"runs": f"{ten},{tmp_path / 'copy'}"}, "both were trained with lambda 10"),
        ({"runs": f"{ten}@1"}, "stage 1 of G1+G2+D was not trained with D"),
        ({"runs": ten, "scores": "b=c"}, "--scores=b=...: no run has this label"),
        ({"runs": f"a={ten}", "scores": "a=c.json"}, "c.json: cannot be read"),
        ({"runs": f"a={ten}", "scores": f"a={bad}/text.json"}, "text.json: not JSON"),
    ):
        changes["figure"] = "lambda"
        assert message in error_of(capsys, people_dir, bad / "out", **changes)


def test_run_of_another_size_is_refused(people_dir, tmp_path, capsys):
    config = tiny_config()
    model = dataclasses.replace(config.model, image_size=(64, 32))
    run = make_run(tmp_path / "run", config=dataclasses.replace(config, model=model))
    line = error_of(capsys, people_dir, tmp_path / "out", runs=run)
    assert "run: generates images of 64x32, the data set has 32x32" in line


def test_missing_matplotlib_is_one_line(people_dir, run, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    line = error_of(capsys, people_dir, tmp_path / "out", runs=run)
    assert line.endswith('figures need matplotlib: pip install "pg2-tf[figures]"')
