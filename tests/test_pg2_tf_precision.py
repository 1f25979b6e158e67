"""The precision that a machine computes faster is measured, and kept by a run."""

import json

import pytest
from absl import flags
from pg2_tf_helpers import TINY, run_command

from pg2_tf import train_flags
from pg2_tf.machine import precision
from pg2_tf.machine.arithmetic import Operation


@pytest.fixture
def measured(monkeypatch):
    """Lets the test say how long a precision takes; counts the measurements."""
    seconds, calls = {"float32": 1.0, "bfloat16": 1.0}, []

    def fastest(call, limit, *, least):
        calls.append(call)
        return seconds[call]

    monkeypatch.setattr(precision, "call_of", lambda operation: operation.dtype)
    monkeypatch.setattr(precision, "fastest", fastest)
    precision.training_precision.cache_clear()
    precision.generation_precision.cache_clear()
    yield seconds, calls
    precision.training_precision.cache_clear()
    precision.generation_precision.cache_clear()


@pytest.mark.parametrize(
    ("bfloat16", "expected"), [(0.5, "bfloat16"), (0.95, "float32"), (2.8, "float32")]
)
def test_the_faster_precision_is_chosen(measured, capsys, bfloat16, expected):
    measured[0]["bfloat16"] = bfloat16
    for training in (TINY.stage1, TINY.stage2):
        chosen = precision.training_precision(TINY.model, training, adversarial=False)
        assert chosen == expected
    assert precision.generation_precision(TINY.model, stage=2) == expected
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"precision: {expected}, measured on") for line in lines)


def test_real_operations_are_timed_until_the_time_is_up():
    shape = (1, 8, 8, 4)
    one = Operation(shape, (3, 3, 4, 4), shape, stride=1, dtype="bfloat16")
    timed = []

    def operations():
        for _ in range(1000):
            timed.append(one)
            yield one, 2

    total = precision.measure(operations(), seconds=0.2)
    assert set(total) == {"float32", "bfloat16"}
    assert min(total.values()) > 0
    assert len(timed) < 1000


def test_a_resumed_training_keeps_its_precision(measured, capsys, people_dir, tmp_path):
    command = [
        *("--dataset=tiny", "--stage=1", "--precision=auto"),
        *(f"--data_dir={people_dir}", f"--run_dir={tmp_path}/run"),
        *("--num_validation_pairs=2", "--validate_every=0", "--sample_every=100"),
    ]
    measured[0]["bfloat16"] = 0.5
    result = run_command(capsys, "pg2_tf.train", *command, "--steps=1")
    assert result.status == 0, result
    count = len(measured[1])
    measured[0]["bfloat16"] = 5.0
    precision.training_precision.cache_clear()
    result = run_command(capsys, "pg2_tf.train", *command, "--steps=2")
    assert result.status == 0, result
    options = json.loads((tmp_path / "run" / "stage1" / "options.json").read_text())
    assert options["training"]["precision"] == "bfloat16"
    assert len(measured[1]) == count


def test_workers_cannot_choose_for_themselves(capsys, tmp_path, monkeypatch):
    cluster = {"cluster": {"worker": ["localhost:1", "localhost:2"]}}
    task = {"task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps({**cluster, **task}))
    flags = [
        "--dataset=tiny",
        "--precision=auto",
        "--strategy=multi_worker",
        "--dry_run",
    ]
    result = run_command(capsys, "pg2_tf.train", *flags, f"--run_dir={tmp_path}")
    assert result.status == 1
    assert "--precision=auto: workers may measure differently" in result.err


def test_a_flag_without_a_value_leaves_the_preset_alone(monkeypatch):
    monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
    for name in ("integer", "float", "boolean", "enum"):
        define = getattr(flags, f"DEFINE_{name}")
        monkeypatch.setattr(
            train_flags.flags,
            f"DEFINE_{name}",
            lambda *args, define=define, **options: define(
                *args, flag_values=flags.FLAGS, **options
            ),
        )
    defined = train_flags.define_training()
    assert {flag.default for flag in defined.values()} == {None}
