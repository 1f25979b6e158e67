"""The command that makes a run folder of an authors' checkpoint."""

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import command_error, random_poses, run_command
from test_pg2_tf_authors import random_values, variables_of, write

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.runs.run_folder import RunFolder

_MODULE = "pg2_tf.import_authors"


@pytest.fixture(scope="module")
def values():
    return random_values(variables_of("deepfashion", width=8, z=5, d_width=16))


@pytest.fixture(scope="module")
def checkpoint(values, tmp_path_factory):
    return write(tmp_path_factory.mktemp("authors") / "model.ckpt-7", values)


def test_deepfashion_checkpoint_becomes_a_run_folder(checkpoint, tmp_path, capsys):
    run = tmp_path / "run"
    flags = [f"--checkpoint={checkpoint}", "--dataset=deepfashion", f"--out={run}"]
    result = run_command(capsys, _MODULE, *flags)
    assert result.status == 0, result
    assert "width 8, bottleneck 5, discriminator width 16" in result.out
    config = RunFolder(run).require_config()
    assert (config.dataset, config.profile) == ("deepfashion", "authors")
    model = config.model
    assert (model.width, model.bottleneck, model.discriminator_width) == (8, 5, 16)
    assert (model.generator2_skips, model.image_size) == ("all", (256, 256))
    assert (model.num_discriminator_layers, model.discriminator_input) == (5, "image")
    loaded = PoseTransfer.load(run)
    assert loaded.stage == 2
    photo = np.zeros((1, 256, 256, 3), np.uint8)
    made = loaded(photo, random_poses(1, size=(256, 256)))
    assert made["refined"].shape == photo.shape
    assert "is a run folder already" in command_error(capsys, _MODULE, *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--checkpoint is needed"),
        (["--checkpoint=nowhere"], "--dataset is needed"),
        (["--checkpoint=nowhere", "--dataset=deepfashion"], "--out is needed"),
    ],
)
def test_missing_flags_are_named(flags, message, capsys):
    assert message in command_error(capsys, _MODULE, *flags)


def refused(capsys, checkpoint, tmp_path, *flags, dataset="deepfashion"):
    """Imports what must be refused, leaving nothing; returns the error."""
    run = tmp_path / "refused"
    error = command_error(
        capsys,
        _MODULE,
        f"--checkpoint={checkpoint}",
        f"--dataset={dataset}",
        f"--out={run}",
        *flags,
    )
    assert not run.exists()
    return error


def test_other_width_and_other_data_set_are_refused(checkpoint, tmp_path, capsys):
    error = refused(capsys, checkpoint, tmp_path, "--width=16")
    assert "--width=16: the checkpoint's is 8" in error
    error = refused(capsys, checkpoint, tmp_path, dataset="market1501")
    assert "has the shape" in error
    assert "Pose_AE/G/" in error


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_file_that_is_no_checkpoint_is_named(content, tmp_path, capsys):
    path = tmp_path / "model.ckpt-0"
    if content is not None:
        path.with_name("model.ckpt-0.index").write_bytes(content)
    error = refused(capsys, path, tmp_path)
    assert str(path) in error


@pytest.mark.parametrize(
    "name",
    [
        "Pose_AE/G/Conv/weights",
        "Pose_AE/G/Conv_17/biases",
        "Pose_AE/G/fully_connected_1/weights",
        "UAEnoFC/G/Conv_3/weights",
        "Discriminator.BN5.offset",
        "Discriminator.1/Discriminator.1.Filters",
        "Discriminator.Output/Discriminator.Output.b",
    ],
)
def test_missing_variable_is_named(name, values, tmp_path, capsys):
    rest = {key: value for key, value in values.items() if key != name}
    error = refused(capsys, write(tmp_path / "m", rest), tmp_path)
    assert f"has no variable {name}" in error


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Pose_AE/G/Conv_3/weights", (3, 3, 8, 17)),
        ("UAEnoFC/G/Conv_15/biases", (9,)),
        ("Discriminator.BN3.scale", (1,)),
        ("Discriminator.Output/Discriminator.Output.W", (100, 1)),
    ],
)
def test_variable_of_another_shape_is_named(name, shape, values, tmp_path, capsys):
    changed = {**values, name: np.zeros(shape, np.float32)}
    error = refused(capsys, write(tmp_path / "m", changed), tmp_path)
    assert f"{name} has the shape {list(shape)}, needed" in error


def test_cut_checkpoint_is_an_error_of_one_line(values, tmp_path, capsys):
    path = write(tmp_path / "m", values)
    data = tmp_path / "m.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:5000])
    assert "cannot be read" in refused(capsys, path, tmp_path)


def test_golden_checkpoint_makes_the_authors_images_and_is_exported(
    shared, tmp_path, capsys
):
    golden = shared / "golden" / "market_h16"
    run, out = tmp_path / "run", tmp_path / "out"
    result = run_command(
        capsys,
        _MODULE,
        f"--checkpoint={golden / 'model.ckpt-0'}",
        "--dataset=market1501",
        "--width=16",
        f"--out={run}",
    )
    assert result.status == 0, result
    forward = np.load(golden / "forward.npz")
    photos = np.round((forward["x"] + 1) * 127.5)
    exact = np.abs(photos / 127.5 - 1 - forward["x"]).max() < 1e-5
    model = PoseTransfer.load(run)
    made = model(photos.astype(np.uint8), forward["keypoints_target"])
    if exact:
        error = np.abs(made["refined"] - forward["G2_denorm"])
        assert error.max() < 0.51
    result = run_command(capsys, "pg2_tf.export", f"--run_dir={run}", f"--out={out}")
    assert result.status == 0, result
    loaded = tf.saved_model.load(str(out / "1"))
    raw = loaded.signatures["raw"](
        image=tf.constant(forward["x"]), heatmaps=tf.constant(forward["pose_target"])
    )
    np.testing.assert_allclose(raw["refined"], forward["G2"], rtol=0, atol=2e-5)
