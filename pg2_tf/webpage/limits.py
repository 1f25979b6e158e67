"""Limits of the page: one job at a time, each within a time limit."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLongError
from typing import TypeVar

from preprocessing.system.errors import InputError

Answer = TypeVar("Answer")


class Worker:
    """One thread that runs the visitors' jobs one after the other.

    Models and estimators of TensorFlow Lite are not thread-safe.

    Args:
        seconds: time limit of a visitor's request.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(max_workers=1)

    def begin(self) -> "Turn":
        """Returns a visitor's turn; its time starts now."""
        return Turn(self._thread, self._seconds)


class Turn:
    """A visitor's request, with its deadline."""

    def __init__(self, thread: ThreadPoolExecutor, seconds: float):
        self._thread = thread
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def run(self, job: Callable[[], Answer]) -> Answer:
        """Runs a part of the request in the worker's thread.

        A job that has started cannot be cancelled; its result is discarded.

        Raises:
            InputError: the deadline has passed.
        """
        future: Future[Answer] = self._thread.submit(job)
        try:
            return future.result(max(0.0, self._end - time.monotonic()))
        except TooLongError as error:
            if future.done():  # The job's own error.
                raise
            future.cancel()
            raise InputError(
                f"this takes longer than the limit of {self._seconds:g} seconds"
            ) from error
