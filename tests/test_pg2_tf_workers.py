"""Several processes that train together end with the weights of one."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
from conftest import build_people
from pg2_tf_helpers import ROOT, checkpoint, command_error, metrics, steps_kept

from pg2_tf.data import dataset
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training import workers
from preprocessing.system.errors import InputError

_STEPS = 10
_FLAGS = (
    "--dataset=tiny",
    "--batch_size=6",
    "--validate_every=4",
    "--num_validation_pairs=2",
    "--checkpoint_every=4",
    "--sample_every=5",
    "--log_every=3",
)
_PATIENCE = 300


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """18 drawn people whose training images lie in 4 shards."""
    return build_people(tmp_path_factory.mktemp("workers") / "data", identities=12)


def free_ports(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def start(flags, **environment):
    return subprocess.Popen(
        [sys.executable, "tests/pg2_tf_worker.py", *flags],
        cwd=ROOT,
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": ".",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(processes):
    """Returns exit status and output of each."""
    ends = []
    for process in processes:
        try:
            out, _ = process.communicate(timeout=_PATIENCE)
        finally:
            process.kill()
        ends.append((process.returncode, out))
    return ends


def train(data, run, *flags, count=1, own=None):
    """Trains in `count` processes.

    Args:
        own: environment variables of one of them, by its number.

    Returns:
        Exit status and output of each.
    """
    flags = (*_FLAGS, f"--data_dir={data}", *flags)
    if count == 1:
        return finish([start((*flags, f"--run_dir={run}"))])
    return together(flags, [run] * count, own=own)


def together(flags, runs, *, own=None):
    """Trains in as many processes as there are run folders, each with its own."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(len(runs))]}
    return finish(
        [
            start(
                (*flags, f"--run_dir={run}", "--strategy=multi_worker"),
                TF_CONFIG=config(index=index, **cluster),
                **(own or {}).get(index, {}),
            )
            for index, run in enumerate(runs)
        ]
    )


def config(kind="worker", index=0, **cluster):
    task = {"type": kind, "index": index}
    return json.dumps({"cluster": cluster, "task": task})


def differences(run, other, stage, step=_STEPS):
    """Returns the differences of all numbers in two checkpoints."""
    (names, arrays), (others, values) = (
        checkpoint(each, stage, step) for each in (run, other)
    )
    assert names == others
    pairs = [
        (a.astype(float).ravel(), b.astype(float).ravel())
        for a, b in zip(arrays, values, strict=True)
        if a.dtype != object and np.issubdtype(a.dtype, np.floating)
    ]
    return np.abs(np.concatenate([a - b for a, b in pairs]))


def difference(run, other, stage, step=_STEPS):
    """Returns the largest difference of any number in two checkpoints."""
    return float(differences(run, other, stage, step).max())


@pytest.mark.parametrize("count", [2, 3])
def test_workers_end_with_the_weights_of_one_process(count, data_dir, tmp_path):
    alone, run = tmp_path / "alone", tmp_path / "run"
    flags = (f"--steps={_STEPS}", f"--shard_groups={count}")
    ((status, out),) = train(data_dir, alone, *flags)
    assert status == 0, out
    ends = train(data_dir, run, *flags[:1], count=count)
    for status, out in ends:
        assert status == 0, out
    assert difference(alone, run, 1) < 1e-5
    # Adam turns a gradient that is only rounding error, such as that of a bias before
    # batch normalisation, into a whole step.
    stage2 = differences(alone, run, 2)
    assert np.quantile(stage2, 0.9) < 1e-5
    assert stage2.max() < 5e-3
    for stage in (1, 2):
        assert [r["step"] for r in metrics(run, stage)] == [3, 6, 9, 10]


def test_job_that_lost_a_worker_goes_on_from_its_checkpoint(data_dir, tmp_path):
    alone, run = tmp_path / "alone", tmp_path / "run"
    flags = ("--stage=1", f"--steps={_STEPS}")
    ((status, out),) = train(data_dir, alone, *flags, "--shard_groups=2")
    assert status == 0, out
    (status, out), (killed, _) = train(
        data_dir, run, *flags, count=2, own={1: {"KILLED_AT": "6"}}
    )
    assert killed == -9
    assert status == 143, out
    assert "error: worker 0 of 2 has lost another" in out
    assert steps_kept(run, 1) == [4]
    (status, out), (other, _) = train(data_dir, run, *flags, count=2)
    assert (status, other) == (0, 0), out
    assert "Resuming from step 4" in out
    assert difference(alone, run, 1) < 1e-5
    assert [r["step"] for r in metrics(run, 1)] == [3, 6, 9, 10]


