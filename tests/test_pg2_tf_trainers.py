"""The two trainers: which weights a step changes, and by how much."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    copies,
    network_batch,
    random_networks,
    same,
    tiny_config,
)

from pg2_tf.model import losses, presets
from pg2_tf.training.stage1 import Stage1Trainer
from pg2_tf.training.stage2 import Stage2Trainer


def adam():
    return keras.optimizers.Adam(1e-3, 0.5, 0.999, epsilon=1e-8)


def stage1():
    trainer = Stage1Trainer(random_networks(tiny_config().model, stage=1).generator1)
    trainer.compile(optimizer=adam())
    return trainer


def stage2(profile="paper", *, l1_weight=10.0):
    config = tiny_config(profile)
    networks = random_networks(config.model)
    adversary = presets.adversary(config)
    trainer = Stage2Trainer(*networks, adversary=adversary, l1_weight=l1_weight)
    trainer.compile(generator_optimizer=adam(), discriminator_optimizer=adam())
    return trainer


def weights_of(trainer):
    return {
        "g1": copies(trainer.generator1.weights),
        "g2": copies(trainer.generator2.weights),
        "d": copies(trainer.discriminator.weights),
        "d_trainable": copies(trainer.discriminator.trainable_weights),
    }


def close(one, other, tolerance=1e-6):
    return all(
        np.abs(a - b).max() <= tolerance for a, b in zip(one, other, strict=True)
    )


def test_stage_1_learns_a_batch():
    trainer, batch = stage1(), network_batch()
    step = tf.function(trainer.train_step)
    values = [float(step(batch)["masked_l1"]) for _ in range(30)]
    assert values[-1] < 0.9 * values[0]
    assert float(trainer.losses_of(batch)["masked_l1"]) < 1.02 * values[-1]


def test_stage_1_reports_the_loss_before_its_step():
    trainer, batch = stage1(), network_batch()
    before = float(trainer.losses_of(batch)["masked_l1"])
    assert float(trainer.train_step(batch)["masked_l1"]) == pytest.approx(before)
    assert float(trainer.losses_of(batch)["masked_l1"]) < before


def test_first_step_of_adam_moves_each_weight_by_the_learning_rate():
    trainer, batch = stage1(), network_batch()
    old = copies(trainer.generator1.weights)
    with tf.GradientTape() as tape:
        loss = trainer.losses_of(batch)["masked_l1"]
    gradients = tape.gradient(loss, trainer.generator1.trainable_variables)
    trainer.train_step(batch)
    for before, after, gradient in zip(
        old, copies(trainer.generator1.weights), gradients, strict=True
    ):
        g = np.array(gradient)
        expected = before - 1e-3 * g / (np.abs(g) + 1e-8 / np.sqrt(1 - 0.999))
        clear = np.abs(g) > 1e-6
        np.testing.assert_allclose(after[clear], expected[clear], atol=2e-5)


def test_stage_2_learns_and_leaves_its_first_generator_alone():
    trainer, batch = stage2(), network_batch()
    old = weights_of(trainer)
    step = tf.function(trainer.train_step)
    values = [step(batch) for _ in range(25)]
    assert float(values[-1]["generator"]) < float(values[0]["generator"])
    assert float(values[-1]["masked_l1"]) < float(values[0]["masked_l1"])
    new = weights_of(trainer)
    assert same(old["g1"], new["g1"])
    for name in ("g2", "d"):
        assert not any(
            np.array_equal(a, b) for a, b in zip(old[name], new[name], strict=True)
        )


def test_discriminator_learns_against_a_generator_that_stands_still():
    trainer, batch = stage2(), network_batch()
    step = tf.function(trainer.train_discriminator)
    values = [float(step(batch)["discriminator"]) for _ in range(25)]
    assert values[-1] < 0.8 * values[0]


def test_losses_are_what_the_paper_says():
    trainer, batch = stage2(l1_weight=7.0), network_batch()
    values = {key: float(value) for key, value in trainer.losses_of(batch).items()}
    inputs = {"source": batch["source"], "heatmaps": batch["heatmaps"]}
    coarse = trainer.generator1(inputs)
    difference = trainer.generator2({"coarse": coarse, "source": batch["source"]})
    refined = coarse + difference
    # One batch of (image, source) pairs: batch statistics go over real and made.
    pairs = [
        tf.concat([image, batch["source"]], -1) for image in (batch["target"], refined)
    ]
    real, made = np.split(trainer.discriminator(tf.concat(pairs, 0)).numpy(), 2)
    error = np.abs(refined - batch["target"])
    masked_l1 = np.mean(error * (1 + batch["mask"]))
    adversarial = np.mean(np.log1p(np.exp(-made)))
    discriminator = np.mean(np.log1p(np.exp(-real))) + np.mean(np.log1p(np.exp(made)))
    assert values == pytest.approx(
        {
            "generator": adversarial + 7 * masked_l1,
            "masked_l1": masked_l1,
            "adversarial": adversarial,
            "discriminator": discriminator,
        },
        rel=1e-5,
    )


def test_papers_step_changes_both_networks_as_steps_of_each_alone():
    batch = network_batch()
    together, alone, judge = stage2(), stage2(), stage2()
    values = together.train_step(batch)
    expected = {**alone.train_generator(batch), **judge.train_discriminator(batch)}
    assert set(values) == set(expected)
    for name, value in expected.items():
        assert float(values[name]) == pytest.approx(float(value), rel=1e-6)
    assert close(weights_of(together)["g2"], weights_of(alone)["g2"])
    assert close(weights_of(together)["d_trainable"], weights_of(judge)["d_trainable"])
    # Each alone leaves the other as it was.
    untouched = stage2()
    assert same(weights_of(alone)["d_trainable"], weights_of(untouched)["d_trainable"])
    assert same(weights_of(judge)["g2"], weights_of(untouched)["g2"])


def test_authors_step_gives_each_network_its_own_batch():
    first, second = network_batch(seed=1), network_batch(seed=2)
    together, apart = stage2("authors"), stage2("authors")
    values = together.train_step((first, second))
    expected = apart.train_generator(first)
    # D judges what the updated G2 makes of another batch.
    expected = {**expected, **apart.train_discriminator(second)}
    assert {key: float(value) for key, value in values.items()} == pytest.approx(
        {key: float(value) for key, value in expected.items()}
    )
    for name, weights in weights_of(together).items():
        assert close(weights, weights_of(apart)[name]), name
    swapped = stage2("authors")
    swapped.train_step((second, first))
    assert not close(weights_of(swapped)["g2"], weights_of(together)["g2"], 1e-5)


@pytest.mark.parametrize("name", ["source", "coarse"])
def test_authors_discriminator_scores_images_whose_logits_it_may_not_use(name):
    trainer, batch = stage2("authors"), network_batch()
    images = {
        "source": batch["source"],
        "target": batch["target"],
        "coarse": trainer.generator1(
            {"source": batch["source"], "heatmaps": batch["heatmaps"]}
        ),
    }
    images["refined"] = images["coarse"] + trainer.generator2(
        {"coarse": images["coarse"], "source": batch["source"]}
    )
    order = ("target", "source", "coarse", "refined")
    scored = tf.concat([images[key] for key in order], 0)
    logits = np.split(trainer.discriminator(scored).numpy(), 4)
    cross = losses.cross_entropy
    expected = 0.5 * cross(logits[0], 1) + 0.25 * (
        cross(logits[1], 0) + cross(logits[3], 0)
    )
    values = trainer.losses_of(batch)
    assert float(values["discriminator"]) == pytest.approx(float(expected), rel=1e-5)
    # Without the image in the batch its statistics, and so the loss, are others.
    rest = tf.concat([images[key] for key in order if key != name], 0)
    refined = trainer.discriminator(rest)[-4:]
    other = float(cross(refined, 1))
    assert float(values["adversarial"]) != pytest.approx(other, rel=1e-5)


def test_generators_get_no_gradient_through_the_coarse_image():
    trainer, batch = stage2(), network_batch()
    with tf.GradientTape() as tape:
        loss = trainer.losses_of(batch)["generator"]
    gradients = tape.gradient(loss, trainer.generator1.trainable_variables)
    assert all(gradient is None for gradient in gradients)
