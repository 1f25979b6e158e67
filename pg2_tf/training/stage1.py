"""Stage I: G1 learns to put the person into the target pose (paper section 3.1)."""

from typing import Any

import keras
import tensorflow as tf

from pg2_tf import losses


class Stage1Trainer(keras.Model):
    """Trains G1 with the pose mask loss.

    A batch is a mapping of `source` and `target`, float32 [B, H, W, 3] in [-1, 1],
    `heatmaps` of the target pose, float32 [B, H, W, 18] of -1 and +1, and the target's
    `mask`, float32 [B, H, W, 1] of 0 and 1.

    Args:
        generator1: G1.
    """

    loss_names = ("masked_l1",)
    own_batch = False

    def __init__(self, generator1: keras.Model, **kwargs: Any):
        super().__init__(**kwargs)
        self.generator1 = generator1

    @property
    def metrics(self) -> list:
        """None: `train_step` returns its losses as they are."""
        return []

    def losses_of(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Computes the losses of a batch, scalars by name: `masked_l1`, equation 1."""
        coarse = self.generator1(
            {"source": batch["source"], "heatmaps": batch["heatmaps"]}
        )
        masked_l1 = losses.masked_l1(coarse, batch["target"], batch["mask"])
        return {"masked_l1": masked_l1}

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes one step on one batch and returns the losses before it."""
        with tf.GradientTape() as tape:
            values = self.losses_of(batch)
            share = values["masked_l1"] / replicas()
        variables = self.generator1.trainable_variables
        self.optimizer.apply(tape.gradient(share, variables), variables)
        return values


def replicas() -> int:
    """Returns how many replicas step together; their gradients are summed."""
    return tf.distribute.get_strategy().num_replicas_in_sync
