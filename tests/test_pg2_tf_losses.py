"""The losses against their formulas in numpy, and both profiles' adversaries."""

import numpy as np
import pytest
import tensorflow as tf

from pg2_tf.model import losses, presets
from pg2_tf.model.config import RunConfig, Term


def images(seed):
    rng = np.random.default_rng(seed)
    image, target = rng.normal(size=(2, 3, 5, 4, 3))
    return image, target, (rng.random((3, 5, 4, 1)) < 0.4).astype(float)


def test_l1_is_the_mean_absolute_difference():
    image, target, _ = images(0)
    total = sum(abs(a - b) for a, b in zip(image.flat, target.flat, strict=True))
    assert float(losses.l1(image, target)) == pytest.approx(total / image.size)


def test_masked_l1_counts_errors_on_the_mask_twice():
    image, target, mask = images(1)
    total = 0.0
    for index in np.ndindex(image.shape):
        weight = 1 + mask[(*index[:3], 0)]
        total += abs(image[index] - target[index]) * weight
    loss = losses.masked_l1(*map(tf.constant, (image, target, mask)))
    assert float(loss) == pytest.approx(total / image.size)


def test_masked_l1_with_an_empty_and_a_full_mask():
    image, target, _ = images(2)
    plain = float(losses.l1(image, target))
    for value in (0, 1):
        mask = np.full((3, 5, 4, 1), float(value))
        loss = float(losses.masked_l1(image, target, mask))
        assert loss == pytest.approx((1 + value) * plain)


@pytest.mark.parametrize("label", [0, 1, 0.3])
def test_cross_entropy_follows_its_definition(label):
    logits = np.linspace(-8, 8, 33)
    real = 1 / (1 + np.exp(-logits))
    expected = -np.mean(label * np.log(real) + (1 - label) * np.log(1 - real))
    loss = float(losses.cross_entropy(tf.constant(logits), label))
    assert loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("logit", "label", "expected", "slope"),
    [(100, 1, 0, 0), (100, 0, 100, 1), (-100, 0, 0, 0), (-100, 1, 100, -1)],
)
def test_cross_entropy_is_stable_far_out(logit, label, expected, slope):
    logits = tf.constant([float(logit)])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.cross_entropy(logits, label)
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    assert float(tape.gradient(loss, logits)[0]) == pytest.approx(slope, abs=1e-6)


def test_adversarial_loss_is_the_weighted_sum_of_its_terms():
    logits = {"a": tf.constant([0.5, -2.0]), "b": tf.constant([1.0])}
    loss = float(losses.adversarial(logits, [Term("a", 1, 0.5), Term("b", 0, 3.0)]))
    a = np.mean(np.log1p(np.exp([-0.5, 2.0])))
    assert loss == pytest.approx(0.5 * a + 3 * np.log1p(np.e))


def loss_by_hand(logits, terms):
    """Sums -w log p over terms (image, label, weight)."""
    total = 0.0
    for image, label, weight in terms:
        probability = 1 / (1 + np.exp(-logits[image]))
        total -= weight * np.mean(np.log(probability if label else 1 - probability))
    return total


@pytest.mark.parametrize(
    ("dataset", "profile", "scored", "own_batch", "discriminator", "generator"),
    [
        (
            "market1501",
            "paper",
            ["target", "refined"],
            False,
            [("target", 1, 1), ("refined", 0, 1)],
            [("refined", 1, 1)],
        ),
        (
            "deepfashion",
            "paper",
            ["target", "refined"],
            False,
            [("target", 1, 1), ("refined", 0, 1)],
            [("refined", 1, 1)],
        ),
        (
            "market1501",
            "authors",
            ["target", "source", "coarse", "refined"],
            True,
            [("target", 1, 0.5), ("source", 0, 0.25), ("refined", 0, 0.25)],
            [("refined", 1, 1)],
        ),
        (
            "deepfashion",
            "authors",
            ["target", "refined", "source"],
            True,
            [("target", 1, 0.5), ("source", 0, 0.25), ("refined", 0, 0.25)],
            [("refined", 1, 0.5), ("source", 1, 0.5)],
        ),
    ],
)
def test_adversary_is_the_papers_or_the_released_codes(
    dataset, profile, scored, own_batch, discriminator, generator
):
    model = presets.preset(dataset, profile=profile).model
    adversary = presets.adversary(RunConfig(dataset, profile, model))
    assert sorted(adversary.scored) == sorted(scored)
    assert adversary.own_batch is own_batch
    assert model.discriminator_input == ("pair" if profile == "paper" else "image")
    rng = np.random.default_rng(4)
    logits = {name: rng.normal(size=5) for name in scored}
    for terms, expected in (
        (adversary.discriminator_terms, discriminator),
        (adversary.generator_terms, generator),
    ):
        loss = float(losses.adversarial(logits, terms))
        assert loss == pytest.approx(loss_by_hand(logits, expected))


def test_presets_hold_the_numbers_of_paper_and_released_code():
    numbers = {}
    for dataset in ("market1501", "deepfashion"):
        for profile in presets.PROFILES:
            preset = presets.preset(dataset, profile=profile)
            for stage in (preset.stage1, preset.stage2):
                assert stage.learning_rate == 2e-5
                assert (stage.beta_1, stage.beta_2) == (0.5, 0.999)
            numbers[dataset, profile] = (
                preset.stage1.steps,
                preset.stage2.steps,
                preset.stage1.batch_size,
                preset.stage2.batch_size,
                preset.stage2.l1_weight,
                preset.model.image_size,
                preset.model.generator2_skips,
                preset.model.num_blocks,
            )
    assert numbers == {
        ("market1501", "paper"): (22000, 14000, 16, 16, 10, (128, 64), "inner", 5),
        ("market1501", "authors"): (22000, 38000, 16, 16, 10, (128, 64), "inner", 5),
        ("deepfashion", "paper"): (30000, 20000, 8, 8, 50, (256, 256), "all", 6),
        ("deepfashion", "authors"): (22000, 58000, 1, 1, 50, (256, 256), "all", 6),
    }
