"""What saves memory changes no result: a batch in parts, activations computed again."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    TINY,
    network_batch,
    random_networks,
    train,
)
from pg2_tf_trainers import assert_close, pg2, weights_after

from pg2_tf.model.networks import build_networks
from pg2_tf.training.callbacks import Cadence
from pg2_tf.training.updates import mean_over_parts, rematerialised
from preprocessing.system.errors import InputError


def stage1(variant="G1+G2+D", **training):
    return pg2(1, variant=variant, **training)


def stage2(norm="batch", **training):
    return pg2(2, model={"discriminator_norm": norm}, **training)


QUIET = Cadence(log_every=1, sample_every=0, validate_every=0, checkpoint_every=2)


# === Parts of a batch ===


def test_stage_1_in_parts_equals_the_whole_batch():
    batch = network_batch(4)
    whole, values = weights_after(stage1(), batch, steps=3)
    split, losses = weights_after(stage1(accumulate=4), batch, steps=3)
    assert_close(whole, split, 2e-6)
    assert float(losses["masked_l1"]) == pytest.approx(float(values["masked_l1"]))


def test_stage_2_in_parts_equals_the_whole_batch_without_batch_statistics():
    batch = network_batch(4)
    # One power iteration in the step, whose vector has settled before.
    settled = [stage2("spectral"), stage2("spectral", accumulate=2)]
    for model in settled:
        pairs = tf.random.stateless_normal((2, 32, 32, 6), seed=(1, 2))
        for _ in range(200):
            model.discriminator(pairs, training=True)
    (whole, values), (split, losses) = (weights_after(t, batch) for t in settled)
    assert_close(whole, split, 2e-5)
    for name, value in values.items():
        assert float(losses[name]) == pytest.approx(float(value), rel=1e-4)


def test_parts_of_a_batch_have_batch_statistics_of_their_own():
    batch = network_batch(4)
    model = stage2(accumulate=2)
    expected = [
        float(model.losses_of({k: v[i::2] for k, v in batch.items()})["discriminator"])
        for i in range(2)
    ]
    whole = float(model.losses_of(batch)["discriminator"])
    value = float(model.update(batch)["discriminator"])
    assert value == pytest.approx(np.mean(expected), rel=1e-5)
    assert value != pytest.approx(whole, rel=1e-5)


def test_parts_wait_for_each_other_and_stay_as_they_are():
    seen = []

    def first_of(part):
        seen.append(part.numpy().tolist())
        return {"first": part[0], "all": part}

    mean = mean_over_parts(first_of, tf.range(1.0, 7.0), 3)
    assert seen == [[1, 4], [2, 5], [3, 6]]
    assert float(mean["first"]) == 2
    np.testing.assert_array_equal(mean["all"], [2, 5])
    # What the parts wait for is a number of the parts before, which shows by NaN.
    seen.clear()
    mean_over_parts(first_of, tf.constant([np.nan, 2.0, 3.0, 4.0]), 2)
    assert np.isnan(seen).tolist() == [[True, False], [True, True]]


def test_batch_that_does_not_divide_into_parts_is_refused(people_dir, tmp_path):
    message = r"batch_size 4: must be a multiple of .* each in 3 parts"
    with pytest.raises(InputError, match=message):
        train(tmp_path / "run", people_dir, 1, 2, accumulate=3)


# === Activations computed again ===


@pytest.mark.parametrize("variant", ["G1-HME-L1", "G1-CE-L1"])
def test_rematerialised_stage_1_equals_the_plain_one(variant):
    batch = network_batch(2)
    plain, values = weights_after(stage1(variant), batch)
    again, losses = weights_after(stage1(variant, remat=True), batch)
    assert_close(plain, again, 1e-7)
    assert {k: float(v) for k, v in losses.items()} == {
        k: float(v) for k, v in values.items()
    }


def test_rematerialised_stage_2_equals_the_plain_one():
    batch = network_batch(2)
    plain, _ = weights_after(stage2(finetune_generator1=True), batch)
    again, _ = weights_after(stage2(finetune_generator1=True, remat=True), batch)
    assert_close(plain, again, 1e-6)


def operations(function, batch):
    graph = tf.function(function, autograph=False).get_concrete_function(batch).graph
    return [operation.type for operation in graph.get_operations()]


def test_blocks_are_computed_again_and_nothing_else_is():
    network, batch = random_networks(TINY.model).generator1, network_batch(2)
    inputs = {key: batch[key] for key in ("source", "heatmaps")}

    def convolutions(run):
        def gradients(inputs):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(run(inputs))
            return tape.gradient(loss, network.trainable_variables)

        return operations(gradients, inputs).count("Conv2D")

    plain = sum(isinstance(x, keras.layers.Conv2D) for x in network.layers)
    outside = 2  # `stem` and `coarse` are in no block.
    assert convolutions(network) == plain
    assert convolutions(rematerialised(network)) == 2 * plain - outside


def test_rematerialised_bfloat16_network_gives_the_same_image():
    network = build_networks(TINY.model, stage=1, precision="bfloat16").generator1
    batch = network_batch(2)
    inputs = {key: batch[key] for key in ("source", "heatmaps")}
    np.testing.assert_array_equal(rematerialised(network)(inputs), network(inputs))
