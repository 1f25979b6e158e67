"""The lock that allows one training at a time in the folder of a stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from preprocessing.system.errors import InputError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder for one training, and removes partly written files in it.

    The operating system releases the lock when the process ends, for any reason. On a
    file system without locks, a warning is printed instead.

    Args:
        folder: Folder of the stage. It is created if it does not exist.

    Raises:
        InputError: Another training holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"{folder}: another training is running in this folder; stop it, or use "
            "another --run_dir"
        ) from error
    except NotImplementedError:
        print(
            f"{folder}: the file system has no locks; make sure that no other training "
            "writes to this folder"
        )
    try:
        for path in folder.rglob(".*.tmp"):
            path.unlink()
        yield
    finally:
        lock.release()
