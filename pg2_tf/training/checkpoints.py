"""A stage's checkpoints: everything that a training needs to go on exactly."""

from typing import Any

import keras
import tensorflow as tf

from pg2_tf.models.pg2 import Networks
from pg2_tf.run_folder import StageFolder, load_weights, step_of, weights_of
from preprocessing import host

_KEEP = 3


class Checkpoints:
    """Saves and restores networks, optimizers and the running means of the losses.

    Args:
        folder: of the stage.
        networks: being trained.
        optimizers: theirs, by name, built.
        window: sums of losses since the last line of the log.
    """

    def __init__(
        self,
        folder: StageFolder,
        networks: Networks,
        optimizers: dict[str, keras.optimizers.Optimizer],
        window: tf.Variable,
    ):
        self._folder = folder
        self._networks = networks
        state: dict[str, Any] = {
            name: {variable.path: variable.value for variable in optimizer.variables}
            for name, optimizer in optimizers.items()
        }
        self._checkpoint = tf.train.Checkpoint(
            **weights_of(networks), **state, window=window
        )
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder.checkpoint_dir), max_to_keep=_KEEP
        )

    def restore(self) -> int:
        """Restores the newest readable checkpoint; returns its step, 0 without one.

        A checkpoint of step 0 holds weights alone, for a training to start from.
        """
        paths = self._folder.checkpoints()
        if not paths:
            return 0
        if step_of(paths[0]) == 0:
            load_weights(self._networks, self._folder)
            return 0
        return step_of(self._folder.restore(self._checkpoint))

    def save(self, step: int) -> str:
        """Saves everything as of `step`; a checkpoint is there whole or not at all.

        Raises:
            OSError: the disk is full.
        """
        with host.writing(self._folder.checkpoint_dir):
            return self._manager.save(checkpoint_number=step)
