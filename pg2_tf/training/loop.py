"""The training loop, one for every stage and strategy."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import tensorflow as tf
from tqdm import tqdm

from pg2_tf.data.pipeline import readable
from pg2_tf.training.callbacks import Cadence, Callbacks, Resources
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.workers import ALONE, Workers, require_agreement

_ENDING = b"\nStopping after this step; saving a checkpoint\n"
# Interval in steps at which workers check whether one of them was asked to stop.
_AGREE_EVERY = 10


def run(
    stepper: Stepper,
    batches: Callable[[int], tf.data.Dataset],
    tools: Resources,
    *,
    steps: int,
    cadence: Cadence,
    workers: Workers = ALONE,
) -> int:
    """Trains from the newest checkpoint to `steps`.

    SIGINT and SIGTERM stop the training after the current step, with a checkpoint.
    Several workers stop after the same step, at most 10 steps later.

    Args:
        stepper: Takes the training steps.
        batches: Function that returns the data set after a number of steps.
        tools: The functions and objects that the callbacks use.
        steps: Total number of steps.
        cadence: How often to log, sample, validate and save, in steps.
        workers: The workers that train together.

    Returns:
        The step reached.

    Raises:
        InputError: A loss or a weight is not finite, the disk has no space for a
            checkpoint, or the workers found different checkpoints.
    """
    start = tools.checkpoints.restore()
    require_agreement(workers, step=start)
    if start >= steps:
        return start
    tools.checkpoints.require_space()
    if start and workers.writes:
        print(f"Resuming from step {start:,}")
    done = start
    with (
        closing(tools.open_log(start)) as log,
        _ending() as ended,
        _bar(start, steps, workers.writes) as progress,
    ):
        callbacks = Callbacks(stepper, tools, log, progress, start=start)
        for done, batch in enumerate(readable(batches(start)), start + 1):
            if ended():
                stepper.ask_to_end()
            stepper.step(batch)
            progress.update()
            due = cadence.due(done, steps=steps)
            asked = ended()
            if workers.count > 1:
                asks = bool(due) or done % _AGREE_EVERY == 0
                asked = asks and stepper.is_asked_to_end()
            last = done == steps or asked
            callbacks.run(due | {"checkpoint"} if last else due, done)
            if last:
                break
    # No worker continues before worker 0 has written its checkpoint.
    require_agreement(workers, step=done)
    return done


def _bar(start: int, steps: int, shows: bool) -> tqdm:
    return tqdm(
        total=steps, initial=start, unit=" steps", desc="training", disable=not shows
    )


@contextmanager
def _ending() -> Iterator[Callable[[], bool]]:
    """Yields a function that returns whether SIGINT or SIGTERM was received.

    A second SIGINT raises KeyboardInterrupt at once.
    """
    asked: list[int] = []

    def ask(received: int, _: object) -> None:
        if received == signal.SIGINT in asked:
            raise KeyboardInterrupt
        asked.append(received)
        # `print` is not reentrant.
        with suppress(OSError):
            os.write(2, _ENDING)

    old = {
        number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
