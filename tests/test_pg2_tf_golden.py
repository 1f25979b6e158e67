"""One pass against what the authors' own code computes, on its own weights."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import golden_model

from pg2_tf.model import presets
from pg2_tf.model.losses import cross_entropy
from pg2_tf.model.networks import Networks, build_networks, generate
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.training.pg2 import PG2

# Their true gradient is 0: batch normalisation follows.
_NO_GRADIENT = {f"Discriminator.{i}/Discriminator.{i}.Biases" for i in (2, 3, 4)}


class Golden(NamedTuple):
    """The authors' numbers and our networks with their weights."""

    forward: Any
    networks: Networks
    weights: dict[str, Any]
    stage1: PG2
    stage2: PG2
    batch: dict[str, tf.Tensor]


@pytest.fixture(scope="module")
def golden(shared) -> Golden:
    _, stage1, stage2, weights, batch, forward = golden_model(shared)
    return Golden(forward, stage2.networks(), weights, stage1, stage2, batch)


@pytest.fixture(scope="module")
def made(golden) -> dict[str, tf.Tensor]:
    return generate(golden.networks, golden.forward["x"], golden.forward["pose_target"])


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance"),
    [("coarse", "G1", 2e-5), ("difference", "DiffMap", 5e-6), ("refined", "G2", 2e-5)],
)
def test_generators_make_the_authors_images(golden, made, ours, theirs, tolerance):
    np.testing.assert_allclose(
        made[ours], golden.forward[theirs], rtol=0, atol=tolerance
    )


def test_discriminator_gives_the_authors_logits(golden):
    forward = golden.forward
    order = ("x_target", "x", "G1", "G2")
    scored = np.concatenate([forward[name] for name in order])
    logits = golden.networks.discriminator(scored)
    np.testing.assert_allclose(logits, forward["D_z"], rtol=0, atol=1e-4)
    real, fake, _, refined = np.split(np.array(logits), 4)
    for ours, label, theirs in (
        (real, 1, "ce_real"),
        (fake, 0, "ce_x_fake"),
        (refined, 0, "ce_g2_fake"),
        (refined, 1, "g_adv"),
    ):
        loss = float(cross_entropy(tf.constant(ours), label))
        assert loss == pytest.approx(float(forward[theirs]), rel=1e-4)


def test_losses_are_the_authors(golden):
    forward = golden.forward
    first = golden.stage1.losses_of(golden.batch)
    assert set(first) == {"masked_l1"}
    assert float(first["masked_l1"]) == pytest.approx(float(forward["g_loss1"]), 1e-4)
    second = golden.stage2.losses_of(golden.batch)
    for ours, theirs in (
        ("generator", "g_loss2"),
        ("masked_l1", "L1Loss2"),
        ("adversarial", "g_adv"),
        ("discriminator", "d_loss"),
    ):
        assert float(second[ours]) == pytest.approx(float(forward[theirs]), 1e-4)


@pytest.mark.parametrize(
    ("tag", "stage", "loss"),
    [
        ("g1", "stage1", "masked_l1"),
        ("g2", "stage2", "generator"),
        ("d", "stage2", "discriminator"),
    ],
)
def test_gradients_are_the_authors(golden, shared, tag, stage, loss):
    theirs = np.load(shared / "golden" / "market_h16" / "grads.npz")
    names = [str(name) for name in theirs[f"gradnames_{tag}"]]
    norms = dict(zip(names, theirs[f"gradnorm_{tag}"], strict=True))
    trained = {
        "g1": golden.networks.generator1,
        "g2": golden.networks.generator2,
        "d": golden.networks.discriminator,
    }[tag]
    assert len(names) == len(trained.trainable_variables)
    with tf.GradientTape() as tape:
        value = getattr(golden, stage).losses_of(golden.batch)[loss]
    ours = tape.gradient(value, {name: golden.weights[name].value for name in names})
    for name in set(names) - _NO_GRADIENT:
        gradient = ours[name].numpy()
        if name.endswith("Output.W"):  # The authors flatten C, H, W.
            gradient = gradient.reshape(8, 4, 512).transpose(2, 0, 1).reshape(-1, 1)
        norm = norms[name]
        assert np.linalg.norm(gradient) == pytest.approx(norm, rel=1e-3), name
        if f"grad_{tag}:{name}" in theirs:
            error = np.linalg.norm(gradient - theirs[f"grad_{tag}:{name}"])
            # One activation that is 0 up to noise moves a gradient by this much.
            assert error < 2e-3 * norm, (name, error / norm)


def test_heatmaps_are_the_authors_bit_for_bit(shared, golden):
    forward = golden.forward
    drawn = PoseHeatmaps((128, 64))(forward["keypoints_target"])
    np.testing.assert_array_equal(drawn, forward["pose_target"])
    theirs = np.load(shared / "golden" / "preprocessing.npz")
    for size in ((128, 64), (256, 256)):
        name = "{}x{}".format(*size)
        drawn = np.array(PoseHeatmaps(size)(theirs[f"keypoints_{name}"]))
        np.testing.assert_array_equal(drawn, 2.0 * theirs[f"heatmap_{name}"] - 1)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("market1501", (70_795_075, 6_058_883, 4_324_737)),
        ("deepfashion", (122_103_235, 12_696_067, 10_896_257)),
    ],
)
def test_full_networks_have_the_authors_number_of_parameters(dataset, expected):
    model = presets.preset(dataset, profile="authors").model
    with tf.Graph().as_default():  # Without memory for the weights.
        networks = build_networks(model, stage=2)
    counts = tuple(
        sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
        for network in networks
    )
    assert counts == expected
