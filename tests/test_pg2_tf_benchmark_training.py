"""What a training step computes and keeps is counted right, and its benchmark runs."""

import dataclasses
import json
import math
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import TINY, command_error, make_run, run_command, tiny_config

from pg2_tf.machine import arithmetic, isolated
from pg2_tf.machine.arithmetic import DIRECTIONS, Operation
from pg2_tf.model.config import RunConfig
from pg2_tf.model.networks import build_networks
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training import pg2

MODULE = "pg2_tf.benchmark"
BATCH = 4
TRAININGS = {
    "stage 1": (TINY.stage1, {}, {}),
    "stage 1 with heatmaps apart": (TINY.stage1, {"pose_embedding": "heatmap"}, {}),
    "stage 2": (TINY.stage2, {}, {}),
    "stage 2 that trains G1": (TINY.stage2, {}, {"finetune_generator1": True}),
    "stage 2 in bfloat16": (TINY.stage2, {}, {"precision": "bfloat16"}),
}


def build(kind, place):
    training, model, options = TRAININGS[kind]
    config = tiny_config()
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, **model)
    )
    training = dataclasses.replace(training, **options)
    folder = RunFolder(make_run(place / "run", config=config, stages=(1,)))
    return config, training, pg2.build(config, training, folder=folder)


def raw_batch(config: RunConfig):
    size = config.model.image_size
    rng = np.random.default_rng(0)
    return {
        "source": tf.constant(rng.integers(0, 256, (BATCH, *size, 3)), tf.uint8),
        "target": tf.constant(rng.integers(0, 256, (BATCH, *size, 3)), tf.uint8),
        "keypoints": tf.constant(rng.uniform(1, 30, (BATCH, 18, 3)), tf.float32),
        "mask": tf.ones((BATCH, *size, 1), tf.uint8),
    }


def traced(config, model):
    """Returns the floating point operations in the graph of a step, by kind of node."""
    batch = raw_batch(config)
    graph = tf.function(lambda: model.update(batch)).get_concrete_function().graph
    flops = Counter()
    for node in executed(graph):
        shapes = [tensor.shape for tensor in (*node.inputs, *node.outputs)]
        if node.type == "Conv2D":
            _, kernel, out = shapes
        elif node.type == "Conv2DBackpropInput":
            _, kernel, out, _ = shapes
        elif node.type == "Conv2DBackpropFilter":
            _, _, out, kernel = shapes
        elif node.type == "MatMul":
            a, _, out = shapes
            turned = node.get_attr("transpose_a")
            flops["MatMul"] += 2 * math.prod(out) * a[0 if turned else 1]
            continue
        else:
            continue
        flops[node.type] += 2 * math.prod(out) * math.prod(kernel[:3])
    return flops


def executed(graph):
    """Returns the nodes that a call computes; nobody asks for the results of others."""
    asked = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    found = set()
    while asked:
        node = asked.pop()
        if node not in found:
            found.add(node)
            asked += [tensor.op for tensor in node.inputs] + node.control_inputs
    return found


@pytest.mark.parametrize("kind", TRAININGS)
def test_counted_operations_are_those_of_the_step_itself(kind, tmp_path):
    config, training, built = build(kind, tmp_path)
    counted = arithmetic.operations(built.networks(), training, batch_size=BATCH)
    nodes = {
        "forward": "Conv2D",
        "input gradient": "Conv2DBackpropInput",
        "filter gradient": "Conv2DBackpropFilter",
    }
    flops = Counter()
    for each, times in counted.items():
        product = len(each.kernel) == 2
        flops["MatMul" if product else nodes[each.direction]] += each.flops * times
    assert flops == traced(config, built)
    assert arithmetic.total_flops(counted) == sum(flops.values())
    assert {each.dtype for each in counted} <= {"float32", training.precision}


def test_flops_of_a_convolution_and_a_product():
    convolution = Operation(
        (2, 8, 8, 3), (3, 3, 3, 5), (2, 4, 4, 5), stride=2, dtype="float32"
    )
    assert convolution.flops == 2 * (2 * 4 * 4 * 5) * (3 * 3 * 3)
    product = Operation((2, 7), (7, 5), (2, 5), stride=1, dtype="float32")
    assert product.flops == 2 * 2 * 7 * 5


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_operation_of_a_step_can_be_done_alone(direction, tmp_path):
    _, training, built = build("stage 2", tmp_path)
    counted = arithmetic.operations(built.networks(), training, batch_size=BATCH)
    those = Counter({k: n for k, n in counted.items() if k.direction == direction})
    assert those
    assert arithmetic.seconds_alone(those, seconds=0.01) > 0
    for each in those:
        assert np.isfinite(arithmetic.call_of(each)())


