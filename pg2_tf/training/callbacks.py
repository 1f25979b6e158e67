"""Callbacks of the training loop: log, samples, validation, checkpoints, warnings."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from pg2_tf.training.checkpoints import Checkpoints
from pg2_tf.training.log import Log
from pg2_tf.training.stepper import Stepper
from preprocessing.system.errors import InputError

# A useful D has a loss of 0.3 to 1.4. At 0.01 it errs once in a hundred images.
_NEAR_ZERO = 0.01
_LONG = 500


@dataclass(frozen=True)
class Cadence:
    """How often the callbacks run, in steps. All of them also run after the last step.

    Attributes:
        log_every: Interval of the lines of metrics: means since the last line.
        sample_every: Interval of the sample sheets; 0 for never.
        validate_every: Interval of the validation; 0 for never.
        checkpoint_every: Interval of the checkpoints.
    """

    log_every: int = 50
    sample_every: int = 500
    validate_every: int = 1000
    checkpoint_every: int = 500

    def due(self, done: int, *, steps: int) -> set[str]:
        """Returns the names of the callbacks to run after `done` of `steps` steps."""
        every = {
            "log": self.log_every,
            "samples": self.sample_every,
            "validation": self.validate_every,
            "checkpoint": self.checkpoint_every,
        }
        return {
            name
            for name, each in every.items()
            if each and (done % each == 0 or done == steps)
        }


@dataclass(frozen=True)
class Resources:
    """Functions and objects that the callbacks use.

    Attributes:
        checkpoints: The checkpoints to resume from and to write.
        open_log: Function that returns the log of a training that resumes at a step.
        draw_samples: Function that returns a sample sheet, uint8 [H, W, 3], or None.
        validate: Function that returns the scores of the current weights by name, or
            None.
        pairs_of: Function that returns the names of source and target for each pair of
            a step.
    """

    checkpoints: Checkpoints
    open_log: Callable[[int], Log]
    draw_samples: Callable[[], np.ndarray] | None
    validate: Callable[[], Mapping[str, float]] | None
    pairs_of: Callable[[int], list[tuple[str, str]]]


class Callbacks:
    """Runs the callbacks that are due after a step.

    The checkpoint is written last, so that everything up to its step is on disk.

    Args:
        stepper: Takes the training steps.
        tools: The functions and objects to use.
        log: The log of this training.
        progress: The progress bar, which shows losses and scores.
        start: The step that the training resumes at.
    """

    def __init__(
        self,
        stepper: Stepper,
        tools: Resources,
        log: Log,
        progress: tqdm,
        *,
        start: int,
    ):
        self._stepper = stepper
        self._tools = tools
        self._log = log
        self._progress = progress
        self._collapse = CollapseWatch(log.rows)
        self._logged, self._seconds, self._began = start, 0.0, time.monotonic()

    def run(self, due: set[str], done: int) -> None:
        """Runs callbacks after `done` steps.

        Raises:
            InputError: A loss or a weight is not finite; nothing was written. Or the
                disk has no space for a checkpoint.
        """
        if not due:
            return
        self._require_finite(done, state=due != {"log"})
        self._seconds += time.monotonic() - self._began
        if "log" in due:
            self._write_metrics(done)
        if "samples" in due and self._tools.draw_samples:
            self._log.picture(done, self._tools.draw_samples())
        if "validation" in due and self._tools.validate:
            self._write_scores(done, self._tools.validate())
        if "checkpoint" in due:
            self._tools.checkpoints.save(done)
        self._began = time.monotonic()

    def _write_metrics(self, done: int) -> None:
        means = self._stepper.take_means()
        self._progress.set_postfix({key: f"{v:.4g}" for key, v in means.items()})
        pace = self._seconds / (done - self._logged)
        self._logged, self._seconds = done, 0.0
        row = self._log.metrics(done, {**means, "seconds_per_step": pace})
        warning = self._collapse.see(row)
        if warning:
            self._log.warning(done, warning)
            self._progress.write(f"warning: {warning}", file=sys.stderr)

    def _write_scores(self, done: int, scores: Mapping[str, float]) -> None:
        self._log.validation(done, scores)
        is_best = self._tools.checkpoints.save_best(done, scores)
        told = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        best = "; best so far" * is_best
        self._progress.write(f"validation at step {done:,}: {told}{best}")

    def _require_finite(self, done: int, *, state: bool) -> None:
        ago, losses = self._stepper.check()
        spoilt = self._tools.checkpoints.not_finite() if state and not ago else []
        if not ago and not spoilt:
            return
        step = done - ago + 1 if ago else done
        if not all(map(math.isfinite, losses.values())):
            what = "the loss"
        else:
            what = spoilt[0] if spoilt else "a weight"
        raise not_finite(
            step,
            what=what,
            losses=losses,
            pairs=self._tools.pairs_of(step),
            newest=self._tools.checkpoints.newest(),
        )


class CollapseWatch:
    """Warns once if D's loss stays near 0 for 500 steps.

    The warning depends on the lines of metrics only, so a resumed training gives it at
    the same step.

    Args:
        rows: The previous lines of metrics, with `step` and, with a D, `discriminator`.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()):
        self._since: int | None = None
        self._told = False
        self._previous = 0
        for row in rows:
            self.see(row)

    def see(self, row: Mapping[str, Any]) -> str | None:
        """Reads the next line; returns the warning the first time, otherwise None."""
        began, self._previous = self._previous, row["step"]
        if row.get("discriminator", 1.0) >= _NEAR_ZERO:
            self._since = None
            return None
        if self._since is None:
            self._since = began
        if self._told or row["step"] - self._since < _LONG:
            return None
        self._told = True
        return (
            f"D has saturated: its loss has been below {_NEAR_ZERO} since step "
            f"{self._since:,}, so its gradient no longer helps the generator"
        )


def not_finite(
    step: int,
    *,
    what: str,
    losses: Mapping[str, float],
    pairs: Sequence[tuple[str, str]],
    newest: int | None,
) -> InputError:
    """Returns the error for a loss or a weight that is not finite.

    Args:
        step: The first step with such a value.
        what: Name of the value.
        losses: The losses of that step by name.
        pairs: Names of source and target for each pair of that step.
        newest: Step of the newest checkpoint, or None.
    """
    terms = ", ".join(f"{name} {value:.6g}" for name, value in losses.items())
    names = ", ".join(f"{source} to {target}" for source, target in pairs)
    kept = (
        "no checkpoint yet"
        if newest is None
        else f"the checkpoint of step {newest:,} is kept"
    )
    return InputError(
        f"step {step:,}: {what} is not finite; losses: {terms}; pairs: {names}; {kept}"
    )
