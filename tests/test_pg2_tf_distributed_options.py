"""With every option, too, two devices must do to a global batch what one does."""

import pytest
from pg2_tf_helpers import script_report

# Two logical devices must be made before TensorFlow starts: a process of its own.
_SCRIPT = """
import dataclasses, json, sys, tempfile
from pathlib import Path
sys.path.insert(0, "tests")
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import numpy as np
from pg2_tf_helpers import TINY, make_run, network_batch, tiny_config
from pg2_tf.model.config import RunConfig
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training import pg2
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.updates import FusedAdam

def gentle(training, network):
    # Adam that does not blow the noise of a gradient up to a whole step.
    optimizer = FusedAdam(1e-3, 0.5, 0.999, epsilon=1e-3, name="adam")
    optimizer.build(network.trainable_variables)
    return optimizer

pg2.adam = gentle
folder = RunFolder(make_run(Path(tempfile.mkdtemp()) / "run", stages=(1,)))
KINDS = {
    "one_stage": ("G1+D", TINY.stage1, {},
                  dict(adversarial_loss="hinge", accumulate=2, ema=0.5)),
    "stage2": ("G1+G2+D", TINY.stage2, {"discriminator_norm": "spectral"},
               dict(finetune_generator1=True, clip_norm=0.05, ema=0.5, remat=True)),
}

def steps(kind, strategy):
    variant, training, model, options = KINDS[kind]
    config = tiny_config(variant=variant)
    model = dataclasses.replace(config.model, **model)
    config = RunConfig("tiny", "paper", model, variant)
    training = dataclasses.replace(training, **options)
    with strategy.scope():
        built = pg2.build(config, training, folder=folder)
        stepper = Stepper(built)
        data = tf.data.Dataset.from_tensors(network_batch(4, seed=1)).repeat(2)
        start = weights(built)
        for part in strategy.experimental_distribute_dataset(data):
            stepper.step(part)
        return start, weights(built), stepper.take_means()

def weights(built):
    networks = {**built.networks()._asdict(),
                **{f"{n.name}_average": n for n in built.averages.values()}}
    return {f"{name}/{w.path}": w.numpy()
            for name, n in networks.items() if n for w in n.weights}

one = tf.distribute.get_strategy()
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
report = {}
for kind in KINDS:
    (start, alone, values), (_, both, means) = steps(kind, one), steps(kind, two)
    moved = {}
    for name in alone:
        if name.endswith("kernel"):
            by = float(np.abs(alone[name] - start[name]).max())
            network = name.split("/")[0]
            moved[network] = max(moved.get(network, 0.0), by)
    report[kind] = {
        "weights": max(float(np.abs(alone[k] - both[k]).max()) for k in alone),
        "moved": moved,
        "losses": {k: [values[k], means[k]] for k in values},
    }
print("REPORT", json.dumps(report))
"""


@pytest.fixture(scope="module")
def report():
    return script_report(_SCRIPT)


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("one_stage", {"generator1", "generator1_average", "discriminator"}),
        (
            "stage2",
            {
                *("generator1", "generator1_average"),
                *("generator2", "generator2_average"),
                "discriminator",
            },
        ),
    ],
)
def test_two_devices_step_like_one(report, kind, changed):
    result = report[kind]
    assert result["weights"] < 2e-6
    for alone, both in result["losses"].values():
        assert both == pytest.approx(alone, rel=1e-5)
    assert {name for name, by in result["moved"].items() if by > 1e-5} == changed
