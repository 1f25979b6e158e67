"""The steps of both stages: which weights they change, and by how much."""

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import copies, network_batch, same
from pg2_tf_trainers import gentle_adam, pg2, update_discriminator, update_generators

from pg2_tf.model import losses


def adam():
    return gentle_adam(epsilon=1e-8)


def stage1():
    return pg2(1, optimizer=adam)


def stage2(profile="paper", **training):
    return pg2(2, profile, optimizer=adam, **{"l1_weight": 10.0, **training})


def weights_of(model):
    return {
        "g1": copies(model.generator1.weights),
        "g2": copies(model.generator2.weights),
        "d": copies(model.discriminator.weights),
        "d_trainable": copies(model.discriminator.trainable_weights),
    }


def close(one, other, tolerance=1e-6):
    return all(
        np.abs(a - b).max() <= tolerance for a, b in zip(one, other, strict=True)
    )


def test_stage_1_learns_a_batch():
    model, batch = stage1(), network_batch()
    step = tf.function(model.update)
    values = [float(step(batch)["masked_l1"]) for _ in range(30)]
    assert values[-1] < 0.9 * values[0]
    assert float(model.losses_of(batch)["masked_l1"]) < 1.02 * values[-1]


def test_stage_1_reports_the_loss_before_its_step():
    model, batch = stage1(), network_batch()
    before = float(model.losses_of(batch)["masked_l1"])
    assert float(model.update(batch)["masked_l1"]) == pytest.approx(before)
    assert float(model.losses_of(batch)["masked_l1"]) < before


def test_first_step_of_adam_moves_each_weight_by_the_learning_rate():
    model, batch = stage1(), network_batch()
    old = copies(model.generator1.weights)
    with tf.GradientTape() as tape:
        loss = model.losses_of(batch)["masked_l1"]
    gradients = tape.gradient(loss, model.generator1.trainable_variables)
    model.update(batch)
    for before, after, gradient in zip(
        old, copies(model.generator1.weights), gradients, strict=True
    ):
        g = np.array(gradient)
        expected = before - 1e-3 * g / (np.abs(g) + 1e-8 / np.sqrt(1 - 0.999))
        clear = np.abs(g) > 1e-6
        np.testing.assert_allclose(after[clear], expected[clear], atol=2e-5)


def test_stage_2_learns_and_leaves_its_first_generator_alone():
    model, batch = stage2(), network_batch()
    old = weights_of(model)
    step = tf.function(model.update)
    values = [step(batch) for _ in range(25)]
    assert float(values[-1]["generator"]) < float(values[0]["generator"])
    assert float(values[-1]["masked_l1"]) < float(values[0]["masked_l1"])
    new = weights_of(model)
    assert same(old["g1"], new["g1"])
    for name in ("g2", "d"):
        assert not any(
            np.array_equal(a, b) for a, b in zip(old[name], new[name], strict=True)
        )


def test_discriminator_learns_against_a_generator_that_stands_still():
    model, batch = stage2(), network_batch()
    step = tf.function(lambda b: update_discriminator(model, b))
    values = [float(step(batch)["discriminator"]) for _ in range(25)]
    assert values[-1] < 0.8 * values[0]


def test_losses_are_what_the_paper_says():
    model, batch = stage2(l1_weight=7.0), network_batch()
    values = {key: float(value) for key, value in model.losses_of(batch).items()}
    inputs = {"source": batch["source"], "heatmaps": batch["heatmaps"]}
    coarse = model.generator1(inputs)
    difference = model.generator2({"coarse": coarse, "source": batch["source"]})
    refined = coarse + difference
    # One batch of (image, source) pairs: batch statistics go over real and made.
    pairs = [
        tf.concat([image, batch["source"]], -1) for image in (batch["target"], refined)
    ]
    real, made = np.split(model.discriminator(tf.concat(pairs, 0)).numpy(), 2)
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


def test_papers_step_is_d_s_update_and_then_the_generator_s():
    batch = network_batch()
    together, apart = stage2(), stage2()
    values = together.update(batch)
    expected = update_discriminator(apart, batch)
    expected = {**update_generators(apart, batch), **expected}
    assert set(values) == set(expected)
    for name, value in expected.items():
        assert float(values[name]) == pytest.approx(float(value), rel=1e-6)
    for name, weights in weights_of(together).items():
        assert close(weights, weights_of(apart)[name]), name


