"""The run folder: what it accepts, what it refuses, and damaged checkpoints."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    copies,
    make_run,
    random_networks,
    same,
    tiny_config,
)

from pg2_tf.model.config import TrainConfig
from pg2_tf.model.networks import Networks
from pg2_tf.runs import checkpoint_files
from pg2_tf.runs.checkpoint_files import step_of
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import load_weights, weights_of
from preprocessing.system.errors import InputError


def write_checkpoints(stage, networks, steps, keep=5):
    """Writes one checkpoint a step, the first weight telling which."""
    checkpoint = tf.train.Checkpoint(**weights_of(networks))
    place = str(stage.checkpoint_dir)
    manager = tf.train.CheckpointManager(checkpoint, place, max_to_keep=keep)
    for step in steps:
        bias = networks.generator1.get_layer("stem").bias
        bias.assign(tf.fill(bias.shape, float(step)))
        manager.save(step)


def stem_of(networks):
    return float(networks.generator1.get_layer("stem").bias[0])


@pytest.fixture
def stage(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.claim(tiny_config())
    networks = random_networks(tiny_config().model, stage=1)
    write_checkpoints(folder.stage(1), networks, (10, 20, 30))
    return folder.stage(1)


def test_run_is_of_what_it_was_claimed_for(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert folder.config() is None
    with pytest.raises(InputError, match=r"no run folder.*config\.json.*pg2_tf\.train"):
        folder.require_config()
    config = tiny_config("authors")
    folder.claim(config)
    assert folder.require_config() == config
    folder.claim(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "demo"}, "dataset tiny, not demo"),
        ({"profile": "authors"}, "profile paper, not authors"),
        ({"model": {"width": 6}}, r"model\.width 4, not 6"),
        ({"model": {"image_size": (64, 64)}}, r"model\.image_size \[32, 32\], not"),
    ],
)
def test_folder_of_another_run_is_refused_with_what_differs(tmp_path, change, message):
    folder = RunFolder(make_run(tmp_path / "run", stages=(1,)))
    other = tiny_config()
    if "model" in change:
        model = dataclasses.replace(other.model, **change["model"])
        change = {"model": model}
    with pytest.raises(InputError, match=message) as error:
        folder.claim(dataclasses.replace(other, **change))
    assert "--run_dir" in str(error.value)
    assert folder.config() == tiny_config()


def test_run_that_left_no_checkpoint_gives_way(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.claim(tiny_config())
    assert not folder.is_trained()
    folder.claim(tiny_config("authors"))
    assert folder.require_config() == tiny_config("authors")


def changed(path, **values):
    """Returns a JSON file's content with some values changed, or without them."""
    content = json.loads(path.read_text())
    for key, value in values.items():
        *places, last = key.split("__")
        inner = content
        for place in places:
            inner = inner[place]
        inner[last] = value
        if value is KeyError:
            del inner[last]
    return json.dumps(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "damaged .*not JSON"),
        ("{", "damaged .*not JSON"),
        ("[]", "is not an object"),
        ({"dataset": KeyError}, "dataset: missing"),
        ({"dataset": 3}, "dataset 3: expected str"),
        ({"profile": "author"}, "profile 'author': allowed are paper, authors"),
        ({"newer": 1}, "newer: unknown field"),
        ({"model": []}, r"expected the fields of ModelConfig, got \[\]"),
        ({"model__width": "4"}, "width '4': expected int"),
        ({"model__width": True}, "width True: expected int"),
        ({"model__width": 10**6}, "width 1000000: must be from 1 to 4096"),
        ({"model__bottleneck": 10**9}, "bottleneck 1000000000: must be from 1 to"),
        ({"model__image_size": [32]}, r"image_size \[32\]: expected 2 numbers"),
        ({"model__image_size": [32, "a"]}, "image_size 'a': expected int"),
        ({"model__image_size": [2**20, 2**20]}, "image_size .*: must be from 1 to"),
    ],
)
def test_damaged_configuration_is_named(tmp_path, content, message):
    folder = RunFolder(tmp_path)
    folder.claim(tiny_config())
    path = tmp_path / "config.json"
    text = content if isinstance(content, str) else changed(path, **content)
    path.write_text(text)
    with pytest.raises(InputError, match=rf"config\.json: {message}"):
        folder.config()


