"""PG2 in `fit`, `evaluate` and `predict` under MirroredStrategy."""

import pytest
from pg2_tf_helpers import script_report

# Logical devices must be made before TensorFlow starts: a process of its own.
_SCRIPT = """
import json, sys, tempfile
from pathlib import Path
sys.path.insert(0, "tests")
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * COUNT)
import keras
import numpy as np
from pg2_tf_helpers import copies, network_batch, same
from pg2_tf_trainers import gentle_adam, pg2

def batches(model, **options):
    data = [
        tf.data.Dataset.from_tensor_slices(network_batch(15, seed=seed)).batch(
            6, **{"drop_remainder": True, **options})
        for seed in range(2 if model.takes_two_batches else 1)]
    return tf.data.Dataset.zip(tuple(data)) if len(data) > 1 else data[0]

def fitted(strategy, stage, profile, variant):
    with strategy.scope():
        model = pg2(stage, profile, variant)
    data = batches(model)
    losses = model.fit(data, epochs=1, validation_data=data, verbose=0).history
    return model, losses, model.predict(data, verbose=0)

one = tf.distribute.get_strategy()
several = tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(COUNT)])
assert several.num_replicas_in_sync == COUNT
report = {}
for case in CASES:
    alone, losses, images = fitted(one, *case)
    model, others, made = fitted(several, *case)
    assert losses.keys() == others.keys()
    report[" ".join(map(str, case))] = {
        "weights": max(float(np.abs(a - b).max()) for a, b in
                       zip(copies(alone.weights), copies(model.weights), strict=True)),
        "losses": max(abs(losses[k][0] / others[k][0] - 1) for k in losses),
        "images": max(float(np.abs(images[k] - made[k]).max()) for k in images)}

place = Path(tempfile.mkdtemp())
data = batches(model)
callbacks = [keras.callbacks.ModelCheckpoint(place / "{epoch}.keras"),
             keras.callbacks.BackupAndRestore(
                 place / "backup", delete_checkpoint=False),
             keras.callbacks.TensorBoard(place / "events"),
             keras.callbacks.EarlyStopping(patience=3),
             keras.callbacks.CSVLogger(place / "log.csv")]
model.fit(data, epochs=1, validation_data=data, callbacks=callbacks, verbose=0)
with several.scope():
    saved = keras.saving.load_model(place / "1.keras")
    restored = pg2(*CASES[-1])
report["saved"] = same(copies(model.weights), copies(saved.weights))
model.export(place / "served")
served = tf.saved_model.load(place / "served" / "1").signatures["raw"]
batch = network_batch(6)
images = served(image=batch["source"], heatmaps=batch["heatmaps"])
made = model.predict(batch, verbose=0)
report["exported"] = max(float(np.abs(images[k] - made[k]).max()) for k in made)
for each in (model, saved):
    each.fit(data, epochs=1, verbose=0)
restored.fit(data, epochs=2, callbacks=callbacks[1:2], verbose=0)
report["continued"] = [same(copies(model.weights), copies(each.weights))
                       for each in (saved, restored)]
try:
    model.fit(batches(model, drop_remainder=False), verbose=0)
except ValueError as error:
    report["error"] = str(error)
print("REPORT", json.dumps(report))
"""
_STAGE2 = [(2, "authors", "G1+G2+D"), (2, "paper", "G1+G2+D")]
# Without D both profiles take the same step, and G1-poseMaskLoss is stage 1 of G1+G2+D.
_OTHERS = [
    *((1, "paper", "G1-CE-L1"), (1, "paper", "G1-HME-L1"), (1, "paper", "G1-L1")),
    *((1, "paper", "G1+G2+D"), (1, "authors", "G1+D"), (1, "paper", "G1+D")),
]
_CASES = {1: _STAGE2, 2: [*_OTHERS, *_STAGE2], 3: _STAGE2}


@pytest.fixture(scope="module", params=_CASES)
def report(request):
    # In one process devices can be grouped in one way alone.
    cases = _CASES[request.param]
    script = f"COUNT, CASES = {request.param}, {cases}{_SCRIPT}"
    return request.param, cases, script_report(script)


def test_every_stage_is_fitted_on_several_devices_as_on_one(report):
    _, cases, found = report
    for case in cases:
        differences = found[" ".join(map(str, case))]
        assert differences["weights"] < 1e-6, case
        assert differences["losses"] < 1e-4, case
        assert differences["images"] < 1e-5, case


def test_callbacks_save_and_restore_under_a_strategy(report):
    _, _, found = report
    assert found["saved"]
    assert found["exported"] < 1e-5
    assert found["continued"] == [True, True]


def test_batches_that_leave_a_device_without_a_pair_are_refused(report):
    count, _, found = report
    if count == 1:
        assert "error" not in found
    else:
        assert f"{count} replicas need batches of one size" in found["error"]
