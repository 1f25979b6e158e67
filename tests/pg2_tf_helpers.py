"""What the tests of pg2_tf share: tiny networks, run folders, commands. No tests."""

import dataclasses
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import app, flags
from tensorflow.core.util import event_pb2

from pg2_tf.model import presets
from pg2_tf.model.config import DEFAULT_VARIANT, ModelConfig, RunConfig
from pg2_tf.model.networks import Networks, build_networks
from pg2_tf.runs import original as authors
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import weights_of
from pg2_tf.training.callbacks import Cadence
from pg2_tf.training.loop import train_stage
from pg2_tf.training.pg2 import PG2

ROOT = Path(__file__).parents[1]
TINY = presets.preset("tiny")


class Result(NamedTuple):
    """How a command ended: exit status and what it printed."""

    status: int
    out: str
    err: str


def tiny_config(profile="paper", variant=DEFAULT_VARIANT) -> RunConfig:
    """Returns the configuration of a tiny run."""
    preset = presets.preset("tiny", profile=profile, variant=variant)
    return RunConfig("tiny", profile, preset.model, variant)


def random_networks(model, *, stage=2, adversarial=False, seed=0) -> Networks:
    """Builds networks in which no bias and no offset is zero."""
    networks = build_networks(model, stage=stage, adversarial=adversarial, seed=seed)
    randomise(networks, seed=seed)
    return networks


def randomise(networks, *, seed=0) -> None:
    """Moves biases and offsets away from zero."""
    rng = np.random.default_rng(seed)
    for network in filter(None, networks):
        for weight in network.weights:
            if len(weight.shape) == 1:
                weight.assign(weight + 0.1 * rng.uniform(-1, 1, weight.shape))


def make_run(path, *, config=None, stages=(1, 2), step=7, seed=0) -> Path:
    """Writes a run folder with random weights, as a training would leave it."""
    config = config or tiny_config()
    folder = RunFolder(path)
    folder.claim(config)
    networks = random_networks(config.model, seed=seed)
    for stage in stages:
        part = networks if stage == 2 else Networks(networks.generator1)
        place = str(folder.stage(stage).checkpoint_dir)
        checkpoint = tf.train.Checkpoint(**weights_of(part))
        tf.train.CheckpointManager(checkpoint, place, max_to_keep=1).save(step)
    return folder.path


def network_batch(count=4, *, size=(32, 32), seed=0) -> dict[str, tf.Tensor]:
    """Returns random inputs of the trainers."""
    rng = np.random.default_rng(seed)
    shape = (count, *size)
    arrays = {
        "source": rng.uniform(-1, 1, (*shape, 3)),
        "target": rng.uniform(-1, 1, (*shape, 3)),
        "heatmaps": np.where(rng.random((*shape, 18)) < 0.05, 1, -1),
        "mask": rng.random((*shape, 1)) < 0.4,
        "keypoints": random_poses(count, size=size, seed=seed),
    }
    return {key: tf.constant(value, tf.float32) for key, value in arrays.items()}


def random_poses(count, *, size=(32, 32), seed=0) -> np.ndarray:
    """Returns poses inside an image, a tenth of the keypoints missing."""
    rng = np.random.default_rng(seed)
    poses = np.ones((count, 18, 3), np.float32)
    poses[..., :2] = rng.uniform(0, 1, (count, 18, 2)) * (size[1] - 1, size[0] - 1)
    poses[rng.random((count, 18)) < 0.1] = 0
    return poses


def copies(weights) -> list[np.ndarray]:
    """Returns the values of weights as they are now."""
    return [weight.numpy() for weight in weights]


def same(old, new) -> bool:
    """True if two lists of arrays are equal bit for bit."""
    return all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))


def run_command(capsys, module, *arguments) -> Result:
    """Runs an entry point in this process, as `python -m` would."""
    if "help" not in flags.FLAGS:
        app.define_help_flags()
    known = set(flags.FLAGS)
    capsys.readouterr()
    argv, sys.argv = sys.argv, [module, *map(str, arguments)]
    flags.FLAGS.unparse_flags()
    status = 0
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.argv = argv
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)
    return Result(status, *capsys.readouterr())


