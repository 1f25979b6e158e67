"""What the trainers of all stages share: how weights follow gradients."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from pg2_tf.training.remat import rematerialised


class Trainer(keras.Model):
    """Networks with a `train_step`; `compile` gives it their optimizers.

    Args:
        accumulate: in how many parts a step takes its batch.
        remat: whether trained generators compute their activations again in the
            backward pass.
        clip_norm: largest norm of a network's gradient over all replicas; 0: any.
        averages: networks like the trained ones, by their names, whose weights are to
            be the moving averages of theirs.
        momentum: of the averages.
    """

    def __init__(
        self,
        *,
        accumulate: int = 1,
        remat: bool = False,
        clip_norm: float = 0.0,
        averages: Mapping[str, keras.Model] | None = None,
        momentum: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.accumulate = accumulate
        self.remat = remat
        self.clip_norm = clip_norm
        self.averages = dict(averages or {})
        self.momentum = momentum

    @property
    def metrics(self) -> list:
        """None: `train_step` returns its losses as they are."""
        return []

    def trained(self, generator: keras.Model) -> Callable[[Any], Any]:
        """Returns what computes a generator that is being trained."""
        return rematerialised(generator) if self.remat else generator

    def apply(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        gradients: list[Any],
    ) -> None:
        """Takes a network's step.

        Args:
            network: to change.
            optimizer: its own.
            gradients: of this replica's share of the loss.
        """
        if self.clip_norm:
            gradients = clipped(gradients, self.clip_norm)
        optimizer.apply(gradients, network.trainable_variables)
        if network.name in self.averages:
            before = tf.cast(optimizer.iterations.value, tf.float32) - 1.0
            # From 0 on, so that the first weights are forgotten sooner.
            momentum = tf.minimum(self.momentum, before / (before + 9.0))
            follow(self.averages[network.name], network, momentum=momentum)


def replicas() -> int:
    """Returns how many replicas step together; their gradients are summed."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def clipped(gradients: list[Any], norm: float) -> list[Any]:
    """Scales gradients down so that their sum over the replicas has at most a norm."""
    context = tf.distribute.get_replica_context()
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    scale = norm / tf.maximum(tf.linalg.global_norm(summed), norm)
    return [gradient * scale for gradient in gradients]


def follow(average: keras.Model, network: keras.Model, *, momentum: Any) -> None:
    """Moves a moving average of weights on by one step."""
    pairs = zip(average.trainable_variables, network.trainable_variables, strict=True)
    for mean, weight in pairs:
        mean.assign(momentum * mean.value + (1.0 - momentum) * weight.value)
