"""Chooses float32 or bfloat16 by measuring both on this machine.

A processor may support bfloat16 instructions and still compute slower with them, so the
instruction set does not tell which precision is faster.
"""

import dataclasses
import functools
import time
from collections import Counter
from collections.abc import Iterable

from pg2_tf.machine import arithmetic
from pg2_tf.machine.arithmetic import Operation, call_of, fastest
from pg2_tf.model.config import PRECISIONS, ModelConfig, TrainConfig
from pg2_tf.model.networks import build_networks

AUTO = "auto"
_SECONDS = 2.0
# A step also casts weights to bfloat16, so a small advantage is none.
_ADVANTAGE = 0.9
# Large enough to use all cores, small enough to measure many shapes.
_MOST_PAIRS = 4


@functools.lru_cache
def training_precision(
    config: ModelConfig, training: TrainConfig, *, adversarial: bool
) -> str:
    """Measures which precision trains a stage faster, and prints the result.

    The measurement times convolutions of the stage, forward and backward, in both
    precisions, for about two seconds.

    Args:
        config: The networks.
        training: The training of the stage. Its precision is ignored.
        adversarial: Whether the stage trains D.

    Returns:
        `float32` or `bfloat16`.
    """
    networks = build_networks(
        config, stage=training.stage, adversarial=adversarial, precision="bfloat16"
    )
    size = min(training.batch_size, _MOST_PAIRS)
    return _faster(arithmetic.operations(networks, training, batch_size=size))


@functools.lru_cache
def generation_precision(config: ModelConfig, *, stage: int) -> str:
    """Measures which precision generates faster, and prints the result.

    Args:
        config: The networks.
        stage: 1 for G1 alone, 2 for G1 and G2.

    Returns:
        `float32` or `bfloat16`.
    """
    networks = build_networks(config, stage=stage, precision="bfloat16")
    return _faster(arithmetic.forward_operations(networks, batch_size=1))


def _faster(counted: Counter[Operation]) -> str:
    seconds = measure(_largest_first(counted), seconds=_SECONDS)
    single, half = (seconds[name] for name in PRECISIONS)
    chosen = "bfloat16" if half < _ADVANTAGE * single else "float32"
    print(
        f"precision: {chosen}, measured on convolutions of the networks: float32 "
        f"{1e3 * single:.3g} ms, bfloat16 {1e3 * half:.3g} ms"
    )
    return chosen


def measure(
    operations: Iterable[tuple[Operation, int]], *, seconds: float
) -> dict[str, float]:
    """Times operations in both precisions until the time is used up.

    Args:
        operations: Operations and how often each is done.
        seconds: Time limit. At least one operation is measured.

    Returns:
        The total seconds of the measured operations for each precision.
    """
    total = dict.fromkeys(PRECISIONS, 0.0)
    started = time.perf_counter()
    for operation, times in operations:
        for name in PRECISIONS:
            call = call_of(dataclasses.replace(operation, dtype=name))
            total[name] += times * fastest(call, 0, least=2)
        if time.perf_counter() - started > seconds:
            break
    return total


def _largest_first(counted: Counter[Operation]) -> list[tuple[Operation, int]]:
    # Layers that always compute in float32 are the same in both.
    open_choice = [item for item in counted.items() if item[0].dtype == "bfloat16"]
    return sorted(open_choice, key=lambda item: -item[0].flops * item[1])
