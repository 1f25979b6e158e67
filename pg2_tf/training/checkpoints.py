"""Checkpoints of a stage, with everything that an exact resume needs."""

import shutil
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from pg2_tf.model.networks import Networks
from pg2_tf.runs import checkpoint_files
from pg2_tf.runs.run_folder import BEST, SCORE, StageFolder
from pg2_tf.runs.weights import load_weights, weights_of
from preprocessing.system import files

KEEP = 3
# Names and shapes of variables, in addition to their values.
_OVERHEAD = 1 << 20


class Checkpoints:
    """Saves and restores networks, optimizers and the running means of the losses.

    Args:
        folder: Folder of the stage.
        networks: Networks in training.
        state: Built optimizers and moving averages, by name.
        window: Sums of losses since the last line of the log.
        generating: Networks that are validated, and saved as the best.
        selects_best: Whether to save the weights with the best validation; False in
            adversarial stages.
        keep: Number of checkpoints to keep.
        writes: Whether this process writes files.
    """

    def __init__(
        self,
        folder: StageFolder,
        networks: Networks,
        state: Mapping[str, keras.optimizers.Optimizer | keras.Model],
        window: tf.Variable,
        *,
        generating: Networks,
        selects_best: bool,
        keep: int = KEEP,
        writes: bool = True,
    ):
        self._folder = folder
        self._networks = networks
        self._keep = keep
        self._writes = writes
        self._selects_best = selects_best
        self._weights = weights_of(generating)
        self._state: dict[str, Any] = {
            **weights_of(networks),
            **{
                name: {variable.path: variable.value for variable in of.variables}
                for name, of in state.items()
            },
            "window": window,
        }
        self._checkpoint = tf.train.Checkpoint(**self._state)

    def restore(self) -> int:
        """Restores the newest readable checkpoint; returns its step, 0 without one.

        A checkpoint of step 0 only holds weights to start from.
        """
        paths = self._folder.checkpoints()
        if paths and checkpoint_files.step_of(paths[0]) > 0:
            return checkpoint_files.step_of(self._folder.restore(self._checkpoint))
        if paths:
            load_weights(self._networks, self._folder, weights="last")
        if self._writes:
            # Those of a training without a checkpoint, perhaps with other options.
            shutil.rmtree(self._folder.best_dir, ignore_errors=True)
        return 0

    def newest(self) -> int | None:
        """Returns the step of the newest checkpoint, or None without one."""
        paths = self._folder.checkpoints()
        return checkpoint_files.step_of(paths[0]) if paths else None

    def not_finite(self) -> list[str]:
        """Returns the names of the variables that hold a value that is not finite."""
        floats = [(n, v) for n, v in _named(self._state) if v.dtype.is_floating]
        finite = tf.stack([tf.reduce_all(tf.math.is_finite(v)) for _, v in floats])
        return [
            name
            for (name, _), good in zip(floats, finite.numpy(), strict=True)
            if not good
        ]

    def require_space(self) -> None:
        """Checks that the disk has room for the next checkpoint.

        Raises:
            InputError: The space is too small.
        """
        if self._writes:
            self._require_space(self._state)

    def save(self, step: int) -> None:
        """Saves a checkpoint of `step` atomically.

        Raises:
            InputError: The space is too small; earlier checkpoints stay.
            OSError: The disk is full.
        """
        if not self._writes:
            return
        self._require_space(self._state)
        place = self._folder.checkpoint_dir
        checkpoint_files.write(self._checkpoint, place, step=step)
        # Later checkpoints were skipped as damaged.
        kept = [
            path
            for path in self._folder.checkpoints()
            if checkpoint_files.step_of(path) <= step
        ]
        checkpoint_files.remove_all_but(kept[: self._keep], place)

    def save_best(self, step: int, scores: Mapping[str, float]) -> bool:
        """Saves the weights to `best/` if their mask-SSIM is the best so far.

        Adversarial training lowers mask-SSIM while it makes images sharper (paper,
        Table 1), so adversarial stages have no best weights.

        Args:
            step: Training step of the weights.
            scores: Validation scores by name.

        Returns:
            True if they are.

        Raises:
            InputError, OSError: See `save`.
        """
        best = self._folder.best()
        if not self._writes or not self._selects_best:
            return False
        if best and best[SCORE] >= scores[SCORE]:
            return False
        self._require_space(self._weights)
        place = self._folder.best_dir
        path = checkpoint_files.write(
            tf.train.Checkpoint(**self._weights), place, step=step
        )
        files.write_json(place / BEST, {"step": step, **scores})
        checkpoint_files.remove_all_but([path], place)
        return True

    def _require_space(self, state: Mapping[str, Any]) -> None:
        needed = sum(
            variable.shape.num_elements() * variable.dtype.size
            for _, variable in _named(state)
        )
        self._folder.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        checkpoint_files.require_space(
            self._folder.checkpoint_dir, needed=needed + _OVERHEAD
        )


def _named(state: Mapping[str, Any]) -> Iterable[tuple[str, tf.Variable]]:
    for name, part in state.items():
        if isinstance(part, Mapping):
            yield from ((f"{name}/{path}", variable) for path, variable in part.items())
        else:
            yield name, part
