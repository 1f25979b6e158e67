"""Stage I: G1 puts the person into the target pose (paper section 3.1)."""

from typing import Any

import keras
import tensorflow as tf

from pg2_tf.model import losses
from pg2_tf.training.parts import in_parts
from pg2_tf.training.trainer import Trainer, replicas


class Stage1Trainer(Trainer):
    """Trains G1 to come near the target.

    A batch is a mapping of `source` and `target`, float32 [B, H, W, 3] in [-1, 1], the
    target pose as G1 takes it (`heatmaps` float32 [B, H, W, 18] of -1 and +1, or
    `keypoints` float32 [B, 18, 3]) and the target's `mask`, float32 [B, H, W, 1] of 0
    and 1.

    Args:
        generator1: G1.
        reconstruction: its loss: `masked_l1`, equation 1, or `l1`.
        options: of `Trainer`.
    """

    own_batch = False

    def __init__(
        self,
        generator1: keras.Model,
        *,
        reconstruction: str = "masked_l1",
        **options: Any,
    ):
        super().__init__(**options)
        self.generator1 = generator1
        self.reconstruction = reconstruction
        self._run = self.trained(generator1)

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The losses that `train_step` returns."""
        return (self.reconstruction,)

    def losses_of(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Computes the loss of a batch, a scalar by its name."""
        coarse = self._run({name: batch[name] for name in self.generator1.input})
        loss = losses.reconstruction(
            self.reconstruction, coarse, batch["target"], batch["mask"]
        )
        return {self.reconstruction: loss}

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes one step on one batch and returns the losses before it."""
        values, gradients = in_parts(self._gradients, batch, self.accumulate)
        self.apply(self.generator1, self.optimizer, gradients)
        return values

    def _gradients(self, batch: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        with tf.GradientTape() as tape:
            values = self.losses_of(batch)
            share = values[self.reconstruction] / replicas()
        return values, tape.gradient(share, self.generator1.trainable_variables)
