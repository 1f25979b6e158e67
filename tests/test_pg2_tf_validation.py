"""Validation while training: held-out identities, scores, the best weights."""

import json
import shutil

import pytest
from pg2_tf_helpers import copies, same, tiny_config, train

from pg2_tf.data.dataset import read_split
from pg2_tf.data.pairs import hold_out
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
from pg2_tf.training.callbacks import Cadence
from pg2_tf.training.stage_data import FixedPairs
from preprocessing.system.errors import InputError

# Holds out one of the four training identities.
_FRACTION = 0.3
_EVERY = Cadence(log_every=2, sample_every=4, validate_every=2, checkpoint_every=4)


def scores_of(run, stage):
    path = RunFolder(run).stage(stage).path / "validation.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(whole, people_dir, tmp_path_factory):
    """Both stages, validated every 2 steps; not to be changed."""
    run = tmp_path_factory.mktemp("validated") / "run"
    for stage in (1, 2):
        options = {"every": _EVERY, "validation_fraction": _FRACTION}
        assert train(run, people_dir, stage, 6, **options) == 6
    return run


def held_out(people_dir):
    split = read_split(people_dir, "train", image_size=(32, 32))
    return hold_out(split, _FRACTION)


def test_whole_identities_are_held_out(people_dir):
    split = read_split(people_dir, "train", image_size=(32, 32))
    train, held = hold_out(split, _FRACTION)
    sides = [
        {split.identities[i] for i in part.pairs.ravel().tolist()}
        for part in (train, held)
    ]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    assert len(train.pairs) + len(held.pairs) == len(split.pairs)
    everything, nothing = hold_out(split, 0.0)
    assert len(everything.pairs) == len(split.pairs)
    assert not len(nothing.pairs)


def test_held_out_pairs_are_not_trained_on(people_dir, tmp_path, monkeypatch):
    taken = []
    kept = PairSource.__init__

    def watched(self, split, **options):
        taken.append({split.identities[i] for i in split.pairs.ravel().tolist()})
        kept(self, split, **options)

    monkeypatch.setattr(PairSource, "__init__", watched)
    options = {"every": _EVERY, "validation_fraction": _FRACTION}
    train(tmp_path / "run", people_dir, 1, 1, **options)
    trained, scored, _ = taken
    test = read_split(people_dir, "test", image_size=(32, 32))
    assert not trained & scored
    assert not scored & set(test.identities)


def test_a_fraction_that_holds_out_nobody_is_refused(people_dir, tmp_path):
    options = {"every": _EVERY, "validation_fraction": 1e-6}
    with pytest.raises(InputError, match="holds out no identity; use a larger"):
        train(tmp_path / "run", people_dir, 1, 1, **options)
    with pytest.raises(InputError, match="leaves no pairs to train on"):
        train(tmp_path / "run", people_dir, 1, 1, validation_fraction=0.999)


@pytest.mark.parametrize("stage", [1, 2])
def test_scores_are_those_of_an_evaluation(tmp_path, run, people_dir, stage):
    rows = scores_of(run, stage)
    assert [row["step"] for row in rows] == [2, 4, 6]
    _, split = held_out(people_dir)
    everything = list(range(len(split.pairs)))
    assert 0 < len(everything) < 64
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


def test_best_weights_are_kept_apart_with_their_scores(run, people_dir):
    stage = 1
    folder = RunFolder(run).stage(stage)
    best = max(scores_of(run, stage), key=lambda row: row["mask_ssim"])
    assert folder.best()["step"] == best["step"]
    assert folder.best() == pytest.approx(best, rel=1e-7)
    part = Networks(build_networks(tiny_config().model, stage=stage, seed=9)[0])
    assert step_of(load_weights(part, folder, weights="best")) == best["step"]
    pairs = FixedPairs([held_out(people_dir)[1]])
    model = PoseTransfer(part, tiny_config(), stage=stage, step=0)
    assert pairs.score(model)["mask_ssim"] == pytest.approx(best["mask_ssim"], rel=1e-6)


def test_an_adversarial_stage_has_scores_and_no_best_weights(run):
    folder = RunFolder(run).stage(2)
    assert len(scores_of(run, 2)) == 3
    assert not folder.best_dir.exists()
    networks = build_networks(tiny_config().model, stage=2)
    with pytest.raises(InputError, match="only stages without D"):
        load_weights(networks, folder, weights="best")


