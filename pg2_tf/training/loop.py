"""The training loop, one for every stage and strategy."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import tensorflow as tf
from tqdm import tqdm

from pg2_tf.data.pipeline import readable
from pg2_tf.training.duties import Duties, Schedule, Tools
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.workers import ALONE, Workers, require_agreement

_ENDING = b"\nending soon, with a checkpoint\n"
# Steps after which several workers look whether one of them was asked to end.
_AGREE_EVERY = 10


def run(
    stepper: Stepper,
    batches: Callable[[int], tf.data.Dataset],
    tools: Tools,
    *,
    steps: int,
    schedule: Schedule,
    workers: Workers = ALONE,
) -> int:
    """Trains from where the checkpoints say to `steps`.

    A signal to end (SIGINT, SIGTERM) takes effect after the step, of several workers
    on each after the same step, at most 10 later: a checkpoint is written and the
    function returns early.

    Args:
        stepper: takes the steps.
        batches: returns the data set from a step on.
        tools: for what is done beside the steps.
        steps: how many in all.
        schedule: how often what is done.
        workers: that train together.

    Returns:
        The step reached.

    Raises:
        InputError: a loss or a weight is not finite, or the disk has no room for a
            checkpoint, and the last checkpoint stays as it is; or the workers did not
            find the same checkpoint.
    """
    start = tools.checkpoints.restore()
    require_agreement(workers, step=start)
    if start >= steps:
        return start
    tools.checkpoints.require_space()
    if start and workers.writes:
        print(f"going on from step {start:,}")
    done = start
    with (
        closing(tools.open_log(start)) as log,
        _ending() as ended,
        _bar(start, steps, workers.writes) as progress,
    ):
        duties = Duties(stepper, tools, log, progress, start=start)
        for done, batch in enumerate(readable(batches(start)), start + 1):
            if ended():
                stepper.ask_to_end()
            stepper.step(batch)
            progress.update()
            due = schedule.due(done, steps=steps)
            if workers.count == 1:
                asked = ended()
            else:
                looks = bool(due) or done % _AGREE_EVERY == 0
                asked = looks and stepper.is_asked_to_end()
            last = done == steps or asked
            if last:
                due.add("checkpoint")
            duties.do(due, done)
            if last:
                break
    # What this one has written is there before another goes on.
    require_agreement(workers, step=done)
    return done


def _bar(start: int, steps: int, shows: bool) -> tqdm:
    return tqdm(
        total=steps, initial=start, unit=" steps", desc="training", disable=not shows
    )


@contextmanager
def _ending() -> Iterator[Callable[[], bool]]:
    """Within it, SIGINT and SIGTERM only set what the yielded function returns.

    A second SIGINT raises KeyboardInterrupt at once.
    """
    asked: list[int] = []

    def ask(received: int, _: object) -> None:
        if received == signal.SIGINT in asked:
            raise KeyboardInterrupt
        asked.append(received)
        # Not `print`, which may be what was interrupted.
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
