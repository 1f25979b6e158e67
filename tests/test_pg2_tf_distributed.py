"""Several devices must do to a global batch what one does."""

import pytest
from pg2_tf_helpers import script_report

# Logical devices must be made before TensorFlow starts: a process of its own.
_SCRIPT = """
import dataclasses, json, sys, tempfile
from pathlib import Path
sys.path.insert(0, "tests")
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * COUNT)
import keras
import numpy as np
from keras.src import dtype_policies
from conftest import build_people
from pg2_tf_helpers import network_batch, tiny_config, TINY
from pg2_tf_trainers import pg2
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training.callbacks import Cadence
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.pg2 import PG2
from pg2_tf.training.loop import train_stage
from pg2_tf.training.updates import FusedAdam
from preprocessing.system.errors import InputError

def adam():
    return FusedAdam(1e-3, 0.5, 0.999, epsilon=1e-3)

def papers_adam():
    return keras.optimizers.Adam(1e-3, 0.5, 0.999, epsilon=1e-8)

def train(kind, strategy, optimizer=adam, pairs=60):
    with strategy.scope():
        model = pg2(1 if kind == "stage1" else 2, profile_of(kind), optimizer=optimizer)
        networks = [n for n in model.networks() if n is not None]
        start = named(networks)
        stepper = Stepper(model)
        batch = network_batch(pairs, seed=1)
        if kind == "authors":
            batch = (batch, network_batch(pairs, seed=2))
        data = tf.data.Dataset.from_tensor_slices(batch).batch(6)
        data = data.map(lambda *parts: parts if len(parts) > 1 else parts[0])
        for part in strategy.experimental_distribute_dataset(data):
            stepper.step(part)
        return start, named(networks), stepper.take_means()

def profile_of(kind):
    return "authors" if kind == "authors" else "paper"

def named(networks):
    return {f"{n.name}/{w.path}": w.numpy() for n in networks for w in n.weights}

one = tf.distribute.get_strategy()
several = tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(COUNT)])
assert several.num_replicas_in_sync == COUNT
report = {}
for kind in ("stage1", "stage2", "authors"):
    (start, alone, values), (_, weights, means) = train(kind, one), train(kind, several)
    report[kind] = {
        "weights": max(float(np.abs(alone[k] - weights[k]).max()) for k in alone),
        "statistics": max([float(np.abs(alone[k] - weights[k]).max())
                          for k in alone if "moving" in k] + [0.0]),
        "moved": {k.split("/")[0]: float(np.abs(alone[k] - start[k]).max())
                  for k in alone if k.endswith("kernel")},
        "losses": {k: [values[k], means[k]] for k in values},
    }

# Everything in float64 from here on, with the paper's Adam.
policy, prepare = dtype_policies.get, PG2._prepare
dtype_policies.get = lambda identifier: policy("float64")
PG2._prepare = lambda self, batch: {
    name: tf.cast(value, "float64") for name, value in prepare(self, batch).items()}
for kind in ("stage1", "stage2", "authors"):
    (start, alone, _), (_, weights, _) = (
        train(kind, each, papers_adam, 24) for each in (one, several))
    assert {w.dtype for w in weights.values()} == {np.dtype("float64")}
    report[kind]["exact"] = max(
        float(np.abs(alone[k] - weights[k]).max()) for k in alone)
dtype_policies.get, PG2._prepare = policy, prepare

place = Path(tempfile.mkdtemp())
try:
    train_stage(RunFolder(place / "run"), tiny_config(),
                dataclasses.replace(TINY.stage1, batch_size=7),
                data_dir=build_people(place / "data"), cadence=Cadence(),
                strategy=several)
except InputError as error:
    report["error"] = str(error)
report["left"] = (place / "run").exists()
print("REPORT", json.dumps(report))
"""


@pytest.fixture(scope="module", params=[2, 3])
def report(request):
    # In one process devices can be grouped in one way alone.
    return {
        "count": request.param,
        **script_report(f"COUNT = {request.param}{_SCRIPT}"),
    }


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("stage1", {"generator1"}),
        ("stage2", {"generator2", "discriminator"}),
        ("authors", {"generator2", "discriminator"}),
    ],
)
def test_several_devices_train_ten_steps_like_one(report, kind, changed):
    result = report[kind]
    assert result["weights"] < 1e-6
    assert result["statistics"] < 1e-6
    for alone, several in result["losses"].values():
        assert several == pytest.approx(alone, rel=1e-5)
    assert {name for name, by in result["moved"].items() if by > 1e-5} == changed


@pytest.mark.parametrize("kind", ["stage1", "stage2", "authors"])
def test_papers_adam_makes_the_same_steps_up_to_rounding(report, kind):
    """With epsilon 1e-8 in float32, devices differ by rounding that Adam amplifies.

    Adam divides a gradient by its own size, so that one which is nothing but rounding
    errors (the bias of a convolution in front of batch normalisation) becomes a whole
    step: 2e-2 after ten steps of 1e-3, and up to 6e-3 in the weights that follow. In
    float64 the rounding is 1e9 times smaller, and so is the difference.
    """
    assert report[kind]["exact"] < 1e-9


def test_batch_that_does_not_divide_is_refused_before_anything_is_written(report):
    told = f"batch_size 7: must be a multiple of the {report['count']} devices"
    assert told in report["error"]
    assert not report["left"]