def test_better_weights_replace_the_best_and_worse_ones_do_not(
    people_dir, tmp_path, monkeypatch, capsys
):
    values = iter([0.5, 0.4, 0.5, 0.6])

    def score(pairs, model):
        return {"mask_ssim": next(values)}

    monkeypatch.setattr(FixedPairs, "score", score)
    every = Cadence(log_every=9, sample_every=9, validate_every=1, checkpoint_every=1)
    options = {"every": every, "validation_fraction": _FRACTION}
    assert train(tmp_path / "run", people_dir, 1, 3, **options) == 3
    folder = RunFolder(tmp_path / "run").stage(1)
    assert folder.best() == {"step": 1, "mask_ssim": 0.5}
    assert train(tmp_path / "run", people_dir, 1, 4, **options) == 4
    assert folder.best() == {"step": 4, "mask_ssim": 0.6}
    files = sorted(path.name for path in folder.best_dir.iterdir())
    checkpoint = [f"ckpt-4.{kind}" for kind in ("data-00000-of-00001", "index")]
    assert files == ["best.json", *checkpoint, "ckpt-4.sha256"]
    out = capsys.readouterr().out
    assert "validation at step 1: mask_ssim 0.5; best so far" in out
    assert "validation at step 3: mask_ssim 0.5\n" in out


def test_best_of_a_training_that_left_no_checkpoint_is_forgotten(people_dir, tmp_path):
    folder = RunFolder(tmp_path / "run").stage(1)
    folder.best_dir.mkdir(parents=True)
    (folder.best_dir / "best.json").write_text('{"step": 1, "mask_ssim": 2.0}')
    options = {"validation_fraction": _FRACTION}
    assert train(tmp_path / "run", people_dir, 1, 2, **options) == 2
    assert folder.best()["mask_ssim"] < 1


def test_missing_best_weights_are_an_input_error(run, tmp_path):
    run = shutil.copytree(run, tmp_path / "run")
    folder = RunFolder(run).stage(1)
    networks = Networks(build_networks(tiny_config().model, stage=1).generator1)
    for path in folder.best_dir.glob("ckpt-*"):
        path.unlink()
    with pytest.raises(Exception, match=r"best: has no readable checkpoint"):
        load_weights(networks, folder, weights="best")
    (folder.best_dir / "best.json").write_text("{")
    with pytest.raises(Exception, match=r"best\.json: damaged"):
        load_weights(networks, folder, weights="best")


def test_validation_changes_no_weight(run, people_dir, tmp_path):
    never = Cadence(log_every=2, sample_every=4, validate_every=0, checkpoint_every=3)
    options = {"every": never, "validation_fraction": _FRACTION}
    assert train(tmp_path / "run", people_dir, 1, 6, **options) == 6
    assert not (tmp_path / "run" / "stage1" / "validation.jsonl").exists()
    loaded = []
    for path in (run, tmp_path / "run"):
        networks = Networks(build_networks(tiny_config().model, stage=1).generator1)
        load_weights(networks, RunFolder(path).stage(1))
        loaded.append(copies(networks.generator1.weights))
    assert same(*loaded)


def test_data_without_a_test_split_is_validated_too(people_dir, tmp_path):
    data = shutil.copytree(people_dir, tmp_path / "data")
    manifest = json.loads((data / "manifest.json").read_text())
    del manifest["splits"]["test"]
    (data / "manifest.json").write_text(json.dumps(manifest))
    run = tmp_path / "run"
    options = {"every": _EVERY, "validation_fraction": _FRACTION}
    assert train(run, data, 1, 2, **options) == 2
    assert len(scores_of(run, 1)) == 1
    assert (run / "stage1" / "samples" / "step-000002.png").exists()


def test_as_many_pairs_as_asked_for_always_the_same(people_dir, tmp_path, monkeypatch):
    taken = []
    kept = FixedPairs.__init__

    def watched(self, splits):
        (split,) = splits
        taken.append([(split.names[a], split.names[b]) for a, b in split.pairs])
        kept(self, splits)

    monkeypatch.setattr(FixedPairs, "__init__", watched)
    for name, seed in (("a", 0), ("b", 1)):
        few = {"num_validation_pairs": 3}
        options = {"validation_fraction": _FRACTION, "seed": seed}
        train(tmp_path / name, people_dir, 1, 1, more=few, **options)
    assert taken[0] == taken[2]
    assert len(set(taken[0])) == 3
