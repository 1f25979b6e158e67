"""What a training does beside its steps: log, sheets, validation, checkpoints."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from pg2_tf.training.checkpoints import Checkpoints
from pg2_tf.training.log import Log
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.watch import CollapseWatch, not_finite


@dataclass(frozen=True)
class Schedule:
    """How often a training does what, in steps, 0 for never; each at the end, too.

    Attributes:
        log_every: a line of metrics, the means since the last.
        sample_every: a sample sheet.
        validate_every: scores of pairs of held-out training identities.
        checkpoint_every: a checkpoint.
    """

    log_every: int = 50
    sample_every: int = 500
    validate_every: int = 1000
    checkpoint_every: int = 500

    def due(self, done: int, *, steps: int) -> set[str]:
        """Returns what is due after `done` of `steps` steps, by name."""
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
class Tools:
    """What the duties are done with.

    Attributes:
        checkpoints: to go on from and to write.
        open_log: returns the log of a training that goes on from a step.
        draw_samples: returns a sample sheet, uint8 [H, W, 3]; None: never.
        validate: returns scores of the weights as they are, by name; None: never.
        pairs_of: returns the names of the pairs of a step, source and target.
    """

    checkpoints: Checkpoints
    open_log: Callable[[int], Log]
    draw_samples: Callable[[], np.ndarray] | None
    validate: Callable[[], Mapping[str, float]] | None
    pairs_of: Callable[[int], list[tuple[str, str]]]


class Duties:
    """Does what is due after a step.

    The checkpoint comes last: a training killed at any moment finds all that was to be
    written by the step of its checkpoint.

    Args:
        stepper: takes the steps.
        tools: to do it with.
        log: of this training.
        progress: the bar that shows losses and scores.
        start: the step that the training goes on from.
    """

    def __init__(
        self, stepper: Stepper, tools: Tools, log: Log, progress: tqdm, *, start: int
    ):
        self._stepper = stepper
        self._tools = tools
        self._log = log
        self._progress = progress
        self._collapse = CollapseWatch(log.rows)
        self._logged, self._seconds, self._began = start, 0.0, time.monotonic()

    def do(self, due: set[str], done: int) -> None:
        """Does what is due after `done` steps.

        Raises:
            InputError: a loss or a weight is not finite, and nothing was written; or
                the disk has no room for a checkpoint.
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
        best = "; the best so far" * is_best
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
