"""Adam as the paper has it, and learning rates over the steps."""

from typing import TypeAlias

import keras
from keras import ops

from pg2_tf.config import TrainConfig

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


def adam(training: TrainConfig, network: keras.Model) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a network, built."""
    optimizer = keras.optimizers.Adam(
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
