"""Runs a function in a new process, and measures its peak memory."""

import multiprocessing
import os
import signal
import threading
import time
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
        megabytes: Peak memory above the start, in 10^6 bytes; None
            on systems without /proc.
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
    """Returns the available memory in bytes, within the limit of the container.

    None on systems without /proc.
    """
    if not _MEMINFO.exists():
        return None
    values = dict(line.split(":") for line in _MEMINFO.read_text().splitlines())
    free = int(values["MemAvailable"].split()[0]) * 1024
    with suppress(OSError, ValueError):
        limit = int((_CGROUP / "memory.max").read_text())  # "max": no limit.
        free = min(free, limit - int((_CGROUP / "memory.current").read_text()))
    return max(free, 0)


class StoppedError(InputError):
    """A process ended before its function returned."""


def call(
    function: Callable[..., Any],
    *arguments: Any,
    cores: int | None,
    gpus: bool = True,
    timeout: float | None = None,
    name: str = "a process",
) -> Any:
    """Calls a function in a new process and returns its result.

    Args:
        function: Function at the top level of a module.
        *arguments: Arguments. They and the result must be picklable.
        cores: Largest number of cores to use; None for all.
        gpus: Whether the process may use GPUs.
        timeout: Time limit in seconds; None for no limit.
        name: Name of the process, for messages.

    Raises:
        StoppedError: The process reached the time limit, or ended early. Exceptions
            of the function are raised unchanged.
    """
    context = multiprocessing.get_context("spawn")
    begun = time.monotonic()
    with ProcessPoolExecutor(
        1, mp_context=context, initializer=_begin, initargs=(cores, gpus, timeout)
    ) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except (BrokenProcessPool, MemoryError) as error:
            if timeout and time.monotonic() - begun >= timeout:
                raise StoppedError(f"{name} stopped after {timeout:g} s") from error
            raise StoppedError(
                f"{name} ended early, probably because memory ran out"
            ) from error


def usable_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin(cores: int | None, gpus: bool, timeout: float | None) -> None:
    # Ctrl-C reaches this process too; the parent process reports it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # SIGALRM ends the process, even inside a library.
    if timeout and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, timeout)
    if not gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    # TensorFlow starts one thread per core.
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
