"""Runs a function in a new process, and measures its peak memory."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from preprocessing.system.errors import InputError

_STATM = Path("/proc/self/statm")
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_EVERY_SECONDS = 0.005


class PeakMemory:
    """Watches this process's resident memory while a `with` block runs.

    Attributes:
        megabytes: by how many (of 10^6 bytes) the peak lay above the start; None
            where the system does not say (it has no /proc).
    """

    def __init__(self) -> None:
        self.megabytes: float | None = None
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        if _STATM.exists():
            self._start = self._peak = _resident()
            self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watcher.is_alive():
            self._done.set()
            self._watcher.join()
            self.megabytes = (max(self._peak, _resident()) - self._start) / 1e6

    def _watch(self) -> None:
        while not self._done.wait(_EVERY_SECONDS):
            self._peak = max(self._peak, _resident())


def _resident() -> int:
    pages = int(_STATM.read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def available() -> int | None:
    """Returns the bytes that processes can still take without swapping.

    The limit of the container counts, where there is one. None where the system does
    not say (it has no /proc).
    """
    if not _MEMINFO.exists():
        return None
    values = dict(line.split(":") for line in _MEMINFO.read_text().splitlines())
    free = int(values["MemAvailable"].split()[0]) * 1024
    with suppress(OSError, ValueError):
        limit = int((_CGROUP / "memory.max").read_text())  # "max": no limit.
        free = min(free, limit - int((_CGROUP / "memory.current").read_text()))
    return max(free, 0)


def call(function: Callable[..., Any], *arguments: Any, cores: int | None) -> Any:
    """Calls a function in a new process and returns what it returns.

    Args:
        function: A function at the top level of a module.
        arguments: which can be pickled, like what it returns.
        cores: how many cores it may use; None for all.

    Raises:
        InputError: the process ended early. What the function raises is raised here.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        1, mp_context=context, initializer=_begin, initargs=(cores,)
    ) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise InputError(
                "a benchmark's process ended early; where nothing above says why, "
                "memory ran out"
            ) from error


def usable_cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin(cores: int | None) -> None:
    # Ctrl-C reaches this process too; it is the other one that says so.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Before TensorFlow starts as many threads as there are cores.
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
