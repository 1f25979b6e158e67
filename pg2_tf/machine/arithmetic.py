"""Arithmetic and memory of training steps, counted, and rates of this machine."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf
from tqdm import tqdm

from pg2_tf.model.config import TrainConfig
from pg2_tf.model.networks import Networks

Direction = Literal["forward", "input gradient", "filter gradient"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "input gradient", "filter gradient")
_PRODUCT = 2048
_LEAST_CALLS = 3


@dataclass(frozen=True)
class Operation:
    """A convolution or a matrix product in one direction.

    Attributes:
        inputs: Shape with the batch: [B, H, W, C], or [B, C] of a matrix product.
        kernel: Shape: [h, w, C, filters], or [C, units].
        outputs: Shape with the batch.
        stride: Stride of a convolution; 1 for a matrix product.
        dtype: Type of the computation.
        direction: Forward, or one of the two gradients.
    """

    inputs: tuple[int, ...]
    kernel: tuple[int, ...]
    outputs: tuple[int, ...]
    stride: int
    dtype: str
    direction: Direction = "forward"

    @property
    def flops(self) -> int:
        """Number of multiplications and additions, the same in each direction."""
        per_output = 2 * math.prod(self.kernel[:-1])
        return math.prod(self.outputs) * per_output


def operations(
    networks: Networks, training: TrainConfig, *, batch_size: int
) -> Counter[Operation]:
    """Returns the operations of a training step, and the count of each.

    A trained generator computes its images once, and the gradients of its kernels and,
    except in the first layer, of its inputs. A G1 that is not trained computes images
    only. D judges target and generated images together, once for each update: for
    equation 2 with gradients of its kernels, for equation 3 with those of the images.

    Args:
        networks: Networks of the stage.
        training: Training settings of the stage.
        batch_size: Pairs in the step.
    """
    counted: Counter[Operation] = Counter()
    for name in ("generator1", "generator2"):
        network = getattr(networks, name)
        if network is not None:
            counted += _passes(
                network,
                batch_size,
                trained=name in training.trained_generators,
                # Gradients through G2 to a G1 that is trained too.
                to_inputs=name == "generator2" and training.finetune_generator1,
            )
    if networks.discriminator is not None:
        judged = 2 * batch_size
        counted += _passes(networks.discriminator, judged, trained=True)
        for layer in _computing(networks.discriminator):
            counted[_operation(layer, judged, "forward")] += 1
            counted[_operation(layer, judged, "input gradient")] += 1
    return counted


def forward_operations(networks: Networks, *, batch_size: int) -> Counter[Operation]:
    """Returns the operations that generate images with G1 and, if present, G2.

    Args:
        networks: Networks of the stage.
        batch_size: Number of images.
    """
    counted: Counter[Operation] = Counter()
    for network in (networks.generator1, networks.generator2):
        if network is not None:
            counted += _passes(network, batch_size, trained=False)
    return counted


def predicted_bytes(
    networks: Networks, training: TrainConfig, *, batch_size: int
) -> dict[str, int]:
    """Predicts the memory of a training step at its peak, in bytes, by what takes it.

    Weights are float32, with a copy in bfloat16 where that is computed in, and those of
    trained networks have a gradient and Adam's two moments beside them. Of the
    activations the backward pass needs what every layer of a trained network gives, in
    the type that it computes in; `remat` keeps what goes from block to block and the
    largest block, `accumulate` one part of the batch.
    What TensorFlow takes to compute is not in it.

    Args:
        networks: Networks of the stage.
        training: Training settings of the stage.
        batch_size: Pairs in the step on one device.
    """
    part = math.ceil(batch_size / training.accumulate)
    weights = copies = gradients = moments = kept = 0
    for name, network in networks._asdict().items():
        if network is None:
            continue
        trained = name == "discriminator" or name in training.trained_generators
        size = 4 * network.count_params()
        weights += size
        copies += size // 2 if training.precision == "bfloat16" else 0
        if not trained:
            continue
        gradients += size * (2 if training.accumulate > 1 else 1)
        moments += 2 * size
        if name == "discriminator":
            kept += 2 * part * sum(_output_bytes(layer) for layer in network.layers)
        else:
            kept += part * _kept_bytes(network, remat=training.remat)
    return {
        "weights": weights,
        "bfloat16 copies": copies,
        "gradients": gradients,
        "Adam's moments": moments,
        "activations": kept,
    }


def _passes(
    network: keras.Model,
    batch_size: int,
    *,
    trained: bool,
    to_inputs: bool = False,
) -> Counter[Operation]:
    counted: Counter[Operation] = Counter()
    inputs = {id(tensor) for tensor in keras.tree.flatten(network.input)}
    for layer in _computing(network):
        counted[_operation(layer, batch_size, "forward")] += 1
        if trained:
            counted[_operation(layer, batch_size, "filter gradient")] += 1
            if to_inputs or not _from(layer, inputs):
                counted[_operation(layer, batch_size, "input gradient")] += 1
    return counted


def _from(layer: keras.layers.Layer, inputs: set[int]) -> bool:
    """True if a layer takes inputs of the network, or their concatenation."""
    tensors = keras.tree.flatten(layer.input)
    if all(id(tensor) in inputs for tensor in tensors):
        return True
    before = [tensor._keras_history.operation for tensor in tensors]
    return all(
        isinstance(each, keras.layers.Concatenate) and _from(each, inputs)
        for each in before
    )


def _computing(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in network.layers:
        inner = layer.layer if isinstance(layer, keras.layers.Wrapper) else layer
        if isinstance(inner, (keras.layers.Conv2D, keras.layers.Dense)):
            yield layer


def _operation(
    layer: keras.layers.Layer, batch_size: int, direction: Direction
) -> Operation:
    inner = layer.layer if isinstance(layer, keras.layers.Wrapper) else layer
    return Operation(
        inputs=(batch_size, *layer.input.shape[1:]),
        kernel=tuple(inner.kernel.shape),
        outputs=(batch_size, *layer.output.shape[1:]),
        stride=inner.strides[0] if isinstance(inner, keras.layers.Conv2D) else 1,
        dtype=inner.compute_dtype,
        direction=direction,
    )


def _output_bytes(layer: keras.layers.Layer) -> int:
    if isinstance(layer, (keras.layers.InputLayer, keras.layers.Reshape)):
        return 0  # Not a copy of its inputs.
    size = keras.backend.standardize_dtype(layer.compute_dtype)
    return math.prod(layer.output.shape[1:]) * (2 if size == "bfloat16" else 4)


def _kept_bytes(network: keras.Model, *, remat: bool) -> int:
    """Returns the bytes per pair that a generator keeps for its backward pass."""
    sizes = [(layer.name, _output_bytes(layer)) for layer in network.layers]
    if not remat:
        return sum(size for _, size in sizes)
    blocks: dict[str, list[int]] = {}
    for name, size in sizes:
        blocks.setdefault(name.split("_")[0], []).append(size)
    return sum(each[-1] for each in blocks.values()) + max(map(sum, blocks.values()))


def total_flops(counted: Counter[Operation]) -> int:
    """Returns the number of multiplications and additions of all operations."""
    return sum(each.flops * times for each, times in counted.items())


def product_rate(dtype: str, *, seconds: float, size: int = _PRODUCT) -> float:
    """Returns the rate of a large square matrix product, in operations a second.

    Args:
        dtype: Type of the computation.
        seconds: Time to repeat it.
        size: Rows and columns of the matrices.
    """
    shape = (size, size)
    each = Operation(shape, shape, shape, stride=1, dtype=dtype)
    return each.flops / fastest(call_of(each), seconds)


def seconds_alone(counted: Counter[Operation], *, seconds: float) -> float:
    """Returns the total time in seconds of operations that run one by one.

    Args:
        counted: Operations, and the count of each.
        seconds: Approximate time to repeat all of them.
    """
    share = seconds / len(counted)
    with tqdm(counted.items(), desc="operations alone", unit=" shapes") as each:
        return sum(
            times * fastest(call_of(operation), share) for operation, times in each
        )


def fastest(
    call: Callable[[], object], seconds: float, *, least: int = _LEAST_CALLS
) -> float:
    """Returns the time in seconds of the fastest call.

    Args:
        call: Function to time. It is called once before.
        seconds: Time to repeat it.
        least: Least number of calls.
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
    """Returns a function that computes an operation once on random numbers."""
    inputs, kernel, outputs = (
        tf.Variable(
            tf.cast(tf.random.stateless_normal(shape, seed=(0, 1)), operation.dtype)
        )
        for shape in (operation.inputs, operation.kernel, operation.outputs)
    )
    compute = _product if len(operation.kernel) == 2 else _convolution

    @tf.function(autograph=False)
    def run():
        # Waiting for a sum avoids a copy of the whole result.
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
