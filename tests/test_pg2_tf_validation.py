"""Validation while training: scores, the best weights, data without a test split."""

import json
import shutil

import pytest
from pg2_tf_helpers import copies, same, tiny_config, train

from pg2_tf.data.dataset import read_split
from pg2_tf.data.pipeline import PairSource
from pg2_tf.evaluation import scoring as evaluation
from pg2_tf.evaluation.measures import Measures, Sources
from pg2_tf.evaluation.models import ModelImages
from pg2_tf.evaluation.protocols import PROTOCOLS
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.networks import Networks, build_networks
from pg2_tf.runs.checkpoint_files import step_of
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import load_weights
from pg2_tf.training.duties import Schedule
from pg2_tf.training.validation import FixedPairs

_EVERY = Schedule(log_every=2, sample_every=4, validate_every=2, checkpoint_every=4)


def scores_of(run, stage):
    path = RunFolder(run).stage(stage).path / "validation.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(whole, people_dir, tmp_path_factory):
    """Both stages, validated every 2 steps; not to be changed."""
    run = tmp_path_factory.mktemp("validated") / "run"
    for stage in (1, 2):
        assert train(run, people_dir, stage, 6, every=_EVERY) == 6
    return run


@pytest.mark.parametrize("stage", [1, 2])
def test_scores_are_those_of_an_evaluation(tmp_path, run, people_dir, stage):
    rows = scores_of(run, stage)
    assert [row["step"] for row in rows] == [2, 4, 6]
    split = read_split(people_dir, "test", image_size=(32, 32))
    everything = list(range(len(split.pairs)))
    assert len(everything) < 64
    model = PoseTransfer.load(run, stage=stage)
    protocol = PROTOCOLS["corrected"]
    names = ("l1", "mask_l1", "ssim", "mask_ssim")
    scores = evaluation.evaluate(
        ModelImages(model, split, everything, protocol=protocol, checksum=""),
        Measures(names, protocol=protocol, sources=Sources()),
        out=tmp_path,
        record={},
    ).scores["coarse" if stage == 1 else "refined"]
    assert set(rows[-1]) == {"step", *names}
    for name in names:
        assert rows[-1][name] == pytest.approx(scores[name].mean, rel=1e-6)


@pytest.mark.parametrize("stage", [1, 2])
def test_best_weights_are_kept_apart_with_their_scores(run, people_dir, stage):
    folder = RunFolder(run).stage(stage)
    best = max(scores_of(run, stage), key=lambda row: row["mask_ssim"])
    assert folder.best()["step"] == best["step"]
    assert folder.best() == pytest.approx(best, rel=1e-7)
    networks = build_networks(tiny_config().model, stage=stage, seed=9)
    part = Networks(networks.generator1) if stage == 1 else networks
    assert step_of(load_weights(part, folder, weights="best")) == best["step"]
    split = read_split(people_dir, "test", image_size=(32, 32))
    pairs = FixedPairs(PairSource(split), range(len(split.pairs)))
    model = PoseTransfer(part, tiny_config(), stage=stage, step=0)
    assert pairs.score(model)["mask_ssim"] == pytest.approx(best["mask_ssim"], rel=1e-6)


def test_better_weights_replace_the_best_and_worse_ones_do_not(
    people_dir, tmp_path, monkeypatch, capsys
):
    values = iter([0.5, 0.4, 0.5, 0.6])

    def score(pairs, model):
        return {"mask_ssim": next(values)}

    monkeypatch.setattr(FixedPairs, "score", score)
    every = Schedule(log_every=9, sample_every=9, validate_every=1, checkpoint_every=1)
    assert train(tmp_path / "run", people_dir, 1, 3, every=every) == 3
    folder = RunFolder(tmp_path / "run").stage(1)
    assert folder.best() == {"step": 1, "mask_ssim": 0.5}
    assert train(tmp_path / "run", people_dir, 1, 4, every=every) == 4
    assert folder.best() == {"step": 4, "mask_ssim": 0.6}
    files = sorted(path.name for path in folder.best_dir.iterdir())
    assert files == ["best.json", "ckpt-4.data-00000-of-00001", "ckpt-4.index"]
    out = capsys.readouterr().out
    assert "validation at step 1: mask_ssim 0.5; the best so far" in out
    assert "validation at step 3: mask_ssim 0.5\n" in out


def test_best_of_a_training_that_left_no_checkpoint_is_forgotten(people_dir, tmp_path):
    folder = RunFolder(tmp_path / "run").stage(1)
    folder.best_dir.mkdir(parents=True)
    (folder.best_dir / "best.json").write_text('{"step": 1, "mask_ssim": 2.0}')
    assert train(tmp_path / "run", people_dir, 1, 2) == 2
    assert folder.best()["mask_ssim"] < 1


def test_missing_best_weights_are_an_input_error(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    folder = RunFolder(run).stage(1)
    networks = Networks(build_networks(tiny_config().model, stage=1).generator1)
    for path in folder.best_dir.glob("ckpt-*"):
        path.unlink()
    with pytest.raises(Exception, match=r"best: has no readable checkpoint"):
        load_weights(networks, folder, weights="best")
    (folder.best_dir / "best.json").write_text("{")
    with pytest.raises(Exception, match=r"best\.json: damaged"):
        load_weights(networks, folder, weights="best")


def test_validation_changes_no_weight(whole, people_dir, tmp_path):
    never = Schedule(log_every=2, sample_every=4, validate_every=0, checkpoint_every=3)
    assert train(tmp_path / "run", people_dir, 1, 8, every=never) == 8
    assert not (tmp_path / "run" / "stage1" / "validation.jsonl").exists()
    loaded = []
    for run in (whole, tmp_path / "run"):
        networks = Networks(build_networks(tiny_config().model, stage=1).generator1)
        load_weights(networks, RunFolder(run).stage(1))
        loaded.append(copies(networks.generator1.weights))
    assert same(*loaded)


def test_data_without_a_test_split_is_said_once(people_dir, tmp_path, capsys):
    data = shutil.copytree(people_dir, tmp_path / "data")
    manifest = json.loads((data / "manifest.json").read_text())
    del manifest["splits"]["test"]
    (data / "manifest.json").write_text(json.dumps(manifest))
    run = tmp_path / "run"
    assert train(run, data, 1, 2, every=_EVERY) == 2
    assert capsys.readouterr().out.count("has no test pairs, so there is no vali") == 1
    assert not (run / "stage1" / "validation.jsonl").exists()
    assert (run / "stage1" / "samples" / "step-000002.png").exists()


def test_as_many_pairs_as_asked_for_always_the_same(people_dir, tmp_path, monkeypatch):
    taken = []
    kept = FixedPairs.__init__

    def watched(self, source, positions):
        taken.append(source.names_of(list(positions)))
        kept(self, source, positions)

    monkeypatch.setattr(FixedPairs, "__init__", watched)
    for name, seed in (("a", 0), ("b", 1)):
        few = {"num_validation_pairs": 3}
        train(tmp_path / name, people_dir, 1, 1, more=few, seed=seed)
    assert taken[1] == taken[3]
    assert len(set(map(tuple, taken[1]))) == 3