def test_predicted_memory_of_weights_is_that_of_the_variables(tmp_path):
    _, training, built = build("stage 2", tmp_path)
    predicted = arithmetic.predicted_bytes(built.networks(), training, batch_size=BATCH)
    networks = built.networks()
    assert predicted["weights"] == 4 * sum(n.count_params() for n in networks)
    moments = [
        variable
        for name, optimizer in built.training_state().items()
        for variable in optimizer.variables
        if variable.shape.rank
    ]
    sizes = 4 * sum(math.prod(variable.shape) for variable in moments)
    # D's moving statistics have no moments.
    still = 4 * sum(math.prod(w.shape) for w in networks[2].non_trainable_weights)
    assert predicted["Adam's moments"] == sizes + 2 * still


def test_what_saves_memory_keeps_fewer_activations():
    networks = build_networks(TINY.model, stage=1)
    kept = {
        name: arithmetic.predicted_bytes(
            networks, dataclasses.replace(TINY.stage1, **options), batch_size=8
        )["activations"]
        for name, options in {
            "plain": {},
            "bfloat16": {"precision": "bfloat16"},
            "remat": {"remat": True},
            "parts": {"accumulate": 4},
        }.items()
    }
    assert kept["parts"] * 4 == kept["plain"]
    assert kept["remat"] < 0.75 * kept["plain"]
    half = build_networks(TINY.model, stage=1, precision="bfloat16")
    narrow = arithmetic.predicted_bytes(half, TINY.stage1, batch_size=8)["activations"]
    assert 0.5 <= narrow / kept["plain"] < 0.6


def test_command_measures_both_stages_in_both_precisions(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        isolated, "call", lambda function, *arguments, **_: function(*arguments)
    )
    flags = ("--what=train", "--quick", f"--out={tmp_path}")
    told = run_command(capsys, MODULE, *flags)
    assert told.status == 0, told
    cases = json.loads((tmp_path / "benchmark.json").read_text())["benchmarks"]["train"]
    assert [case["case"] for case in cases] == [
        f"tiny stage {stage}, {precision}, width 4, batch 4"
        for precision in ("float32", "bfloat16")
        for stage in (1, 2)
    ]
    for case in cases:
        values = {figure["name"]: figure["value"] for figure in case["figures"]}
        for name in ("step", "images", "share of the operations alone"):
            assert values[name] > 0
        assert 0 <= values["waiting for batches"] < 100
        assert case["case"] in told.out
    told = run_command(
        capsys, MODULE, *flags, "--precision=float32", "--batch_size=2", "--remat"
    )
    assert "tiny stage 1, float32, width 4, batch 2, remat" in told.out
    assert "stage 1, bfloat16" not in told.out


def test_whole_trainings_follow_from_rates(monkeypatch):
    measured = {(1, "float32"): 1e12}
    tiny = dataclasses.replace(TINY, stage1=dataclasses.replace(TINY.stage1, steps=9))
    monkeypatch.setattr("pg2_tf.benchmarks.training.presets.preset", lambda name: tiny)
    from pg2_tf.benchmarks import training

    figures = training._trainings(measured).figures
    networks = build_networks(TINY.model, stage=1)
    counted = arithmetic.operations(networks, TINY.stage1, batch_size=4)
    expected = arithmetic.total_flops(counted) * 9 / 1e12 / 3600
    assert [figure.value for figure in figures] == pytest.approx([expected] * 3)


@pytest.mark.parametrize(
    "flags",
    [("--accumulate=0",), ("--precision=float16",), ("--preset=none",)],
)
def test_wrong_options_are_refused(flags, capsys):
    told = run_command(capsys, MODULE, "--what=train", *flags)
    assert told.status == 1
    assert flags[0].split("=")[0].lstrip("-") in told.err + told.out


def test_batch_that_cannot_be_divided_is_refused(capsys, tmp_path):
    flags = ("--what=train", "--quick", f"--out={tmp_path}", "--accumulate=3")
    line = command_error(capsys, MODULE, *flags)
    assert "batch_size 4: must be a multiple of 3 parts" in line
