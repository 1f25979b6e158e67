"""Takes training steps and sums their losses on the device."""

from typing import Any

import tensorflow as tf

from pg2_tf.training.pg2 import PG2


class Stepper:
    """Takes training steps under a strategy and sums up their losses.

    Args:
        model: The compiled model. Its optimizers are built: a step must not create
            variables.
    """

    def __init__(self, model: PG2):
        self._names = names = model.loss_names
        strategy = tf.distribute.get_strategy()
        self.window = tf.Variable(tf.zeros([len(names) + 1]), trainable=False)
        # Steps since the last check, finite ones before the first that is not finite,
        # and the losses of that step or of the last.
        self._watch = tf.Variable(tf.zeros([len(names) + 2]), trainable=False)

        weights = [
            weight.value
            for network in model.trained_networks().values()
            for weight in network.trainable_weights
        ]

        self._asks = 0.0
        self._asked = tf.Variable(0.0, trainable=False)

        @tf.function(autograph=False)
        def step(batch, asks):
            def on_replica(part, asks):
                values = model.update(part)
                losses = [tf.cast(values[name], tf.float32) for name in names]
                return tf.stack([*losses, asks])

            each = strategy.run(on_replica, (batch, asks))
            # One exchange between the workers for all of them.
            mean = strategy.reduce(tf.distribute.ReduceOp.MEAN, each, axis=None)
            *means, asked = tf.unstack(mean)
            self._asked.assign_add(asked)
            self.window.assign_add(tf.stack([*means, 1.0]))
            # ReLU makes 0 of NaN on some devices, which hides it from the losses.
            sums = [tf.cast(tf.reduce_sum(w), tf.float32) for w in weights]
            finite = tf.reduce_all(tf.math.is_finite(tf.stack([*means, *sums])))
            self._watch.assign(_watched(self._watch, means, finite))

        self._step = step

    def step(self, batch: Any) -> None:
        """Takes one step."""
        self._step(batch, tf.constant(self._asks))

    def ask_to_end(self) -> None:
        """Asks all workers, with the next step, to stop the training."""
        self._asks = 1.0

    def is_asked_to_end(self) -> bool:
        """True if a worker had asked to stop at the last step; equal on all workers."""
        return bool(self._asked.numpy() > 0)

    def take_means(self) -> dict[str, float]:
        """Returns the mean losses since the last call, by name, and resets them."""
        *sums, count = self.window.numpy().tolist()
        self.window.assign(tf.zeros_like(self.window))
        return {
            name: total / count for name, total in zip(self._names, sums, strict=True)
        }

    def check(self) -> tuple[int, dict[str, float]]:
        """Tells whether all losses and weights since the last call are finite.

        Returns:
            How many steps ago, the last included, the first came that has a loss or
            leaves a weight that is not, 0 if all are; and the losses of that step,
            else of the last, by name.
        """
        taken, finite, *losses = self._watch.numpy().tolist()
        self._watch.assign(tf.zeros_like(self._watch))
        return int(taken - finite), dict(zip(self._names, losses, strict=True))


def _watched(watch: tf.Tensor, losses: list[tf.Tensor], finite: tf.Tensor) -> tf.Tensor:
    taken, good = watch[0], watch[1]
    so_far = tf.equal(taken, good)
    good += tf.cast(so_far & finite, good.dtype)
    kept = tf.where(so_far, tf.stack(losses), watch[2:])
    return tf.concat([[taken + 1, good], kept], 0)
