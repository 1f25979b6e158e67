"""Learning rates over the steps, for every backend of Keras."""

from typing import TypeAlias

import keras
from keras import ops

from pg2_tf.model.config import TrainConfig

LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("pg2_tf")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Grows linearly to another learning rate.

    Args:
        rate: A number or a schedule.
        steps: The number of steps after which the rate is `rate`.
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
        return {
            "rate": keras.saving.serialize_keras_object(self.rate),
            "steps": self.steps,
        }

    @classmethod
    def from_config(cls, config):
        rate = keras.saving.deserialize_keras_object(config["rate"])
        return cls(rate, config["steps"])


def learning_rate(training: TrainConfig) -> LearningRate:
    """Returns a training's learning rate: a number or a schedule."""
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
