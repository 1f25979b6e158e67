"""Networks, heatmaps and losses on Keras' JAX backend, without TensorFlow."""

import dataclasses
import importlib.util

import numpy as np
import pytest
from pg2_tf_helpers import (
    TINY,
    network_batch,
    random_networks,
    random_poses,
    run_script,
    tiny_config,
)

from pg2_tf.model import losses
from pg2_tf.model.networks import generate
from pg2_tf.model.pose_heatmaps import PoseHeatmaps

_SCRIPT = """
import sys
sys.modules["tensorflow"] = None
import jax, keras, numpy as np
from pg2_tf.model import losses, presets
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.model.networks import build_networks, generate
assert keras.backend.backend() == "jax"
data = np.load(sys.argv[1])
networks = build_networks(presets.preset("tiny").model, stage=2)
for network in networks:
    for index, weight in enumerate(network.weights):
        weight.assign(data[f"{network.name}/{index}"])
drawn = PoseHeatmaps((32, 32))(data["poses"])
made = jax.jit(lambda a, b: generate(networks, a, b))(data["source"], data["heatmaps"])
pairs = np.concatenate([np.concatenate([data["target"], made["refined"]]),
                        np.concatenate([data["source"]] * 2)], -1)
logits = jax.jit(lambda x: networks.discriminator(x))(pairs)
g2 = networks.generator2
inputs = {"coarse": made["coarse"], "source": data["source"]}
def loss(trainable):
    difference, _ = g2.stateless_call(
        trainable, [v.value for v in g2.non_trainable_variables], inputs)
    return losses.masked_l1(inputs["coarse"] + difference, data["target"], data["mask"])
weights = [v.value for v in g2.trainable_variables]
value, gradients = jax.jit(jax.value_and_grad(loss))(weights)
np.savez(sys.argv[2], drawn=drawn, logits=logits, loss=value,
         cross=losses.cross_entropy(logits, 1), **made,
         **{f"gradient{i}": g for i, g in enumerate(gradients)})
"""


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs JAX")
def test_jax_computes_what_tensorflow_does(tmp_path):
    import tensorflow as tf

    networks, batch = random_networks(TINY.model), network_batch(2)
    poses = random_poses(3)
    np.savez(
        tmp_path / "in.npz",
        poses=poses,
        **batch,
        **{
            f"{network.name}/{index}": weight.numpy()
            for network in networks
            for index, weight in enumerate(network.weights)
        },
    )
    run_script(_SCRIPT, tmp_path / "in.npz", tmp_path / "out.npz", KERAS_BACKEND="jax")
    out = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(out["drawn"], PoseHeatmaps((32, 32))(poses))
    made = generate(networks, batch["source"], batch["heatmaps"])
    for name, image in made.items():
        np.testing.assert_allclose(out[name], image, rtol=0, atol=1e-5)
    images = tf.concat([batch["target"], made["refined"]], 0)
    pairs = tf.concat([images, tf.concat([batch["source"]] * 2, 0)], -1)
    logits = networks.discriminator(pairs)
    np.testing.assert_allclose(out["logits"], logits, rtol=0, atol=1e-4)
    assert out["cross"] == pytest.approx(float(losses.cross_entropy(logits, 1)), 1e-4)
    second = networks.generator2
    inputs = {"coarse": made["coarse"], "source": batch["source"]}
    with tf.GradientTape() as tape:
        refined = inputs["coarse"] + second(inputs)
        loss = losses.masked_l1(refined, batch["target"], batch["mask"])
    assert out["loss"] == pytest.approx(float(loss), rel=1e-5)
    variables = [variable.value for variable in second.trainable_variables]
    for index, gradient in enumerate(tape.gradient(loss, variables)):
        norm = np.linalg.norm(gradient)
        assert np.linalg.norm(out[f"gradient{index}"] - gradient) < 2e-3 * norm


_OPTIONS = """
import dataclasses, sys
sys.modules["tensorflow"] = None
import jax, keras, numpy as np
from pg2_tf.model import presets
from pg2_tf.model.networks import build_networks, generate
data = np.load(sys.argv[1])
out = {}
for variant in ("G1-CE-L1", "G1-HME-L1"):
    model = presets.preset("tiny", variant=variant).model
    model = dataclasses.replace(model, discriminator_norm="spectral")
    networks = build_networks(model, stage=1, adversarial=True)
    for network in (networks.generator1, networks.discriminator):
        for index, weight in enumerate(network.weights):
            weight.assign(data[f"{variant}/{network.name}/{index}"])
    run = jax.jit(lambda a, b, c: generate(networks, a, b, keypoints=c)["coarse"])
    out[variant] = run(data["source"], data["heatmaps"], data["keypoints"])
    pairs = np.concatenate([out[variant], data["source"]], -1)
    out[f"{variant} logits"] = networks.discriminator(pairs, training=True)
np.savez(sys.argv[2], **out)
"""


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs JAX")
def test_jax_computes_other_embeddings_and_spectral_normalisation(tmp_path):
    batch, arrays, expected = network_batch(2), {}, {}
    for variant in ("G1-CE-L1", "G1-HME-L1"):
        model = dataclasses.replace(
            tiny_config(variant=variant).model, discriminator_norm="spectral"
        )
        networks = random_networks(model, stage=1, adversarial=True)
        for network in (networks.generator1, networks.discriminator):
            for index, weight in enumerate(network.weights):
                arrays[f"{variant}/{network.name}/{index}"] = weight.numpy()
        made = generate(
            networks, batch["source"], batch["heatmaps"], keypoints=batch["keypoints"]
        )
        expected[variant] = made["coarse"]
        pairs = np.concatenate([made["coarse"], batch["source"]], -1)
        expected[f"{variant} logits"] = networks.discriminator(pairs, training=True)
    np.savez(tmp_path / "in.npz", **batch, **arrays)
    place = tmp_path / "out.npz"
    run_script(_OPTIONS, tmp_path / "in.npz", place, KERAS_BACKEND="jax")
    for name, value in np.load(place).items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-4)