def test_signal_to_one_worker_ends_all_after_the_same_step(data_dir, tmp_path):
    run = tmp_path / "run"
    flags = ("--stage=1", "--steps=40", "--log_every=5", "--validate_every=0")
    flags += ("--checkpoint_every=40", "--sample_every=40")
    ends = train(data_dir, run, *flags, count=2, own={1: {"ENDED_AT": "2"}})
    for status, out in ends:
        assert status == 143, out
        assert "stopped at step 5; run the same command to resume" in out
    assert steps_kept(run, 1) == [5]


def test_workers_that_do_not_see_the_same_folder_are_told(data_dir, tmp_path):
    flags = ("--stage=1", "--steps=4")
    ((status, out),) = train(data_dir, tmp_path / "run0", *flags, "--shard_groups=2")
    assert status == 0, out
    flags = (*_FLAGS, f"--data_dir={data_dir}", "--stage=1", "--steps=8")
    ends = together(flags, [tmp_path / "run0", tmp_path / "run1"])
    for status, out in ends:
        assert status != 0
        assert "the workers do not agree on the step ([4, 0])" in out


# === What each reads ===


def test_groups_divide_the_shards_by_their_pairs(data_dir):
    manifest = json.loads((data_dir / "manifest.json").read_text())
    pairs = [shard["pairs"] for shard in manifest["splits"]["train"]["shards"]]
    for count in (1, 2, 3):
        groups = dataset.shard_groups(data_dir, "train", count=count)
        assert sorted(number for group in groups for number in group) == list(
            range(len(pairs))
        )
        sizes = [sum(pairs[number] for number in group) for group in groups]
        assert max(sizes) - min(sizes) <= max(pairs)
    with pytest.raises(InputError, match=r"shards with pairs, which cannot be read in"):
        dataset.shard_groups(data_dir, "train", count=9)


def test_split_of_some_shards_holds_their_images_and_pairs_alone(data_dir):
    whole = dataset.read_split(data_dir, "train", image_size=(32, 32))
    parts = [
        dataset.read_split(data_dir, "train", image_size=(32, 32), shards=group)
        for group in dataset.shard_groups(data_dir, "train", count=2)
    ]

    def named(split):
        return {(split.names[a], split.names[b]) for a, b in split.pairs.tolist()}

    assert named(parts[0]) | named(parts[1]) == named(whole)
    assert not named(parts[0]) & named(parts[1])
    assert sorted(parts[0].names + parts[1].names) == sorted(whole.names)


# === TF_CONFIG ===


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (config(index=1, worker=["a:1", "b:1"]), workers.Workers(2, 1)),
        (config("chief", chief=["a:1"], worker=["b:1"]), workers.Workers(2, 0)),
        (config(chief=["a:1"], worker=["b:1", "c:1"]), workers.Workers(3, 1)),
    ],
)
def test_environment_names_the_workers(text, expected, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    assert workers.from_environment() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        config(index=2, worker=["a:1", "b:1"]),
        config(index=-1, worker=["a:1", "b:1"]),
        config("ps", ps=["a:1"], worker=["b:1"]),
        config(worker=["nowhere"]),
        config(worker="a:1"),
    ],
)
def test_environment_that_names_no_workers_is_refused(text, monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", text)
    line = command_error(
        capsys, "pg2_tf.train", "--dataset=tiny", "--strategy=multi_worker"
    )
    assert "TF_CONFIG" in line
    assert 'it looks like {"cluster": {"worker": ["host0:2222"' in line


# === Devices and shares ===


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--devices=TPU:0",), "--devices=TPU:0: expected GPU:0, or 0, or CPU:0"),
        (("--devices=CPU:0,GPU:0",), "CPUs or GPUs, and each of them once"),
        (("--devices=0,GPU:0",), "CPUs or GPUs, and each of them once"),
        (("--devices=CPU:1",), "CPUs are numbered from CPU:0 on"),
        (("--devices=GPU:97",), "no GPU:97; TensorFlow finds"),
        (("--batch_size=6", "--shard_groups=4"), "multiple of the 4 groups of shards"),
        (("--shard_groups=0",), "shard_groups 0: must be at least 1"),
    ],
)
def test_devices_and_shares_that_cannot_be_are_refused(
    flags, told, data_dir, tmp_path, capsys
):
    place = (f"--data_dir={data_dir}", f"--run_dir={tmp_path}/run")
    line = command_error(capsys, "pg2_tf.train", "--dataset=tiny", *place, *flags)
    assert told in line
    assert not RunFolder(tmp_path / "run").path.exists()


def test_command_trains_on_the_cpu_as_two_devices(data_dir, tmp_path):
    run = tmp_path / "run"
    flags = ("--stage=1", "--steps=2", "--batch_size=5")
    ((status, out),) = train(data_dir, run, *flags, "--devices=CPU:0,CPU:1")
    assert status == 1
    assert "batch_size 5: must be a multiple of the 2 devices" in out
    ((status, out),) = train(data_dir, run, *flags[:2], "--devices=CPU:0,CPU:1")
    assert status == 0, out
    assert steps_kept(run, 1) == [2]
