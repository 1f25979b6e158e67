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

from pg2_tf.model import presets
from pg2_tf.training import optimizers
from pg2_tf.training.stage1 import Stage1Trainer
from pg2_tf.training.stage2 import Stage2Trainer

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


def _assert_same(out, trainer, values, names):
    for number, each in enumerate(values):
        for name, value in each.items():
            assert out[f"{number}/{name}"] == pytest.approx(float(value), rel=1e-3)
    for name in names:
        optimizer = (
            trainer.discriminator_optimizer
            if name == "discriminator"
            else (trainer.optimizer)
        )
        for index, moment in enumerate(optimizer._momentums):
            # The mean of gradients: weights would show Adam's division of noise.
            expected, norm = moment.numpy(), np.linalg.norm(moment.numpy())
            error = np.linalg.norm(out[f"momentum/{name}/{index}"] - expected)
            assert error < 1e-2 * norm + 1e-5, (name, index)
        network = getattr(trainer, name)
        for index, weight in enumerate(network.trainable_weights):
            difference = np.abs(out[f"{name}/{index}"] - weight.numpy())
            assert np.median(difference) < 1e-5, (name, index)


@needs_jax
@pytest.mark.parametrize("variant", ["G1+G2+D", "G1-CE-L1"])
def test_stage_1_takes_the_same_steps(tmp_path, variant):
    config = tiny_config(variant=variant)
    training = dataclasses.replace(TINY.stage1, schedule="cosine", ema=0.9)
    networks = random_networks(config.model, stage=1)
    batches = [network_batch(4, seed=seed) for seed in range(STEPS)]
    out = _run(tmp_path, config, training, networks, batches)
    average = random_networks(config.model, stage=1).generator1
    trainer = Stage1Trainer(
        networks.generator1,
        reconstruction=config.recipe.reconstruction,
        averages={"generator1": average},
        momentum=0.9,
    )
    trainer.compile(optimizer=optimizers.adam(training, networks.generator1))
    values = [trainer.train_step(batch) for batch in batches]
    _assert_same(out, trainer, values, ["generator1"])
    for index, weight in enumerate(average.trainable_weights):
        difference = np.abs(out[f"average/generator1/{index}"] - weight.numpy())
        assert np.median(difference) < 1e-5


@needs_jax
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ({}, {}),
        ({"discriminator_norm": "spectral"}, {"adversarial_loss": "hinge"}),
        ({}, {"clip_norm": 0.1, "warm_up": 2}),
    ],
    ids=["paper", "spectral", "clipped"],
)
def test_stage_2_takes_the_same_steps(tmp_path, model, options):
    config = tiny_config()
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, **model)
    )
    training = dataclasses.replace(TINY.stage2, **options)
    networks = random_networks(config.model)
    batches = [network_batch(4, seed=seed) for seed in range(STEPS)]
    out = _run(tmp_path, config, training, networks, batches)
    trainer = Stage2Trainer(
        *networks,
        adversary=presets.adversary(config),
        l1_weight=training.l1_weight,
        adversarial_loss=training.adversarial_loss,
        clip_norm=training.clip_norm,
    )
    trainer.compile(
        generator_optimizer=optimizers.adam(training, networks.generator2),
        discriminator_optimizer=optimizers.adam(training, networks.discriminator),
    )
    # The paper's order: D's step, then the generator's against the new D.
    values = [
        {**trainer.train_discriminator(batch), **trainer.train_generator(batch)}
        for batch in batches
    ]
    _assert_same(out, trainer, values, ["generator2", "discriminator"])
    for index, weight in enumerate(networks.discriminator.non_trainable_weights):
        if "vector" in weight.path:
            np.testing.assert_allclose(
                out[f"fixed/discriminator/{index}"], weight.numpy(), atol=1e-4
            )
