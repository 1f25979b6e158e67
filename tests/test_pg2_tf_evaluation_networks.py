"""Scores of the command that look through networks, against the metrics themselves."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from pg2_tf_helpers import command_error, make_run, run_command
from pg2_tf_metrics_helpers import alexnet_weights, frozen_graph, linear_weights
from preprocessing_estimation_helpers import box_model

from pg2_tf.data.dataset import read_split
from pg2_tf.evaluation.metrics import images as image_metrics
from pg2_tf.evaluation.metrics.distributions import (
    Statistics,
    frechet_distance,
    inception_score,
    kernel_distance,
)
from pg2_tf.evaluation.metrics.inception import Inception
from pg2_tf.evaluation.metrics.lpips import Lpips
from pg2_tf.evaluation.metrics.pose_accuracy import PoseAccuracy
from preprocessing.images import image_files as images
from preprocessing.images.heatmaps import draw_mask
from preprocessing.system import files

MODULE = "pg2_tf.evaluate"
_PAIRS = 12
# Changes of statistics, the metric, and part of the error.
STATISTICS = [
    ({"features": None}, "kid", "has no array features"),
    ({"mu": None}, "fid", "has no array mu; needed: mu, sigma"),
    ({"sigma": np.ones(16)}, "fid", "needed are mu [C] and sigma [C, C], found"),
    ({"mu": np.full(16, np.nan)}, "fid", "not finite numbers"),
    ({"inception": np.array("abc")}, "fid", "statistics of another Inception"),
    ({"mu": np.array([print] * 16)}, "fid", "not a readable .npz of arrays"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Small or random networks in place of those that others trained, by flag."""
    place = tmp_path_factory.mktemp("networks")
    paths = {
        "inception_graph": place / "graph.pb",
        "lpips_alexnet": place / "alexnet.npz",
        "lpips_linear": place / "linear.npz",
        "pose_model": place / "box.tflite",
    }
    paths["inception_graph"].write_bytes(frozen_graph())
    np.savez(paths["lpips_alexnet"], **alexnet_weights())
    np.savez(paths["lpips_linear"], **linear_weights())
    paths["pose_model"].write_bytes(box_model())
    return paths


def flags_of(run, data, out, **more):
    named = {"split": "train", "num_pairs": _PAIRS, "out": out, **more}
    flags = [f"--{name}={value}" for name, value in named.items()]
    return [f"--run_dir={run}", f"--data_dir={data}", *flags]


def test_scores_are_those_of_the_networks_given(
    capsys, tmp_path, run, people_dir, networks
):
    more = {"metrics": "is,mask_is,fid,kid,lpips,pckh", "save_images": True, **networks}
    flags = flags_of(run, people_dir, tmp_path, **more)
    result = run_command(capsys, MODULE, *flags)
    assert result.status == 0, result.err
    content = json.loads((tmp_path / "scores.json").read_text())
    table = pd.read_csv(tmp_path / "pairs.csv")
    split = read_split(people_dir, "train", image_size=(32, 32))
    keypoints = dict(zip(split.names, split.keypoints, strict=True))
    poses = np.stack([keypoints[name] for name in table["to"]])
    made, targets = (saved(tmp_path, table, name) for name in ("refined", "target"))

    inception = Inception.load(networks["inception_graph"])
    pool, probabilities = inception.features(made)
    inside = [draw_mask(pose, size=(32, 32)) for pose in poses]
    masked = [image_metrics.masked(*pair) for pair in zip(made, inside, strict=True)]
    alone = inception.features(np.stack(masked))[1]
    scores = content["means"]["refined"]
    assert scores["is"] == pytest.approx(inception_score(probabilities)[0], rel=1e-5)
    assert scores["mask_is"] == pytest.approx(inception_score(alone)[0], rel=1e-5)
    of_made, of_targets = Statistics(), Statistics()
    of_made.update(pool)
    of_targets.update(inception.features(targets)[0])
    expected = frechet_distance(of_made, of_targets)
    assert scores["fid"] == pytest.approx(expected, rel=1e-4)

    distance, spread = kernel_distance(pool, inception.features(targets)[0], seed=0)
    assert scores["kid"] == pytest.approx(distance, rel=1e-4)
    assert content["std"]["refined"]["kid"] == pytest.approx(spread, rel=1e-2, abs=1e-9)
    assert "fid" not in content["means"]["target"]

    lpips = Lpips.load(networks["lpips_alexnet"], networks["lpips_linear"])
    np.testing.assert_allclose(table["refined_lpips"], lpips(made, targets), rtol=1e-4)
    measure = PoseAccuracy.load(networks["pose_model"])
    correct, counted = measure.correct(made, poses)
    share = correct.sum(axis=1) / counted.sum(axis=1)
    np.testing.assert_allclose(table["refined_pckh"], share)

    recorded = json.dumps(content)
    for path in networks.values():
        assert files.sha256(path) in recorded, path


