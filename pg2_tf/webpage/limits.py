"""Work for the page: one thing at a time, and none for too long."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLongError
from typing import TypeVar

from preprocessing.system.errors import InputError

Answer = TypeVar("Answer")


class Worker:
    """One thread that does what visitors ask for, one after the other.

    Models and estimators of TensorFlow Lite are not to be used by two threads at once.

    Args:
        seconds: how long a visitor waits at most.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(max_workers=1)

    def begin(self) -> "Turn":
        """Returns a turn, whose time runs from now on."""
        return Turn(self._thread, self._seconds)


class Turn:
    """What one visitor asked for, and until when it is to be there."""

    def __init__(self, thread: ThreadPoolExecutor, seconds: float):
        self._thread = thread
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def run(self, work: Callable[[], Answer]) -> Answer:
        """Does some of the work.

        What has begun cannot be broken off: it ends unheard, and others wait for it.

        Raises:
            InputError: the time is over.
        """
        future: Future[Answer] = self._thread.submit(work)
        try:
            return future.result(max(0.0, self._end - time.monotonic()))
        except TooLongError as error:
            if future.done():  # The work's own.
                raise
            future.cancel()
            raise InputError(
                f"this takes longer than the {self._seconds:g} seconds that are "
                "allowed here"
            ) from error