def test_generator_s_gradient_is_taken_against_the_new_discriminator():
    batch = network_batch()
    before = stage2()
    old = {k: float(v) for k, v in before.losses_of(batch).items()}
    update_discriminator(before, batch)
    new = {k: float(v) for k, v in before.losses_of(batch).items()}
    assert new["adversarial"] > old["adversarial"] + 0.01
    together = stage2()
    values = {k: float(v) for k, v in together.update(batch).items()}
    # D's loss is the one before its update, the generator's the one after it.
    assert values["discriminator"] == pytest.approx(old["discriminator"], rel=1e-5)
    assert values["adversarial"] == pytest.approx(new["adversarial"], rel=1e-5)
    # The update, too: against the old D the generator moves elsewhere.
    against_old = stage2()
    update_generators(against_old, batch)
    update_generators(before, batch)
    second = weights_of(together)["g2"]
    assert close(second, weights_of(before)["g2"])
    assert not close(second, weights_of(against_old)["g2"], 1e-5)


def test_each_update_leaves_the_other_network_alone():
    batch, untouched = network_batch(), weights_of(stage2())
    generator, discriminator = stage2(), stage2()
    update_generators(generator, batch)
    update_discriminator(discriminator, batch)
    assert same(weights_of(generator)["d_trainable"], untouched["d_trainable"])
    assert same(weights_of(discriminator)["g2"], untouched["g2"])


def test_one_pass_of_the_generators_serves_both_updates():
    # A batch in two parts is passed through again for the second update.
    for parts, expected in ((1, 1), (2, 4)):
        model, passes = stage2(accumulate=parts), []
        generate = model._step.generate

        def counted(batch, generate=generate, passes=passes):
            passes.append(batch)
            return generate(batch)

        model._step.generate = counted
        model.update(network_batch())
        assert len(passes) == expected


def test_authors_step_gives_each_network_its_own_batch():
    first, second = network_batch(seed=1), network_batch(seed=2)
    together, apart = stage2("authors"), stage2("authors")
    values = together.update((first, second))
    expected = update_generators(apart, first)
    # D judges what the updated G2 makes of another batch.
    expected = {**expected, **update_discriminator(apart, second)}
    assert {key: float(value) for key, value in values.items()} == pytest.approx(
        {key: float(value) for key, value in expected.items()}
    )
    for name, weights in weights_of(together).items():
        assert close(weights, weights_of(apart)[name]), name
    swapped = stage2("authors")
    swapped.update((second, first))
    assert not close(weights_of(swapped)["g2"], weights_of(together)["g2"], 1e-5)


@pytest.mark.parametrize("name", ["source", "coarse"])
def test_authors_discriminator_scores_images_whose_logits_it_may_not_use(name):
    model, batch = stage2("authors"), network_batch()
    images = {
        "source": batch["source"],
        "target": batch["target"],
        "coarse": model.generator1(
            {"source": batch["source"], "heatmaps": batch["heatmaps"]}
        ),
    }
    images["refined"] = images["coarse"] + model.generator2(
        {"coarse": images["coarse"], "source": batch["source"]}
    )
    order = ("target", "source", "coarse", "refined")
    scored = tf.concat([images[key] for key in order], 0)
    logits = np.split(model.discriminator(scored).numpy(), 4)
    cross = losses.cross_entropy
    expected = 0.5 * cross(logits[0], 1) + 0.25 * (
        cross(logits[1], 0) + cross(logits[3], 0)
    )
    values = model.losses_of(batch)
    assert float(values["discriminator"]) == pytest.approx(float(expected), rel=1e-5)
    # Without the image in the batch its statistics, and so the loss, are others.
    rest = tf.concat([images[key] for key in order if key != name], 0)
    refined = model.discriminator(rest)[-4:]
    other = float(cross(refined, 1))
    assert float(values["adversarial"]) != pytest.approx(other, rel=1e-5)


def test_generators_get_no_gradient_through_the_coarse_image():
    model, batch = stage2(), network_batch()
    with tf.GradientTape() as tape:
        loss = model.losses_of(batch)["generator"]
    gradients = tape.gradient(loss, model.generator1.trainable_variables)
    assert all(gradient is None for gradient in gradients)
