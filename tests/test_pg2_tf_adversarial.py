"""Adversarial training beyond stage II as the paper has it: G1+D, other losses."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    TINY,
    copies,
    network_batch,
    random_networks,
    same,
    tiny_config,
)
from pg2_tf_trainers import (
    assert_close,
    gentle_adam,
    pg2,
    update_discriminator,
    update_generators,
)

from pg2_tf.model import losses
from pg2_tf.model.discriminator import SpectralNormalization
from pg2_tf.model.networks import build_networks


def stage2(norm="batch", **training):
    return pg2(2, model={"discriminator_norm": norm}, **training)


def one_stage(profile="paper", **training):
    return pg2(1, profile, "G1+D", **training)


# === G1+D ===


def by_hand(batch):
    """Takes G1+D's first step by equations 2 to 4; returns its losses and networks."""
    config = tiny_config(variant="G1+D")
    first, _, judge = random_networks(config.model, stage=1, adversarial=True)
    source, target = batch["source"], batch["target"]

    def logits():
        image = first({"source": source, "heatmaps": batch["heatmaps"]})
        real, fake = (tf.concat([i, source], -1) for i in (target, image))
        both = judge(tf.concat([real, fake], 0))
        return image, both[: len(source)], both[len(source) :]

    # -log sigmoid(x) is softplus(-x), -log(1 - sigmoid(x)) is softplus(x).
    softplus = tf.math.softplus
    with tf.GradientTape() as tape:
        _, real, fake = logits()
        judged = tf.reduce_mean(softplus(-real)) + tf.reduce_mean(softplus(fake))
    variables = judge.trainable_variables
    gentle_adam().apply(tape.gradient(judged, variables), variables)
    with tf.GradientTape() as tape:
        image, _, fake = logits()
        masked_l1 = tf.reduce_mean(tf.abs(image - target) * (1 + batch["mask"]))
        adversarial = tf.reduce_mean(softplus(-fake))
        generator = adversarial + 7 * masked_l1
    variables = first.trainable_variables
    gentle_adam().apply(tape.gradient(generator, variables), variables)
    values = {
        "generator": generator,
        "masked_l1": masked_l1,
        "adversarial": adversarial,
        "discriminator": judged,
    }
    return values, first, judge


def test_one_stage_step_equals_a_step_by_hand():
    batch = network_batch()
    expected, *networks = by_hand(batch)
    model = one_stage()
    values = model.update(batch)
    assert set(values) == set(model.loss_names) == set(expected)
    for name, value in expected.items():
        assert float(values[name]) == pytest.approx(float(value), rel=1e-6)
    stepped = (model.generator1, model.discriminator)
    for network, other in zip(stepped, networks, strict=True):
        assert_close(
            copies(network.trainable_weights), copies(other.trainable_weights), 1e-6
        )


def test_one_stage_model_learns():
    model, batch = one_stage(), network_batch()
    step = tf.function(model.update, autograph=False)
    values = [step(batch) for _ in range(30)]
    for name in ("generator", "masked_l1"):
        assert float(values[-1][name]) < 0.9 * float(values[0][name])


def test_one_stage_model_with_the_authors_adversary_takes_two_batches():
    model = one_stage("authors")
    assert model.takes_two_batches
    assert model.discriminator.input_shape[-1] == 3
    old = copies(model.discriminator.trainable_weights)
    values = model.update((network_batch(seed=1), network_batch(seed=2)))
    assert set(values) == set(model.loss_names)
    assert not same(old, copies(model.discriminator.trainable_weights))


# === G1 fine-tuned ===


def test_finetuning_adds_equation_1_and_moves_all_three_networks():
    model, batch = stage2(finetune_generator1=True), network_batch()
    networks = (model.generator1, model.generator2, model.discriminator)
    old = [copies(network.trainable_weights) for network in networks]
    coarse = model.generator1({k: batch[k] for k in ("source", "heatmaps")})
    expected = losses.masked_l1(coarse, batch["target"], batch["mask"])
    values = {key: float(value) for key, value in model.update(batch).items()}
    assert set(values) == set(model.loss_names)
    assert values["coarse_masked_l1"] == pytest.approx(float(expected), rel=1e-5)
    both = values["masked_l1"] + values["coarse_masked_l1"]
    total = values["adversarial"] + 7 * both
    assert values["generator"] == pytest.approx(total, rel=1e-5)
    for network, before in zip(networks, old, strict=True):
        assert not same(before, copies(network.trainable_weights))


