"""Training with JAX computes what training with TensorFlow does."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
from pg2_tf_helpers import (
    TINY,
    network_batch,
    random_networks,
    run_script,
    tiny_config,
)

from pg2_tf.training.pg2 import PG2

needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs JAX")
STEPS = 3

_SCRIPT = """
import json, sys
sys.modules["tensorflow"] = None
import jax, keras, numpy as np
from pg2_tf.jax_training.steps import Steps
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.networks import build_networks
assert keras.backend.backend() == "jax"
data, options = np.load(sys.argv[1]), json.loads(sys.argv[3])
config = RunConfig.from_json(options["config"])
training = TrainConfig(**options["training"])
networks = build_networks(config.model, stage=training.stage)
for network in filter(None, networks):
    for index, weight in enumerate(network.weights):
        weight.assign(data[f"{network.name}/{index}"])
steps = Steps(networks, config, training)
state, out = steps.initial_state(), {}
step = jax.jit(steps)
for number in range(options["steps"]):
    batch = {k.split("/")[1]: v for k, v in data.items() if k.startswith(f"{number}/")}
    state, losses = step(state, batch)
    out |= {f"{number}/{name}": value for name, value in losses.items()}
for name in steps.trained:
    for index, weight in enumerate(state["weights"][name]):
        out[f"{name}/{index}"] = weight
    for index, moment in enumerate(state["momentums"][name]):
        out[f"momentum/{name}/{index}"] = moment
    for index, weight in enumerate(state["averages"].get(name, [])):
        out[f"average/{name}/{index}"] = weight
    for index, weight in enumerate(state["fixed"][name]):
        out[f"fixed/{name}/{index}"] = weight
np.savez(sys.argv[2], **out)
"""


def _run(tmp_path, config, training, networks, batches):
    """Runs the JAX steps in a process of their own; returns what they gave."""
    arrays = {
        f"{network.name}/{index}": weight.numpy()
        for network in filter(None, networks)
        for index, weight in enumerate(network.weights)
    }
    for number, batch in enumerate(batches):
        arrays |= {f"{number}/{name}": np.array(v) for name, v in batch.items()}
    np.savez(tmp_path / "in.npz", **arrays)
    options = {
        "config": config.to_json(),
        "training": dataclasses.asdict(training),
        "steps": len(batches),
    }
    run_script(
        _SCRIPT,
        tmp_path / "in.npz",
        tmp_path / "out.npz",
        json.dumps(options),
        KERAS_BACKEND="jax",
    )
    return np.load(tmp_path / "out.npz")


def _assert_same(out, model, values):
    for number, each in enumerate(values):
        for name, value in each.items():
            assert out[f"{number}/{name}"] == pytest.approx(float(value), rel=1e-3)
    for name, network in model.trained_networks().items():
        optimizer = getattr(model, f"{name}_optimizer")
        for index, moment in enumerate(optimizer._momentums):
            expected, norm = moment.numpy(), np.linalg.norm(moment.numpy())
            error = np.linalg.norm(out[f"momentum/{name}/{index}"] - expected)
            assert error < 1e-2 * norm + 1e-5, (name, index)
            if norm > 1e-4:  # Below it Adam divides noise by noise.
                weight = network.trainable_variables[index].numpy()
                difference = np.abs(out[f"{name}/{index}"] - weight)
                assert np.median(difference) < 1e-5, (name, index)
        for index, weight in enumerate(network.non_trainable_weights):
            if "vector" in weight.path:
                moved = out[f"fixed/{name}/{index}"]
                np.testing.assert_allclose(moved, weight.numpy(), atol=1e-4)


@needs_jax
@pytest.mark.parametrize(
    ("stage", "variant", "model_options", "options"),
    [
        (1, "G1+G2+D", {}, {"schedule": "cosine", "ema": 0.9}),
        (1, "G1-CE-L1", {}, {}),
        (2, "G1+G2+D", {}, {}),
        (
            2,
            "G1+G2+D",
            {"discriminator_norm": "spectral", "discriminator_input": "pair_and_pose"},
            {"adversarial_loss": "hinge", "feature_matching": 5.0},
        ),
        (2, "G1+G2+D", {}, {"clip_norm": 0.1, "finetune_generator1": True}),
    ],
    ids=["stage 1", "coordinates", "stage 2", "beyond the paper", "fine-tuned"],
)
def test_takes_the_same_steps(tmp_path, stage, variant, model_options, options):
    config = tiny_config(variant=variant)
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, **model_options)
    )
    training = dataclasses.replace(TINY.stage(stage), **options)
    networks = random_networks(config.model, stage=stage)
    batches = [network_batch(4, seed=seed) for seed in range(STEPS)]
    out = _run(tmp_path, config, training, networks, batches)
    model = PG2(config, training, networks=networks)
    model.compile()
    _assert_same(out, model, [model.update(batch) for batch in batches])
    for name, average in model.averages.items():
        for index, weight in enumerate(average.trainable_weights):
            difference = np.abs(out[f"average/{name}/{index}"] - weight.numpy())
            assert np.median(difference) < 1e-5
