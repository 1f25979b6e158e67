"""The three networks: shapes, precision, and what their parts must compute."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import TINY, network_batch, random_networks

from pg2_tf.model.config import ModelConfig, RunConfig, TrainConfig
from pg2_tf.model.networks import build_networks, generate

SMALL = {"width": 2, "bottleneck": 4, "discriminator_width": 2}


def names(network):
    return [layer.name for layer in network.layers]


@pytest.mark.parametrize(
    ("size", "blocks", "layers", "last_map"),
    [
        ((32, 32), 3, 2, (8, 8)),
        ((128, 64), 5, 4, (8, 4)),
        ((256, 256), 6, 5, (8, 8)),
        ((64, 128), 4, 3, (8, 16)),
    ],
)
@pytest.mark.parametrize("skips", ["all", "inner"])
def test_networks_have_the_papers_shapes(size, blocks, layers, last_map, skips):
    model = ModelConfig(image_size=size, generator2_skips=skips, **SMALL)
    assert (model.num_blocks, model.num_discriminator_layers) == (blocks, layers)
    networks = build_networks(model, stage=2)
    batch = network_batch(2, size=size)
    made = generate(networks, batch["source"], batch["heatmaps"])
    assert list(made) == ["coarse", "difference", "refined"]
    for image in made.values():
        assert image.shape == (2, *size, 3)
        assert image.dtype == tf.float32
    np.testing.assert_array_equal(made["refined"], made["coarse"] + made["difference"])
    pair = tf.concat([made["refined"], batch["source"]], -1)
    assert networks.discriminator(pair).shape == (2,)
    # Block i is i times as wide; the smallest map is 8 pixels high.
    first, second, _ = networks
    deepest = first.get_layer(f"encoder{blocks}_conv1").output
    assert deepest.shape == (None, 8, 8 * size[1] // size[0], 2 * blocks)
    assert f"encoder{blocks + 1}_conv1" not in names(first)
    deepest = second.get_layer(f"encoder{blocks - 2}_conv1").output
    assert deepest.shape[1:3] == (32, 32 * size[1] // size[0])
    assert f"encoder{blocks - 1}_conv1" not in names(second)
    top = second.get_layer("decoder1_conv1").input
    if blocks > 3:
        assert top.shape[-1] == (4 if skips == "all" else 2)
    before = networks.discriminator.get_layer("flatten").input
    assert before.shape[1:3] == last_map


def test_stage_1_builds_only_its_generator():
    networks = build_networks(TINY.model, stage=1)
    assert networks.generator2 is None
    assert networks.discriminator is None
    batch = network_batch(1)
    assert list(generate(networks, batch["source"], batch["heatmaps"])) == ["coarse"]


def test_batch_size_is_free_and_images_do_not_mix():
    networks = random_networks(TINY.model)
    batch = network_batch(5)
    whole = generate(networks, batch["source"], batch["heatmaps"])
    for index in (0, 4):
        one = slice(index, index + 1)
        alone = generate(networks, batch["source"][one], batch["heatmaps"][one])
        for name, image in alone.items():
            np.testing.assert_allclose(image, whole[name][one], rtol=0, atol=1e-5)


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    one, again, other = (build_networks(TINY.model, stage=2, seed=s) for s in (1, 1, 2))
    for network, same, different in zip(one, again, other, strict=True):
        for a, b in zip(network.weights, same.weights, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        kernels = [w.numpy() for w in network.weights if w.name == "kernel"]
        others = [w.numpy() for w in different.weights if w.name == "kernel"]
        assert not any(
            np.array_equal(a, b) for a, b in zip(kernels, others, strict=True)
        )


def test_initial_weights_follow_the_released_code():
    model = dataclasses.replace(TINY.model, width=16, discriminator_width=16)
    networks = build_networks(model, stage=2)
    for weight in networks.discriminator.weights:
        if weight.name == "kernel":
            limit = 0.02 * np.sqrt(3)
            assert 0.9 * limit < np.abs(weight.numpy()).max() <= limit
    for network in (networks.generator1, networks.generator2):
        for layer in network.layers:
            if layer.weights:
                kernel, bias = (weight.numpy() for weight in layer.weights)
                field = np.prod(kernel.shape[:-2])
                limit = np.sqrt(6 / (field * sum(kernel.shape[-2:])))
                assert 0.9 * limit < np.abs(kernel).max() <= limit
                assert not bias.any()


def test_1x1_convolution_before_upsampling_equals_the_papers_order():
    network = random_networks(TINY.model, stage=1).generator1
    layer, upsample = network.get_layer("decoder2_up"), keras.layers.UpSampling2D(2)
    assert (layer.kernel_size, layer.activation) == ((1, 1), keras.activations.relu)
    channels = layer.input.shape[-1]
    x = tf.random.stateless_normal((2, 16, 16, channels), seed=(1, 2))
    assert layer.output.shape[1:3] == x.shape[1:3]
    after = network.get_layer("decoder2_upsample")(layer(x))
    np.testing.assert_allclose(after, layer(upsample(x)), rtol=0, atol=1e-6)


def test_residual_block_has_no_activation_after_its_sum():
    network = random_networks(TINY.model, stage=1).generator1
    add = network.get_layer("encoder2_add")
    batch = network_batch(2)
    probe = keras.Model(network.input, [add.output, network.get_layer("coarse").output])
    summed, coarse = probe({key: batch[key] for key in ("source", "heatmaps")})
    consumers = [node.operation.name for node in add._outbound_nodes]
    assert set(consumers) == {"encoder2_down", "decoder2_skip"}
    assert coarse.numpy().min() < 0  # The output is linear.
    assert summed.shape == (2, 16, 16, 8)


def test_bfloat16_networks_keep_float32_weights_and_outputs():
    narrow = build_networks(TINY.model, stage=2, precision="bfloat16", seed=3)
    wide = build_networks(TINY.model, stage=2, seed=3)
    batch = network_batch(2)
    pair = tf.concat([batch["target"], batch["source"]], -1)
    made = generate(narrow, batch["source"], batch["heatmaps"])
    expected = generate(wide, batch["source"], batch["heatmaps"])
    for name, image in made.items():
        assert image.dtype == tf.float32
        np.testing.assert_allclose(image, expected[name], rtol=0, atol=0.05)
        assert not np.array_equal(image, expected[name])
    assert narrow.discriminator(pair).dtype == tf.float32
    for network in narrow:
        assert {weight.dtype for weight in network.weights} == {"float32"}
        assert network.get_layer(index=-2).compute_dtype in ("bfloat16", "float32")
    assert narrow.generator1.get_layer("stem").compute_dtype == "bfloat16"


def test_discriminator_uses_the_statistics_of_the_batch_in_and_outside_training():
    discriminator = random_networks(TINY.model).discriminator
    images = tf.random.stateless_normal((4, 32, 32, 6), seed=(1, 2))
    for training in (False, True, None):
        scores = discriminator(images, training=training).numpy()
        others = discriminator(images[:2], training=training).numpy()
        np.testing.assert_allclose(
            scores, discriminator(images).numpy(), rtol=0, atol=1e-6
        )
        assert np.abs(scores[:2] - others).max() > 1e-4
    # What normalisation takes away cannot be seen: a bias before it.
    discriminator.get_layer("conv2").weights[1].assign_add(tf.fill([8], 0.5))
    np.testing.assert_allclose(discriminator(images), scores, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": (16, 16)}, "image_size 16x16"),
        ({"image_size": (0, 0)}, "image_size 0x0"),
        ({"image_size": (128, 60)}, "image_size 128x60.*16"),
        ({"image_size": (130, 64)}, "image_size 130x64.*16"),
        ({"width": 0}, "width 0"),
        ({"bottleneck": -1}, "bottleneck -1"),
        ({"discriminator_width": 0}, "discriminator_width 0"),
        ({"generator2_skips": "outer"}, "generator2_skips 'outer'.*all, inner"),
        ({"discriminator_input": "x"}, "discriminator_input 'x'.*pair, image"),
    ],
)
def test_impossible_model_is_refused_with_its_value(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY.model, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps 0"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"precision": "float16"}, "precision 'float16'.*float32, bfloat16"),
    ],
)
def test_impossible_training_is_refused_with_its_value(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{"stage": 1, "steps": 1, "batch_size": 1, **changes})


def test_run_configuration_survives_json():
    config = RunConfig("tiny", "authors", TINY.model)
    content = config.to_json()
    content["model"]["image_size"] = list(content["model"]["image_size"])
    assert RunConfig.from_json(content) == config
    with pytest.raises(ValueError, match="model: missing"):
        RunConfig.from_json({"dataset": "tiny", "profile": "paper"})
    with pytest.raises(ValueError, match="depth: unknown field"):
        RunConfig.from_json({**content, "model": {"width": 3, "depth": 1}})
