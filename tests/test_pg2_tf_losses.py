"""The losses against their formulas in numpy, and both profiles' adversaries."""

import numpy as np
import pytest
import tensorflow as tf

from pg2_tf.model import losses, presets
from pg2_tf.model.config import PROFILES, RunConfig
from pg2_tf.model.steps import make_step


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
    preset = presets.preset(dataset, profile=profile)
    run = RunConfig(dataset, profile, preset.model)
    step = make_step({}, run, preset.stage2)
    assert list(step.judged) == scored
    assert step.takes_two_batches is own_batch
    assert preset.model.discriminator_input == (
        "pair" if profile == "paper" else "image"
    )
    rng = np.random.default_rng(4)
    logits = {name: rng.normal(size=5) for name in scored}
    loss = float(step.discriminator_loss(logits))
    assert loss == pytest.approx(loss_by_hand(logits, discriminator))
    loss = float(step.adversarial_loss(logits))
    assert loss == pytest.approx(loss_by_hand(logits, generator))


def test_feature_matching_is_the_mean_over_layers_of_mean_differences():
    rng = np.random.default_rng(1)
    real, fake = ([rng.normal(size=(2, n)) for n in (3, 5)] for _ in range(2))
    variables = [tf.Variable(each, dtype=tf.float32) for each in (*real, *fake)]
    with tf.GradientTape() as tape:
        loss = losses.feature_matching(variables[:2], variables[2:])
    expected = np.mean([np.abs(r - f).mean() for r, f in zip(real, fake, strict=True)])
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    gradients = tape.gradient(loss, variables)
    assert gradients[:2] == [None, None]
    assert all(np.abs(each).min() > 0 for each in gradients[2:])


def test_presets_hold_the_numbers_of_paper_and_released_code():
    numbers = {}
    for dataset in ("market1501", "deepfashion"):
        for profile in PROFILES:
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
        ("market1501", "paper"): (22000, 14000, 16, 16, 10, (128, 64), "all", 5),
        ("market1501", "authors"): (22000, 38000, 16, 16, 10, (128, 64), "inner", 5),
        ("deepfashion", "paper"): (30000, 20000, 8, 8, 50, (256, 256), "all", 6),
        ("deepfashion", "authors"): (22000, 58000, 1, 1, 50, (256, 256), "all", 6),
    }
