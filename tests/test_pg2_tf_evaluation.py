"""Evaluation of a tiny model beside copying the source image."""

import dataclasses

import numpy as np
import pytest
from pg2_tf_helpers import make_run

from pg2_tf import evaluation
from pg2_tf.data.dataset import read_split
from pg2_tf.inference import PoseTransfer
from pg2_tf.metrics import images as metrics
from preprocessing import images
from preprocessing.masks import draw_mask

_METRICS = ("ssim", "psnr", "l1", "mask_ssim", "mask_psnr", "mask_l1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def split(people_dir):
    return read_split(people_dir, "train", image_size=(32, 32))


def test_drawn_pairs_follow_from_their_names_alone(split):
    drawn = evaluation.draw_pairs(split, 5, seed=0)
    assert len(drawn) == 5
    assert drawn == sorted(drawn) == evaluation.draw_pairs(split, 5, seed=0)
    assert drawn != evaluation.draw_pairs(split, 5, seed=1)
    order = np.random.default_rng(0).permutation(len(split.pairs))
    shuffled = dataclasses.replace(split, pairs=split.pairs[order])
    again = evaluation.draw_pairs(shuffled, 5, seed=0)
    assert {order[position] for position in again} == set(drawn)
    everything = list(range(len(split.pairs)))
    assert evaluation.draw_pairs(split, 10_000, seed=3) == everything


@pytest.mark.parametrize("stage", [1, 2])
def test_table_holds_every_metric_of_every_image(run, split, stage):
    model = PoseTransfer.load(run, stage=stage)
    positions = [0, 5, 17, 20, 23]
    result = evaluation.evaluate(model, split, positions, shown=2)
    names = ["source", "coarse"] + ["refined"] * (stage == 2)
    columns = ["from", "to", *(f"{n}_{m}" for n in names for m in _METRICS)]
    assert set(result.table.columns) == set(columns)
    assert list(result.means) == names
    for row, position in zip(result.table.to_dict("records"), positions, strict=True):
        start, end = split.pairs[position]
        assert (row["from"], row["to"]) == (split.names[start], split.names[end])
        source, target = (
            images.decode(split.images[i].numpy(), name="") for i in (start, end)
        )
        mask = draw_mask(split.keypoints[end], size=(32, 32))
        for name, value in metrics.score(source, target, mask).items():
            assert row[f"source_{name}"] == pytest.approx(value, rel=1e-3), name
    for name in names:
        assert set(result.means[name]) == set(_METRICS)
        for metric, mean in result.means[name].items():
            assert mean == pytest.approx(result.table[f"{name}_{metric}"].mean())
    assert result.sheet.dtype == np.uint8
    assert result.sheet.shape[2] == 3


def test_generated_images_are_scored_against_the_target_of_their_pair(run, split):
    model = PoseTransfer.load(run)
    positions = list(range(20))  # More than one batch.
    result = evaluation.evaluate(model, split, positions)
    for position in (0, 15, 16, 19):
        start, end = split.pairs[position]
        source, target = (
            images.decode(split.images[i].numpy(), name="") for i in (start, end)
        )
        made = model(source[None], split.keypoints[end][None])
        expected = metrics.l1(made["refined"][0], target)
        value = result.table["refined_l1"][position]
        assert value == pytest.approx(expected, rel=1e-3)


def test_model_that_copies_scores_as_the_source_does(split):
    class Copier:
        stage, image_size = 1, (32, 32)

        def __call__(self, images, poses):
            return {"coarse": images}

    result = evaluation.evaluate(Copier(), split, [0, 1, 2, 3])
    assert result.means["coarse"] == result.means["source"]
    assert result.means["source"]["ssim"] < 0.99


def test_sheet_shows_each_pair_once_when_there_are_few(run, split):
    model = PoseTransfer.load(run, stage=1)
    heights = [
        evaluation.evaluate(model, split, list(range(count)), shown=4).sheet.shape[0]
        for count in (1, 2, 4)
    ]
    row = heights[1] - heights[0]
    assert row > 32
    assert heights[2] - heights[1] == 2 * row
