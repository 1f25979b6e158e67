"""Runs a function in a process of its own, so that nothing before it counts."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from preprocessing.system.errors import InputError


def call(function: Callable[..., Any], *arguments: Any, cores: int | None) -> Any:
    """Calls a function in a new process and returns what it returns.

    Args:
        function: of a module's top level.
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
