"""Adam as the paper has it, and learning rates over the steps."""

from typing import TypeAlias

import keras
from keras import ops

from pg2_tf.model.config import TrainConfig

LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("pg2_tf")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Grows in equal parts to what another schedule says.

    Args:
        rate: a number or a schedule.
        steps: after which it is what `rate` says.
    """

    def __init__(self, rate: LearningRate, steps: int):
        super().__init__()
        self.rate = rate
        self.steps = steps

    def __call__(self, step):
        rate = self.rate(step) if callable(self.rate) else self.rate
        share = (ops.cast(step, "float32") + 1.0) / self.steps
        return rate * ops.minimum(1.0, share)

    def get_config(self):
        return {"rate": self.rate, "steps": self.steps}


class FusedAdam(keras.optimizers.Adam):
    """Adam whose update of a weight is one operation.

    Keras composes it of a dozen that each go over the whole weight, which at the
    paper's width took a fifteenth of a step on a CPU.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Moves a weight, and its two moments, by one step.

        Args:
            gradient: of the loss, float32 and of the weight's shape.
            variable: the weight, float32.
            learning_rate: a scalar.
        """
        import tensorflow as tf  # Here: the schedules serve Keras on JAX too.

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
    """Returns the optimizer of a network, built."""
    optimizer = FusedAdam(
        learning_rate(training),
        training.beta_1,
        training.beta_2,
        epsilon=1e-8,  # TensorFlow 1's; Keras has 1e-7.
        # Checkpoints hold it; Keras would number it by process.
        name="adam",
    )
    optimizer.build(network.trainable_variables)
    return optimizer


def learning_rate(training: TrainConfig) -> LearningRate:
    """Returns the learning rate of a training: a number, or a function of the step."""
    schedules = keras.optimizers.schedules
    rate, steps = training.learning_rate, training.steps
    chosen = {
        "constant": lambda: rate,
        "cosine": lambda: schedules.CosineDecay(rate, steps),
        "linear": lambda: schedules.PolynomialDecay(rate, steps, end_learning_rate=0.0),
        "step": lambda: schedules.ExponentialDecay(
            rate, training.halve_every, decay_rate=0.5, staircase=True
        ),
    }[training.schedule]()
    return WarmUp(chosen, training.warm_up) if training.warm_up else chosen
