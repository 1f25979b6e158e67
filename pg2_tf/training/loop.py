"""The training loop, one for every stage and strategy."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from tqdm import tqdm

from pg2_tf.training.checkpoints import Checkpoints
from pg2_tf.training.log import Log


@dataclass(frozen=True)
class Schedule:
    """How often a training does what, in steps.

    Attributes:
        log_every: a line of metrics, the means since the last.
        sample_every: a sample sheet.
        checkpoint_every: a checkpoint.
    """

    log_every: int = 50
    sample_every: int = 500
    checkpoint_every: int = 500


class Stepper:
    """Takes training steps under a strategy and sums up their losses.

    The trainer's optimizers must be built already: no variable may come into being
    inside a step.

    Args:
        trainer: compiled, with its `train_step`.
        prepare: turns what the data set yields into what `train_step` takes; runs on
            each device.
        names: of the losses that `train_step` returns.
    """

    def __init__(
        self,
        trainer: keras.Model,
        prepare: Callable[[Any], Any],
        *,
        names: tuple[str, ...],
    ):
        self._names = names
        strategy = tf.distribute.get_strategy()
        self.window = tf.Variable(tf.zeros([len(names) + 1]), trainable=False)

        @tf.function(autograph=False)
        def step(batch):
            values = strategy.run(lambda b: trainer.train_step(prepare(b)), (batch,))
            means = [
                strategy.reduce(tf.distribute.ReduceOp.MEAN, values[name], axis=None)
                for name in names
            ]
            return tf.stack([*means, 1.0])

        self._step = step

    def step(self, batch: Any) -> None:
        """Takes one step."""
        self.window.assign_add(self._step(batch))

    def take_means(self) -> dict[str, float]:
        """Returns the mean losses since the last call, by name, and starts anew."""
        *sums, count = self.window.numpy().tolist()
        self.window.assign(tf.zeros_like(self.window))
        return {
            name: total / count for name, total in zip(self._names, sums, strict=True)
        }


def run(
    stepper: Stepper,
    batches: Callable[[int], tf.data.Dataset],
    *,
    steps: int,
    schedule: Schedule,
    checkpoints: Checkpoints,
    open_log: Callable[[int], Log],
    draw_samples: Callable[[], Any],
) -> int:
    """Trains from where the checkpoints say to `steps`.

    A signal to end (SIGINT, SIGTERM) takes effect after the step: a checkpoint is
    written and the function returns early.

    Args:
        stepper: takes the steps.
        batches: returns the data set from a step on.
        steps: how many in all.
        schedule: how often what is done.
        checkpoints: to go on from and to write.
        open_log: returns the log of a training that goes on from a step.
        draw_samples: returns a sample sheet, uint8 [H, W, 3].

    Returns:
        The step reached.
    """
    start = checkpoints.restore()
    if start >= steps:
        return start
    if start:
        print(f"going on from step {start:,}")
    log = open_log(start)
    done = start
    since, clock = start, time.monotonic()
    with (
        _ending() as ended,
        tqdm(total=steps, initial=start, unit=" steps", desc="training") as progress,
    ):
        for batch in batches(start):
            stepper.step(batch)
            done += 1
            progress.update()
            last = done == steps or ended()
            if done % schedule.log_every == 0 or done == steps:
                means = stepper.take_means()
                progress.set_postfix({key: f"{v:.4g}" for key, v in means.items()})
                pace = (time.monotonic() - clock) / (done - since)
                log.metrics(done, {**means, "seconds_per_step": pace})
                since, clock = done, time.monotonic()
            if done % schedule.sample_every == 0 or done == steps:
                log.picture(done, draw_samples())
                clock = time.monotonic() if since == done else clock
            if last or done % schedule.checkpoint_every == 0:
                checkpoints.save(done)
            if last:
                break
    log.close()
    return done


@contextmanager
def _ending() -> Iterator[Callable[[], bool]]:
    """Within it, SIGINT and SIGTERM only set what the yielded function returns."""
    asked: list[int] = []
    old = {
        number: signal.signal(number, lambda received, _: asked.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