def options(**training):
    chosen = {"stage": 1, "steps": 9, "batch_size": 4, **training}
    return {
        "training": dataclasses.asdict(TrainConfig(**chosen)),
        "data": {"folder": "a", "checksum": "1"},
        "versions": {"numpy": "1"},
    }


def test_stage_keeps_its_options_but_may_train_longer_elsewhere(stage):
    stage.claim(options())
    moved = {**options(steps=12), "data": {"folder": "b", "checksum": "1"}}
    stage.claim({**moved, "versions": {"numpy": "2"}})
    assert stage.options()["training"]["steps"] == 12
    with pytest.raises(InputError, match=r"trained with batch_size 4, not 5"):
        stage.claim(options(batch_size=5))
    with pytest.raises(InputError, match=r"trained with checksum 1, not 2"):
        stage.claim({**options(), "data": {"folder": "a", "checksum": "2"}})
    assert stage.options()["training"]["batch_size"] == 4


def test_options_of_an_older_version_have_the_defaults_for_what_it_lacked(stage):
    stage.claim(options())
    old = options()
    del old["training"]["schedule"], old["training"]["flip"]
    (stage.path / "options.json").write_text(json.dumps(old))
    stage.claim(options())
    assert stage.options()["training"]["schedule"] == "constant"
    (stage.path / "options.json").write_text(json.dumps(old))
    with pytest.raises(InputError, match=r"trained with flip True, not False"):
        stage.claim(options(flip=False))


def test_steps_that_the_learning_rate_follows_from_may_not_change(stage):
    stage.claim(options(schedule="cosine"))
    stage.claim(options(schedule="cosine"))
    with pytest.raises(InputError, match=r"trained with steps 9, not 12"):
        stage.claim(options(schedule="cosine", steps=12))


def test_stage_without_a_checkpoint_may_begin_again_with_other_options(tmp_path):
    stage = RunFolder(tmp_path).stage(1)
    stage.claim(options())
    stage.claim(options(batch_size=5))
    assert stage.options()["training"]["batch_size"] == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged .*not JSON"),
        ("[1]", "is not an object"),
        ({"training": KeyError}, "training: expected the fields of TrainConfig"),
        ({"training__steps": "9"}, "training: steps '9': expected int"),
        ({"training__ema": None}, "training: ema None: expected float"),
        ({"training__later": 1}, "training: later: unknown field"),
        ({"data": []}, r"data \[\]: expected an object"),
        ({"data__checksum": 1}, "data.checksum 1: expected a string"),
    ],
)
def test_damaged_options_are_named(stage, content, message):
    stage.claim(options())
    path = stage.path / "options.json"
    path.write_text(content if isinstance(content, str) else changed(path, **content))
    for use in (stage.options, stage.averaged, lambda: stage.claim(options())):
        with pytest.raises(InputError, match=rf"options\.json: {message}"):
            use()


@pytest.mark.parametrize("scores", [{}, {"step": "3"}, {"step": 3, "mask_ssim": None}])
def test_damaged_best_scores_are_named(stage, scores):
    stage.best_dir.mkdir()
    (stage.best_dir / "best.json").write_text(json.dumps(scores))
    with pytest.raises(InputError, match=r"best\.json: (step|mask_ssim) .* a number"):
        stage.best()


def test_a_flipped_byte_anywhere_in_a_checkpoint_is_noticed(tmp_path, capsys):
    weights = tf.Variable(tf.random.stateless_normal((64, 64), (0, 1)))
    checkpoint = tf.train.Checkpoint(weights=weights)
    path = checkpoint_files.write(checkpoint, tmp_path, step=5)
    assert checkpoint_files.read(checkpoint, path, partial=False)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["ckpt-5.data-00000-of-00001", "ckpt-5.index", "ckpt-5.sha256"]
    before = weights.numpy()
    for name in names:
        whole = (tmp_path / name).read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 60)):
            changed = bytearray(whole)
            changed[place] ^= 1 << (place % 8)
            (tmp_path / name).write_bytes(changed)
            assert not checkpoint_files.read(checkpoint, path, partial=False)
        (tmp_path / name).write_bytes(whole)
    np.testing.assert_array_equal(before, weights.numpy())
    assert "skipping corrupt checkpoint" in capsys.readouterr().out
    # A checkpoint of an earlier version has no checksums.
    (tmp_path / "ckpt-5.sha256").unlink()
    assert checkpoint_files.read(checkpoint, path, partial=False)
    checkpoint_files.remove(path)
    assert not list(tmp_path.iterdir())