def command_error(capsys, module, *arguments) -> str:
    """Runs an entry point that must end in one line of error; returns the line."""
    result = run_command(capsys, module, *arguments)
    assert result.status == 1, result
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.err
    assert "Traceback" not in result.err
    assert result.err.splitlines()[-1] == lines[0]
    return lines[0]


def run_script(text, *arguments, wait=True, **environment):
    """Runs Python code in a process of its own, from the root of the project."""
    process = subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if not wait:
        return process
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out
    return out


def script_report(text):
    """Runs Python code that prints a line of REPORT and JSON; returns that JSON."""
    lines = run_script(text).splitlines()
    line = next(line for line in lines if line.startswith("REPORT "))
    return json.loads(line.removeprefix("REPORT "))


# === Training ===

_SCHEDULE = Cadence(log_every=2, sample_every=4, checkpoint_every=3)
_PRESETS = {1: TINY.stage1, 2: TINY.stage2}


def train(
    run,
    data,
    stage,
    steps,
    *,
    profile="paper",
    variant=DEFAULT_VARIANT,
    every=_SCHEDULE,
    more=None,
    **changes,
):
    """Trains a tiny stage.

    Args:
        more: arguments of `train_stage`, by name.
        changes: of the preset's training.
    """
    training = dataclasses.replace(_PRESETS[stage], steps=steps, **changes)
    return train_stage(
        RunFolder(run),
        tiny_config(profile, variant),
        training,
        data_dir=data,
        cadence=every,
        strategy=tf.distribute.get_strategy(),
        **(more or {}),
    )


def checkpoint(run, stage, step):
    """Returns every array of a checkpoint but the one that TensorFlow numbers by."""
    path = RunFolder(run).stage(stage).checkpoint_dir / f"ckpt-{step}"
    reader = tf.train.load_checkpoint(str(path))
    names = sorted(
        name
        for name in reader.get_variable_to_shape_map()
        if name not in ("_CHECKPOINTABLE_OBJECT_GRAPH",) and "save_counter" not in name
    )
    return names, [reader.get_tensor(name) for name in names]


def metrics(run, stage):
    lines = (RunFolder(run).stage(stage).path / "metrics.jsonl").read_text()
    rows = [json.loads(line) for line in lines.splitlines()]
    for row in rows:
        assert row.pop("seconds_per_step") > 0
    return rows


def events_of(folder):
    """Returns every event but the pace as tag, step and value, sorted."""
    found = []
    for path in folder.iterdir():
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            for value in event.summary.value:
                content = tf.make_ndarray(value.tensor).tolist()
                if value.tag != "seconds_per_step":
                    found.append((value.tag, event.step, content))
    return sorted(found, key=lambda event: event[:2])


def steps_kept(run, stage):
    paths = RunFolder(run).stage(stage).checkpoints()
    return [int(path.rsplit("-", 1)[1]) for path in paths]


class GoldenModel(NamedTuple):
    """The authors' model: its weights by their names, and their batch and numbers."""

    config: ModelConfig
    stage1: PG2
    stage2: PG2
    weights: dict[str, Any]
    batch: dict[str, tf.Tensor]
    forward: Any


def golden_model(shared) -> GoldenModel:
    """Loads the authors' golden checkpoint and the batch that they ran it on."""
    place = shared / "golden" / "market_h16"
    forward = np.load(place / "forward.npz")
    base = presets.preset("market1501", profile="authors").model
    path = str(place / "model.ckpt-0")
    config = authors.model_config(base, authors.read_checkpoint(path))
    preset, run = (
        presets.preset("market1501", profile="authors"),
        RunConfig("market1501", "authors", config),
    )
    stage2 = PG2(run, preset.stage2)
    networks = stage2.networks()
    authors.assign(networks, config, path)
    # Both stages train the same G1, as the released code does.
    stage1 = PG2(run, preset.stage1, networks=Networks(networks.generator1))
    weights = {
        name: weight
        for layer, names in authors.origins(networks, config)
        for name, weight in zip(names, layer.trainable_weights, strict=True)
    }
    names = {
        "source": "x",
        "target": "x_target",
        "heatmaps": "pose_target",
        "mask": "mask_target",
    }
    batch = {ours: tf.constant(forward[theirs]) for ours, theirs in names.items()}
    return GoldenModel(config, stage1, stage2, weights, batch, forward)
