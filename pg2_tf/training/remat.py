"""Generators whose activations are computed again in the backward pass.

`keras.RematScope` goes layer by layer, and so keeps what every layer gives. And it
leaves it to `tf.recompute_grad` to find the variables, which does not find those of a
distribution strategy; here they are handed over.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

# The layers that are computed again together.
_BLOCK = re.compile(r"(pose_)?(encoder|decoder)\d+(?=_)")


def rematerialised(network: keras.Model) -> Callable[[dict[str, Any]], Any]:
    """Returns a generator as a function that keeps no activations within its blocks.

    What goes from block to block is kept, skip connections too. Values and gradients
    are the network's own (Chen et al. 2016).

    Args:
        network: `generator1` or `generator2`.
    """
    steps: dict[str, list[keras.layers.Layer]] = {}
    for layer in network.layers:
        if layer.name not in network.input:
            block = _BLOCK.match(layer.name)
            steps.setdefault(block[0] if block else layer.name, []).append(layer)
    blocks = [_Block(layers, network) for layers in steps.values()]

    def call(inputs: dict[str, Any]) -> Any:
        values = {id(network.input[name]): value for name, value in inputs.items()}
        for block in blocks:
            block.compute(values)
        return values[id(network.output)]

    return call


class _Block:
    """Layers that are computed again together, a single one is not."""

    def __init__(self, layers: Sequence[keras.layers.Layer], network: keras.Model):
        self._layers = layers
        self._weights = [weight for layer in layers for weight in layer.weights]
        made = {id(layer.output) for layer in layers}
        taken = {id(t) for layer in layers for t in keras.tree.flatten(layer.input)}
        outside = [network.output] + [
            tensor
            for layer in network.layers
            if layer not in layers
            for tensor in keras.tree.flatten(layer.input)
        ]
        self._inputs = sorted(taken - made)
        self._outputs = sorted(made & {id(tensor) for tensor in outside})
        self._run = self._call if len(layers) == 1 else tf.recompute_grad(self._call)

    def compute(self, values: dict[int, Any]) -> None:
        """Adds the block's outputs to the values, by the ids of symbolic tensors."""
        inputs = [values[key] for key in self._inputs]
        weights = [tf.convert_to_tensor(weight.value) for weight in self._weights]
        outputs = self._run(inputs, weights)
        values.update(zip(self._outputs, outputs, strict=True))

    def _call(self, inputs: list[Any], weights: list[Any]) -> list[Any]:
        values = dict(zip(self._inputs, inputs, strict=True))
        mapping = list(zip(self._weights, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            for layer in self._layers:
                taken = keras.tree.map_structure(lambda t: values[id(t)], layer.input)
                values[id(layer.output)] = layer(taken)
        return [values[key] for key in self._outputs]
