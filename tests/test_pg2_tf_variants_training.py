"""The models of the paper's Table 1: trained on tiny data, loaded and served."""

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    command_error,
    copies,
    make_run,
    metrics,
    random_poses,
    run_command,
    tiny_config,
    train,
)

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.config import VARIANTS
from pg2_tf.model.networks import build_networks
from pg2_tf.serving.saved_model import export_saved_model
from pg2_tf.training.callbacks import Cadence

ONE_STAGE = [name for name, variant in VARIANTS.items() if variant.stages == (1,)]


@pytest.fixture(scope="module")
def runs(people_dir, tmp_path_factory):
    """A run of each one-stage variant, six times through the data."""
    place = tmp_path_factory.mktemp("variants")
    every = Cadence(log_every=6, sample_every=0, validate_every=0, checkpoint_every=36)
    options = {"every": every, "learning_rate": 3e-3}
    for name in ONE_STAGE:
        assert train(place / name, people_dir, 1, 36, variant=name, **options) == 36
    return place


@pytest.mark.parametrize("variant", ONE_STAGE)
def test_loss_falls(runs, variant):
    rows = metrics(runs / variant, 1)
    recipe = VARIANTS[variant]
    names = {recipe.reconstruction}
    if recipe.adversarial:
        names |= {"generator", "adversarial", "discriminator"}
    assert set(rows[0]) == {"step", *names}
    values = [row[recipe.reconstruction] for row in rows]
    assert len(values) == 6
    assert values[-1] < 0.95 * values[0]


@pytest.mark.parametrize("variant", ONE_STAGE)
def test_trained_model_puts_people_into_poses(runs, variant, tmp_path):
    model = PoseTransfer.load(runs / variant)
    assert (model.stage, model.step) == (1, 36)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    poses = random_poses(2)
    made = model(images, poses)
    assert list(made) == ["coarse"]
    assert not np.array_equal(made["coarse"], model(images, poses[::-1])["coarse"])
    place = export_saved_model(model, tmp_path, version=1)
    loaded = tf.saved_model.load(str(place))
    served = loaded.signatures["serving_default"](
        image=tf.constant(images), keypoints=tf.constant(poses)
    )
    assert list(served) == ["coarse"]
    difference = np.abs(served["coarse"].numpy().astype(int) - made["coarse"])
    assert difference.max() <= 1
    _, raw = loaded.signatures["raw"].structured_input_signature
    pose = "keypoints" if variant == "G1-CE-L1" else "heatmaps"
    assert set(raw) == {"image", pose}
    (png,) = loaded.signatures["encoded"].structured_outputs
    assert png == "coarse_png"


def test_one_stage_models_differ_in_what_the_paper_says_alone(runs):
    """The same first weights, trained by different losses."""
    start = build_networks(tiny_config().model, stage=1).generator1
    weights = [
        copies(PoseTransfer.load(runs / name).networks.generator1.weights)
        for name in ("G1-L1", "G1-poseMaskLoss", "G1+D")
    ]
    for one in weights:
        for old, new in zip(copies(start.weights), one, strict=True):
            assert old.shape == new.shape
            assert not np.array_equal(old, new)
    assert not np.array_equal(weights[0][0], weights[1][0])
    assert not np.array_equal(weights[1][0], weights[2][0])


def test_all_stages_of_a_variant_train_one_after_the_other(
    people_dir, tmp_path, capsys
):
    flags = ["--dataset=tiny", f"--data_dir={people_dir}", "--steps=2"]
    flags += ["--log_every=1", "--validate_every=0"]
    together, apart = tmp_path / "together", tmp_path / "apart"
    done = run_command(capsys, "pg2_tf.train", *flags, f"--run_dir={together}")
    assert done.status == 0, done
    assert "stage1: done, 2 steps" in done.out
    assert "stage2: done, 2 steps" in done.out
    for stage in (1, 2):
        run_command(
            capsys, "pg2_tf.train", *flags, f"--run_dir={apart}", f"--stage={stage}"
        )
        assert metrics(together, stage) == metrics(apart, stage)
    for one, other in zip(
        PoseTransfer.load(together).networks[:2],
        PoseTransfer.load(apart).networks[:2],
        strict=True,
    ):
        for a, b in zip(copies(one.weights), copies(other.weights), strict=True):
            np.testing.assert_array_equal(a, b)


def test_variant_goes_on_without_being_named_and_no_other_takes_its_place(
    runs, people_dir, capsys
):
    run = runs / "G1-CE-L1"
    flags = ["--dataset=tiny", f"--data_dir={people_dir}", f"--run_dir={run}"]
    flags += ["--steps=36", "--learning_rate=3e-3"]
    done = run_command(capsys, "pg2_tf.train", *flags)
    assert "variant G1-CE-L1" in done.out
    assert "stage1: done, 36 steps" in done.out
    error = command_error(capsys, "pg2_tf.train", *flags, "--variant=G1-L1")
    assert "variant G1-CE-L1, not G1-L1" in error
    shown = run_command(
        capsys, "pg2_tf.train", "--dataset=tiny", "--variant=G1+D", "--dry_run"
    )
    assert "run runs/tiny-G1+D" in shown.out


def test_export_serves_the_last_stage_of_the_variant(runs, tmp_path, capsys):
    flags = [f"--run_dir={runs / 'G1+D'}", f"--out={tmp_path / 'out'}"]
    done = run_command(capsys, "pg2_tf.export", *flags)
    assert done.status == 0, done
    assert "stage 1, step 36" in done.out
    half = make_run(tmp_path / "half", stages=(1,))
    flags = [f"--run_dir={half}", f"--out={tmp_path / 'none'}"]
    assert "stage 2 is not trained yet" in command_error(
        capsys, "pg2_tf.export", *flags
    )