def test_finetuning_changes_nothing_for_the_second_generator_in_its_first_step():
    batch = network_batch()
    plain, tuned = stage2(), stage2(finetune_generator1=True)
    start = copies(plain.generator1.weights)
    for model in (plain, tuned):
        model.update(batch)
    for one, other in zip(
        copies(plain.generator2.weights), copies(tuned.generator2.weights), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    assert same(start, copies(plain.generator1.weights))
    # Equation 4 alone reaches G1 through the coarse image.
    with tf.GradientTape() as tape:
        loss = tuned.losses_of(batch)["adversarial"]
    gradients = tape.gradient(loss, tuned.generator1.trainable_variables)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


# === Other losses ===


@pytest.mark.parametrize(
    ("name", "real", "fake", "against"),
    [
        (
            "cross_entropy",
            lambda x: np.log1p(np.exp(-x)),
            lambda x: np.log1p(np.exp(x)),
            lambda x: np.log1p(np.exp(-x)),
        ),
        (
            "hinge",
            lambda x: np.maximum(0, 1 - x),
            lambda x: np.maximum(0, 1 + x),
            lambda x: -x,
        ),
        (
            "least_squares",
            lambda x: (x - 1) ** 2 / 2,
            lambda x: x**2 / 2,
            lambda x: (x - 1) ** 2 / 2,
        ),
    ],
)
def test_adversarial_losses_follow_their_papers(name, real, fake, against):
    x = np.linspace(-3, 3, 13)
    judge, generator = losses.ADVERSARIAL[name]
    logits = tf.constant(x)
    assert float(judge(logits, 1)) == pytest.approx(real(x).mean())
    assert float(judge(logits, 0)) == pytest.approx(fake(x).mean())
    assert float(generator(logits, 1)) == pytest.approx(against(x).mean(), abs=1e-12)


@pytest.mark.parametrize("name", ["hinge", "least_squares"])
def test_model_uses_the_adversarial_loss_that_it_is_told(name):
    model, batch = stage2(adversarial_loss=name), network_batch()
    images = {**batch, **model._step.generate(batch)}
    pairs = [tf.concat([images[k], batch["source"]], -1) for k in ("target", "refined")]
    real, fake = np.split(model.discriminator(tf.concat(pairs, 0)).numpy(), 2)
    values = model.losses_of(batch)
    if name == "hinge":
        judged = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
        against = -fake.mean()
    else:
        judged = ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2
        against = ((fake - 1) ** 2).mean() / 2
    assert float(values["discriminator"]) == pytest.approx(judged, rel=1e-4)
    assert float(values["adversarial"]) == pytest.approx(against, rel=1e-4)
    step = tf.function(lambda b: update_discriminator(model, b), autograph=False)
    judged = [float(step(batch)["discriminator"]) for _ in range(25)]
    assert judged[-1] < 0.8 * judged[0]


# === Spectral normalisation ===


def spectral_layer(layer, shape, *, calls):
    wrapped = SpectralNormalization(layer)
    x = tf.random.stateless_normal(shape, seed=(1, 2))
    for _ in range(calls):
        wrapped(x, training=True)
    return wrapped, x


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: keras.layers.Conv2D(6, 3, strides=2), (2, 8, 8, 3)),
        (lambda: keras.layers.Dense(1), (4, 20)),
    ],
)
def test_spectral_normalisation_divides_by_the_largest_singular_value(layer, shape):
    wrapped, x = spectral_layer(layer(), shape, calls=40)
    kernel, bias = wrapped.layer.trainable_variables
    matrix = kernel.numpy().reshape(-1, kernel.shape[-1])
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    plain = wrapped.layer(x) - bias
    np.testing.assert_allclose(wrapped(x) - bias, plain / largest, rtol=0, atol=1e-4)
    # The kernel itself stays as it was, and so does the vector outside training.
    vector = wrapped.vector.numpy()
    wrapped(x)
    np.testing.assert_array_equal(wrapped.vector, vector)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_gradient_goes_through_the_division():
    wrapped, x = spectral_layer(keras.layers.Dense(5), (4, 7), calls=60)
    kernel = wrapped.layer.kernel
    goal = tf.random.stateless_normal((4, 5), seed=(3, 4))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(wrapped(x) * goal)
    ours = tape.gradient(loss, kernel.value)
    left, values, right = np.linalg.svd(kernel.numpy())
    normal = kernel.numpy() / values[0]
    # Equation 12 of Miyato et al.: the part along the first singular vectors is less.
    plain = x.numpy().T @ goal.numpy()
    share = np.sum(plain * normal)
    expected = (plain - share * np.outer(left[:, 0], right[0])) / values[0]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-3)


def test_spectral_discriminator_has_no_batch_statistics():
    model = dataclasses.replace(TINY.model, discriminator_norm="spectral")
    judge = random_networks(model).discriminator
    assert not [layer for layer in judge.layers if "norm" in layer.name]
    pairs = tf.random.stateless_normal((6, 32, 32, 6), seed=(1, 2))
    # An image's logit does not depend on the others of its batch.
    np.testing.assert_allclose(judge(pairs)[:2], judge(pairs[:2]), rtol=0, atol=1e-6)
    plain = build_networks(TINY.model, stage=2, seed=4).discriminator
    spectral = build_networks(model, stage=2, seed=4).discriminator
    names = {layer.name for layer in plain.layers} - {"norm2"}
    assert {layer.name for layer in spectral.layers} == names


def test_only_discriminator_steps_move_the_power_iteration():
    model, batch = stage2("spectral"), network_batch()
    vector = model.discriminator.get_layer("conv2").vector
    old = vector.numpy()
    model.losses_of(batch)
    update_generators(model, batch)
    np.testing.assert_array_equal(vector, old)
    update_discriminator(model, batch)
    moved = vector.numpy()
    assert not np.array_equal(moved, old)
    model.update(batch)
    assert not np.array_equal(vector.numpy(), moved)
    again = stage2("spectral")
    update_discriminator(again, batch)
    update_generators(again, batch)
    np.testing.assert_array_equal(again.discriminator.get_layer("conv2").vector, moved)