def saved(place, table, name):
    """Returns the images that the command wrote, in the order of its table."""
    paths = sorted((place / "images" / name).rglob("*.png"))
    assert len(paths) == len(table)
    return np.stack([images.read(path) for path in paths])


def test_precomputed_statistics_give_the_same_distances(
    capsys, tmp_path, run, people_dir, networks
):
    """FID and KID of images, of statistics written of them, and of others' format."""
    graph = networks["inception_graph"]
    saved_to = tmp_path / "real.npz"

    def scores_with(name, *more, metrics="fid,kid"):
        given = {"metrics": metrics, "inception_graph": graph}
        flags = flags_of(run, people_dir, tmp_path / name, **given)
        result = run_command(capsys, MODULE, *flags, *more)
        assert result.status == 0, result.err
        return json.loads((tmp_path / name / "scores.json").read_text())

    images = scores_with(
        "images", "--fid_reference=train", f"--save_statistics={saved_to}"
    )
    again = scores_with("statistics", f"--fid_reference={saved_to}")
    assert again["means"] == images["means"]
    assert again["fid_reference_checksum"] == files.sha256(saved_to)
    with np.load(saved_to) as content:
        arrays = {name: content[name] for name in content.files}
    assert arrays["features"].shape == (12, 16)
    np.testing.assert_allclose(arrays["mu"], arrays["features"].mean(axis=0), rtol=1e-5)
    covariance = np.cov(arrays["features"], rowvar=False)
    np.testing.assert_allclose(arrays["sigma"], covariance, rtol=1e-4, atol=1e-9)

    # As pytorch-fid writes them: mu and sigma alone.
    other = tmp_path / "other.npz"
    np.savez(other, mu=arrays["mu"], sigma=arrays["sigma"])
    alone = scores_with("other", f"--fid_reference={other}", metrics="fid")
    fid = alone["means"]["refined"]["fid"]
    assert fid == pytest.approx(images["means"]["refined"]["fid"], rel=1e-9)


def test_statistics_that_would_fill_the_memory_are_refused(
    capsys, tmp_path, run, people_dir, networks, monkeypatch
):
    path = tmp_path / "real.npz"
    np.savez_compressed(path, mu=np.zeros(16), sigma=np.zeros((1000, 1000)))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(files, "_MOST_BYTES", 10**6)
    given = {"metrics": "fid", "inception_graph": networks["inception_graph"]}
    flags = flags_of(run, people_dir, tmp_path / "out", **given)
    error = command_error(capsys, MODULE, *flags, f"--fid_reference={path}")
    assert f"{path}: its arrays take more than 2 GiB" in error
    # An array that declares more numbers than the file has.
    whole = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        header = b"\x93NUMPY\x01\x00v\x00"
        fields = "{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,), }"
        archive.writestr("mu.npy", header + fields.ljust(117).encode() + b"\n")
    assert path.read_bytes() != whole
    error = command_error(capsys, MODULE, *flags, f"--fid_reference={path}")
    assert f"{path}: not a readable .npz of arrays" in error


@pytest.mark.parametrize(("change", "metrics", "expected"), STATISTICS)
def test_statistics_that_do_not_fit_are_refused(
    capsys, tmp_path, run, people_dir, networks, change, metrics, expected
):
    arrays = {
        "mu": np.zeros(16),
        "sigma": np.eye(16),
        "features": np.zeros((3, 16), np.float32),
        **change,
    }
    path = tmp_path / "real.npz"
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    given = {"metrics": metrics, "inception_graph": networks["inception_graph"]}
    flags = flags_of(run, people_dir, tmp_path / "out", **given)
    error = command_error(capsys, MODULE, *flags, f"--fid_reference={path}")
    assert error.startswith(f"error: {path}: ") or f"{path}: " in error
    assert expected in error
    assert not (tmp_path / "out").exists()


def test_lpips_needs_both_files(capsys, tmp_path, run, people_dir, networks):
    only = {"metrics": "lpips", "lpips_alexnet": networks["lpips_alexnet"]}
    line = command_error(
        capsys, MODULE, *flags_of(run, people_dir, tmp_path / "out", **only)
    )
    assert "--lpips_linear" in line
    assert not (tmp_path / "out").exists()


def test_another_network_ends_before_anything_is_written(
    capsys, tmp_path, run, people_dir, networks
):
    other = {"metrics": "is", "inception_graph": networks["pose_model"]}
    line = command_error(
        capsys, MODULE, *flags_of(run, people_dir, tmp_path / "out", **other)
    )
    assert str(networks["pose_model"]) in line
    assert not (tmp_path / "out").exists()
