"""How much processor time functions take inside a program that runs as always."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Stopwatch:
    """Adds up the processor time of calls; what a call hands on is not its own.

    Attributes:
        seconds: of each step, over all calls and threads.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._thread = threading.local()

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function, timed as `step`."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            before = getattr(self._thread, "handed_on", 0.0)
            self._thread.handed_on = 0.0
            started = time.thread_time()
            try:
                return function(*arguments, **keywords)
            finally:
                spent = time.thread_time() - started
                self.seconds[step] += spent - self._thread.handed_on
                self._thread.handed_on = before + spent

        return call
