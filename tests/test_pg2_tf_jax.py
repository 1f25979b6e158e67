"""Networks, heatmaps and losses on Keras' JAX backend, without TensorFlow."""

import importlib.util

import numpy as np
import pytest
from pg2_tf_helpers import (
    TINY,
    network_batch,
    random_networks,
    random_poses,
    run_script,
)

from pg2_tf import losses
from pg2_tf.layers.pose_heatmaps import PoseHeatmaps
from pg2_tf.models.pg2 import generate

_SCRIPT = """
import sys
sys.modules["tensorflow"] = None
import jax, keras, numpy as np
from pg2_tf import losses, presets
from pg2_tf.layers.pose_heatmaps import PoseHeatmaps
from pg2_tf.models.pg2 import build_networks, generate
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
