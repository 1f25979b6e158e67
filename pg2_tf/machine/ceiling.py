"""How fast this machine computes matrix products and convolutions by themselves."""

import time
from collections import Counter
from collections.abc import Callable

import tensorflow as tf
from tqdm import tqdm

from pg2_tf.machine.arithmetic import Operation

_PRODUCT = 2048
_LEAST_CALLS = 3


def product_rate(dtype: str, *, seconds: float, size: int = _PRODUCT) -> float:
    """Returns the rate of a large square matrix product, in operations a second.

    Args:
        dtype: that it computes in.
        seconds: how long it is repeated.
        size: rows and columns of the matrices.
    """
    shape = (size, size)
    each = Operation(shape, shape, shape, stride=1, dtype=dtype)
    return each.flops / fastest(call_of(each), seconds)


def seconds_alone(counted: Counter[Operation], *, seconds: float) -> float:
    """Returns how long the operations take when each runs by itself, in sum.

    Args:
        counted: the operations, and how often each is done.
        seconds: how long all of them together are repeated, about.
    """
    share = seconds / len(counted)
    with tqdm(counted.items(), desc="operations alone", unit=" shapes") as each:
        return sum(
            times * fastest(call_of(operation), share) for operation, times in each
        )


def fastest(
    call: Callable[[], object], seconds: float, *, least: int = _LEAST_CALLS
) -> float:
    """Returns the seconds of the fastest call: what else runs makes it no faster.

    Args:
        call: is called once before.
        seconds: how long it is repeated.
        least: how often at least.
    """
    call()
    best, started, calls = float("inf"), time.perf_counter(), 0
    while calls < least or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - before)
        calls += 1
    return best


def call_of(operation: Operation) -> Callable[[], object]:
    """Returns what does an operation once, on random numbers, and waits for it."""
    inputs, kernel, outputs = (
        tf.Variable(
            tf.cast(tf.random.stateless_normal(shape, seed=(0, 1)), operation.dtype)
        )
        for shape in (operation.inputs, operation.kernel, operation.outputs)
    )
    compute = _product if len(operation.kernel) == 2 else _convolution

    @tf.function(autograph=False)
    def run():
        # A sum instead of the whole result need not be copied to be waited for.
        result = compute(operation, inputs, kernel, outputs)
        return tf.reshape(result, [-1])[0]

    return lambda: run().numpy()


def _product(
    operation: Operation, inputs: tf.Tensor, kernel: tf.Tensor, outputs: tf.Tensor
) -> tf.Tensor:
    if operation.direction == "forward":
        return tf.matmul(inputs, kernel)
    if operation.direction == "input gradient":
        return tf.matmul(outputs, kernel, transpose_b=True)
    return tf.matmul(inputs, outputs, transpose_a=True)


def _convolution(
    operation: Operation, inputs: tf.Tensor, kernel: tf.Tensor, outputs: tf.Tensor
) -> tf.Tensor:
    how = {"strides": [1, operation.stride, operation.stride, 1], "padding": "SAME"}
    if operation.direction == "forward":
        return tf.nn.conv2d(inputs, kernel, **how)
    if operation.direction == "input gradient":
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=operation.inputs,
            filter=kernel,
            out_backprop=outputs,
            **how,
        )
    return tf.raw_ops.Conv2DBackpropFilter(
        input=inputs, filter_sizes=operation.kernel, out_backprop=outputs, **how
    )
