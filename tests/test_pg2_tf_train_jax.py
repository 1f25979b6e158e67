"""The command train_jax: data, both stages without TensorFlow, back to a run folder."""

import importlib.util
import json
import zipfile

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import command_error, run_command, run_script

from pg2_tf.data.dataset import read_split
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.jax_training import pairs

MODULE = "pg2_tf.train_jax"
needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs JAX")
_WITHOUT_TENSORFLOW = """
import runpy, sys
sys.modules["tensorflow"] = None
sys.argv = ["pg2_tf.train_jax", *sys.argv[1:]]
runpy.run_module("pg2_tf.train_jax", run_name="__main__", alter_sys=True)
"""


def jax_command(*arguments) -> str:
    return run_script(_WITHOUT_TENSORFLOW, *arguments, KERAS_BACKEND="jax")


@pytest.fixture(scope="module")
def packed(tmp_path_factory, people_dir):
    path = tmp_path_factory.mktemp("packed") / "people.npz"
    split = {n: read_split(people_dir, n, image_size=(32, 32)) for n in _SPLITS}
    pairs.save(path, {name: _encoded(each) for name, each in split.items()})
    return path


_SPLITS = ("train", "test")


def _encoded(split):
    images, masks = split.images.numpy().tolist(), split.masks.numpy()
    return pairs.EncodedImages(split.names, images, split.keypoints, masks, split.pairs)


def test_packs_what_a_data_set_holds(capsys, tmp_path, people_dir, packed):
    path = tmp_path / "data.npz"
    result = run_command(
        capsys, MODULE, "pack", f"--data_dir={people_dir}", f"--data={path}"
    )
    assert result.status == 0
    assert "train, 12 images, 24 pairs" in result.out
    for name in _SPLITS:
        data, split = (
            pairs.load(path, name),
            read_split(people_dir, name, image_size=(32, 32)),
        )
        np.testing.assert_array_equal(data.pairs, split.pairs)
        np.testing.assert_array_equal(data.keypoints, split.keypoints)
        np.testing.assert_array_equal(data.masks, split.masks.numpy())
        first = tf.io.decode_jpeg(split.images[0], dct_method="INTEGER_ACCURATE")
        np.testing.assert_array_equal(data.images[0], first)
        assert np.load(path)[f"{name}/names"].tolist() == split.names
    assert np.load(packed)["train/jpeg"].tobytes() == (
        np.load(path)["train/jpeg"].tobytes()
    )


def test_draws_people_with_their_masks(tmp_path):
    path = tmp_path / "people.npz"
    jax_command(
        "draw",
        "--identities=3",
        "--test_identities=1",
        "--images_per_identity=2",
        "--image_size=64x32",
        f"--data={path}",
    )
    train, test = (pairs.load(path, name) for name in _SPLITS)
    assert train.images.shape == (6, 64, 32, 3)
    assert len(train.pairs) == 6
    assert len(test.pairs) == 2
    assert 0.05 < np.unpackbits(train.masks).mean() < 0.5
    # Other people are held out than those trained on.
    assert not any(np.array_equal(test.images[0], each) for each in train.images)


@needs_jax
def test_trains_both_stages_and_comes_back_as_a_run_folder(capsys, tmp_path, packed):
    common = ["train", "--dataset=tiny", f"--data={packed}", "--steps_per_call=3"]
    out = jax_command(
        *common,
        "--stage=1",
        "--steps=1000000",
        "--seconds=0.1",
        "--ema=0.9",
        "--num_pairs=0",
        f"--out={tmp_path / 'one'}",
    )
    assert "3 steps" in out  # The time limit ends it after one call.
    jax_command(
        *common,
        "--stage=2",
        "--steps=3",
        "--num_pairs=4",
        f"--generator1={tmp_path / 'one/weights.npz'}",
        f"--out={tmp_path / 'two'}",
    )
    figures = json.loads((tmp_path / "two/figures.json").read_text())
    assert figures["steps"] == 3
    assert set(figures["scores"]) == {"source", "coarse", "refined"}
    assert [row["step"] for row in figures["log"]] == [3]
    run = tmp_path / "run"
    result = run_command(
        capsys,
        MODULE,
        "import",
        f"--weights={tmp_path / 'two/weights.npz'}",
        f"--run_dir={run}",
    )
    assert result.status == 0, result.err
    data = pairs.load(packed, "test")
    by_name = {name.split(".")[0]: i for i, name in enumerate(data.names)}
    transfer = PoseTransfer.load(run)
    with zipfile.ZipFile(tmp_path / "two/refined.zip") as archive:
        assert len(archive.namelist()) == 4
        for name in archive.namelist():
            source, target = name.removesuffix(".png").split("_to_")
            made = transfer(
                data.images[[by_name[source]]], data.keypoints[[by_name[target]]]
            )
            image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), 1)
            difference = made["refined"][0].astype(int) - image[..., ::-1]
            assert np.abs(difference).max() <= 1


def test_bad_input_is_one_line(capsys, monkeypatch, tmp_path, packed):
    error = command_error(capsys, MODULE, "train", "--dataset=tiny", "--out=x")
    assert "--data is needed" in error
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, package=None: None if name == "jax" else find_spec(name, package),
    )
    error = command_error(
        capsys, MODULE, "train", "--dataset=tiny", "--out=x", f"--data={packed}"
    )
    assert "train needs JAX: pip install jax" in error
    monkeypatch.undo()
    missing = tmp_path / "missing.npz"
    error = command_error(
        capsys,
        MODULE,
        "import",
        f"--weights={missing}",
        f"--run_dir={tmp_path / 'run'}",
    )
    assert str(tmp_path / "options.json") in error


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a.pop("train/masks"), "has no train split"),
        (lambda a: a.update({"train/keypoints": np.zeros((3, 18, 3))}), "needed"),
        (lambda a: a.update({"train/pairs": np.zeros((0, 2), int)}), "no pairs"),
        (
            lambda a: a.update({"train/jpeg": a["train/jpeg"][::-1]}),
            "cannot be decoded",
        ),
    ],
)
def test_damaged_data_is_refused(tmp_path, packed, damage, message):
    arrays = dict(np.load(packed))
    damage(arrays)
    path = tmp_path / "damaged.npz"
    np.savez(path, **arrays)
    with pytest.raises(pairs.InputError, match=message):
        pairs.load(path, "train")
    path.write_bytes(b"nothing")
    with pytest.raises(pairs.InputError, match=r"not a readable \.npz"):
        pairs.load(path, "train")