def test_an_index_that_is_a_folder_is_no_checkpoint(stage):
    index = stage.checkpoint_dir / "ckpt-30.index"
    index.unlink()
    index.mkdir()
    assert step_of(stage.checkpoints()[0]) == 20


def test_newest_checkpoint_is_loaded(stage):
    networks = random_networks(tiny_config().model, stage=1, seed=1)
    assert step_of(load_weights(networks, stage)) == 30
    assert stem_of(networks) == 30


def cut_data(stage, step):
    path = stage.checkpoint_dir / f"ckpt-{step}.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:100])


def change_data(stage, step):
    path = stage.checkpoint_dir / f"ckpt-{step}.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    for place in range(0, len(content), 50):
        content[place] ^= 255
    path.write_bytes(content)


def cut_index(stage, step):
    path = stage.checkpoint_dir / f"ckpt-{step}.index"
    path.write_bytes(path.read_bytes()[:40])


def drop_data(stage, step):
    (stage.checkpoint_dir / f"ckpt-{step}.data-00000-of-00001").unlink()


@pytest.mark.parametrize("damage", [cut_data, change_data, cut_index, drop_data])
def test_damaged_checkpoint_is_passed_over_with_a_message(stage, capsys, damage):
    damage(stage, 30)
    networks = random_networks(tiny_config().model, stage=1, seed=1)
    assert step_of(load_weights(networks, stage)) == 20
    assert stem_of(networks) == 20
    expected = random_networks(tiny_config().model, stage=1)
    rest = zip(networks.generator1.weights, expected.generator1.weights, strict=True)
    for ours, other in rest:
        if "stem" not in ours.path:
            assert same(copies([ours]), copies([other]))
    assert "ckpt-30: skipping corrupt checkpoint" in capsys.readouterr().out


def test_checkpoints_are_found_by_their_files_alone(stage):
    place = stage.checkpoint_dir
    (place / "checkpoint").unlink()
    (place / "ckpt-40.data-00000-of-00001").write_bytes(b"")
    (place / "ckpt-old.index").write_bytes(b"")
    checkpoint_files.remove(str(place / "ckpt-30"))
    assert list(map(step_of, stage.checkpoints())) == [20, 10]
    assert not list(place.glob("ckpt-30*"))


def test_no_readable_checkpoint_is_an_input_error(stage):
    for step in (10, 20, 30):
        cut_data(stage, step)
    networks = random_networks(tiny_config().model, stage=1)
    with pytest.raises(InputError, match="no readable checkpoint"):
        load_weights(networks, stage)


def test_networks_of_another_width_are_not_loaded(stage):
    model = dataclasses.replace(tiny_config().model, width=6)
    with pytest.raises(InputError, match="no readable checkpoint"):
        load_weights(random_networks(model, stage=1), stage)


def test_last_trained_stage_is_the_latest(tmp_path):
    with pytest.raises(InputError, match="no checkpoint of either stage"):
        RunFolder(tmp_path).latest_stage()
    first = make_run(tmp_path / "a", stages=(1,))
    assert RunFolder(first).latest_stage().number == 1
    assert RunFolder(make_run(tmp_path / "b")).latest_stage().number == 2


def test_weights_are_kept_under_names_that_tell_what_they_are(stage):
    reader = tf.train.load_checkpoint(str(stage.checkpoint_dir))
    names = reader.get_variable_to_shape_map()
    assert any("generator1" in name and "stem" in name for name in names)
    networks = random_networks(tiny_config().model)
    assert set(weights_of(networks)) == {"generator1", "generator2", "discriminator"}
    assert set(weights_of(Networks(networks.generator1))) == {"generator1"}
    config = json.loads((stage.path.parent / "config.json").read_text())
    assert config["model"]["image_size"] == [32, 32]
