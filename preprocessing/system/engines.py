"""Calls a function for many items: in this process, in several, or on a Ray cluster.

Ray (https://docs.ray.io) starts a task again when the process or the machine that ran
it dies.
"""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Protocol, TypeVar

from preprocessing.system.errors import InputError

LOCAL, RAY = ENGINES = ("local", "ray")
# Environment variable of worker processes.
WORKER = "PREPROCESSING_WORKER"
# Tasks that are prepared for each worker, so that none waits for work.
_AHEAD = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


def workers(engine: str, count: int | None) -> int:
    """Returns the number of workers for `start`: `count`, or the engine's default."""
    if count is not None:
        return count
    return 0 if engine == RAY else os.cpu_count() or 1


class Map(Protocol):
    """Calls a function for each item and yields the results in order."""

    def __call__(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        chunk: int = 1,
    ) -> Iterator[Result]:
        """Yields `function(item)` for each item.

        Args:
            function: A function of a module, or a `functools.partial` of one.
            items: Arguments of the function, which must allow pickling.
            chunk: Number of items in a task; small tasks need large chunks.
        """


@contextmanager
def start(engine: str, *, workers: int) -> Iterator[Map]:
    """Starts an engine, and stops it at the end of the block.

    Args:
        engine: `local`, the processes of this machine, or `ray`, the cluster at
            `RAY_ADDRESS` or one that is started on this machine.
        workers: Number of processes; 1 calls the functions in this process. For `ray`
            the number of tasks at once; 0 stands for every processor of the cluster.

    Raises:
        InputError: Ray is not installed, or a process of this machine died.
    """
    if engine == RAY:
        with _on_ray(workers) as mapped:
            yield mapped
    elif workers <= 1:
        yield lambda function, items, chunk=1: map(function, items)
    else:
        with _in_processes(workers) as mapped:
            yield mapped


@contextmanager
def _in_processes(workers: int) -> Iterator[Map]:
    methods = multiprocessing.get_all_start_methods()
    # A forked process would take over TensorFlow's threads in an undefined state.
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in methods else "spawn"
    )
    os.environ[WORKER] = "1"
    pool = ProcessPoolExecutor(workers, context, initializer=_prepare_process)
    try:
        yield lambda function, items, chunk=1: _in_order(
            lambda some: pool.submit(_call, function, some),
            lambda task: task.result(),
            _chunks(items, chunk),
            ahead=_AHEAD * workers,
        )
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process died, perhaps because memory ran out; run the same "
            "command again to resume, with fewer --workers to need less memory"
        ) from error
    finally:
        del os.environ[WORKER]
        pool.shutdown(cancel_futures=True)


@contextmanager
def _on_ray(workers: int) -> Iterator[Map]:
    try:
        import ray
    except ImportError as error:
        raise InputError("--engine=ray needs Ray: pip install 'pg2-tf[ray]'") from error
    started = not ray.is_initialized()
    if started:
        try:
            ray.init(log_to_driver=False, logging_level="warning")
        except ConnectionError as error:
            address = os.environ.get("RAY_ADDRESS", "this machine")
            raise InputError(f"no Ray cluster answers at {address}") from error
    try:
        task = ray.remote(max_retries=-1)(_call)
        count = workers or round(ray.cluster_resources().get("CPU", 1))

        yield lambda function, items, chunk=1: _in_order(
            lambda some: task.remote(function, some),
            ray.get,
            _chunks(items, chunk),
            ahead=_AHEAD * count,
        )
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    finally:
        if started:
            ray.shutdown()


def _call(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [function(item) for item in items]


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


def _in_order(
    submit: Callable[[list[Item]], Any],
    results: Callable[[Any], list[Result]],
    chunks: Iterable[list[Item]],
    *,
    ahead: int,
) -> Iterator[Result]:
    """Yields the results of tasks in order; at most `ahead` tasks are submitted."""
    tasks: deque[Any] = deque()
    for some in chunks:
        tasks.append(submit(some))
        if len(tasks) > ahead:
            yield from results(tasks.popleft())
    while tasks:
        yield from results(tasks.popleft())


def _prepare_process() -> None:
    """Makes a worker process ignore Ctrl-C and end with the process that started it."""
    signal(SIGINT, SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
