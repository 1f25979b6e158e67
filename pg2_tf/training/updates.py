"""From losses to weights: parts of a batch, gradients, clipping, Adam, averages."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from pg2_tf.model.config import TrainConfig
from pg2_tf.model.steps import Batch, Images, Losses
from pg2_tf.training.learning_rates import learning_rate

# Blocks of layers that are recomputed together.
_BLOCK = re.compile(r"(pose_)?(encoder|decoder)\d+(?=_)")

# === Updates ===


class Passes:
    """The generators' passes over the equal parts of a batch.

    A single part's pass is kept, recorded for the generators' gradients. The passes
    over several parts are not kept but repeated each time, to need less memory.

    Args:
        generate: Function from a batch to images.
        batch: Batch with a size that is a multiple of `parts`.
        parts: The number of parts.
    """

    def __init__(self, generate: Callable[[Batch], Images], batch: Batch, parts: int):
        self._generate = generate
        self._batch = batch
        self._parts = parts
        self._kept: tuple[Images, tf.GradientTape] | None = None

    def mean(self, function: Callable[[Batch, Images, tf.GradientTape], Any]) -> Any:
        """Returns the mean over the parts of a function's nested floats.

        The function receives a part, its images, and the tape that recorded them.
        """
        if self._parts == 1:
            self._kept = self._kept or self._record(self._batch)
            return function(self._batch, *self._kept)
        return mean_over_parts(
            lambda part: function(part, *self._record(part)), self._batch, self._parts
        )

    def _record(self, batch: Batch) -> tuple[Images, tf.GradientTape]:
        with tf.GradientTape() as tape:
            images = self._generate(batch)
        return images, tape


class Updates:
    """Updates networks with their optimizers, equally on every replica.

    Args:
        networks: The trained networks by name.
        optimizers: Built optimizers by the same names.
        averages: Networks that receive the moving averages of weights, by the name of
            the network that they follow.
        training: The stage's configuration: `accumulate`, `clip_norm`, `ema`.
    """

    def __init__(
        self,
        networks: Mapping[str, keras.Model],
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        averages: Mapping[str, keras.Model],
        training: TrainConfig,
    ):
        self._networks = networks
        self._optimizers = optimizers
        self._averages = averages
        self._training = training

    def passes(self, generate: Callable[[Batch], Images], batch: Batch) -> Passes:
        """Returns the generators' passes over the parts of a batch."""
        return Passes(generate, batch, self._training.accumulate)

    def minimize(
        self,
        losses_of: Callable[[Batch, Images], Losses],
        passes: Passes,
        networks: Sequence[str],
    ) -> Losses:
        """Takes one step of each network down the gradient of the first loss.

        Args:
            losses_of: Function of a batch and the generators' images.
            passes: The generators' passes over the batch.
            networks: The names of the networks: generators, or D alone, which leaves
                the images as they are.

        Returns:
            All losses before the step.
        """
        variables = {
            name: self._networks[name].trainable_variables for name in networks
        }

        def gradients(batch: Batch, images: Images, tape: tf.GradientTape) -> Any:
            if "discriminator" in networks:
                tape = tf.GradientTape()
            with tape:
                values = losses_of(batch, images)
                loss = scaled_loss(next(iter(values.values())))
            return values, tape.gradient(loss, variables)

        values, found = passes.mean(gradients)
        for name in networks:
            self._apply(name, found[name])
        return values

    def _apply(self, name: str, gradients: list[Any]) -> None:
        network, optimizer = self._networks[name], self._optimizers[name]
        if self._training.clip_norm:
            gradients = clip_gradients(gradients, self._training.clip_norm)
        optimizer.apply(gradients, network.trainable_variables)
        if name in self._averages:
            steps = tf.cast(optimizer.iterations.value, tf.float32) - 1.0
            # Grows from 0, so that the first weights are forgotten sooner.
            momentum = tf.minimum(self._training.ema, steps / (steps + 9.0))
            update_ema(self._averages[name], network, momentum=momentum)


def scaled_loss(loss: Any) -> Any:
    """Returns this replica's share of a loss: gradients are summed over replicas."""
    return loss / tf.distribute.get_strategy().num_replicas_in_sync


def mean_over_parts(function: Callable[[Any], Any], batch: Any, parts: int) -> Any:
    """Returns the mean of a function's values over equal parts of a batch.

    For losses that are means over a batch, and their gradients, this equals the value
    for the whole batch. Part i holds the pairs i, i + parts, and so on, so that the
    parts on several devices together hold the pairs of one part on one device.

    Args:
        function: Function from a part to nested floating-point tensors.
        batch: Nested floating-point tensors whose first axis is the pairs, a multiple
            of `parts`.
        parts: The number of parts.
    """
    if parts == 1:
        return function(batch)
    total: Any = None
    for index in range(parts):
        part = tf.nest.map_structure(lambda value, i=index: value[i::parts], batch)
        if index == 0:
            total = function(part)
        else:
            values = function(_after(total, part))
            total = tf.nest.map_structure(tf.add, total, values)
    return tf.nest.map_structure(lambda value: value / parts, total)


def _after(before: Any, tensors: Any) -> Any:
    """Returns tensors unchanged, but not before others are computed.

    No part may begin before the last one has freed its memory. XLA ignores control
    dependencies, so this one is of data: a 0 that the compiler cannot know to be 0.
    """
    some = [tf.reshape(tensor, [-1])[0] for tensor in tf.nest.flatten(before)]
    zero = tf.minimum(tf.abs(tf.add_n(some)), 0.0)
    return tf.nest.map_structure(lambda x: x + tf.cast(zero, x.dtype), tensors)


def clip_gradients(gradients: list[Any], norm: float) -> list[Any]:
    """Scales gradients so that their sum over the replicas has at most a norm."""
    context = tf.distribute.get_replica_context()
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    scale = norm / tf.maximum(tf.linalg.global_norm(summed), norm)
    return [gradient * scale for gradient in gradients]


def update_ema(average: keras.Model, network: keras.Model, *, momentum: Any) -> None:
    """Updates the moving averages of a network's weights by one step."""
    pairs = zip(average.trainable_variables, network.trainable_variables, strict=True)
    for mean, weight in pairs:
        mean.assign(momentum * mean.value + (1.0 - momentum) * weight.value)


# === Optimizers ===


@keras.saving.register_keras_serializable("pg2_tf")
class FusedAdam(keras.optimizers.Adam):
    """Adam that updates a weight in one operation.

    Keras' Adam takes a dozen operations that each read the whole weight, a fifteenth
    of a step on a CPU at the paper's width.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates a weight and its two moments.

        Args:
            gradient: The gradient of the weight, float32.
            variable: The weight, float32.
            learning_rate: The learning rate, a scalar.
        """
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value, tf.float32) + 1.0
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
            use_locking=True,
        )


def adam(training: TrainConfig, network: keras.Model) -> keras.optimizers.Optimizer:
    """Returns the paper's Adam (section 4.1) for a network, built."""
    optimizer = FusedAdam(
        learning_rate(training),
        training.beta_1,
        training.beta_2,
        epsilon=1e-8,  # TensorFlow 1's; Keras has 1e-7.
        # Checkpoints hold this name; Keras would number it.
        name="adam",
    )
    optimizer.build(network.trainable_variables)
    return optimizer


def rematerialised(network: keras.Model) -> Callable[[dict[str, Any]], Any]:
    """Returns a generator as a function that recomputes activations within its blocks.

    Only values between blocks and skip connections are kept. Values and gradients
    are those of the network (Chen et al. 2016).

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
    """Layers that are recomputed together; a single layer is not recomputed."""

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
