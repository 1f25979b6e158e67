"""One training at a time in a stage's folder, and nothing there half written."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preprocessing.system.errors import InputError

# Some network file systems have no locks.
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within it, no other training may write to `folder`; a killed one lets go.

    Files that one was writing when it was killed are removed.

    Raises:
        InputError: another is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another training is at work here; end it, or give another "
                "--run_dir"
            ) from error
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
            print(
                f"{folder}: cannot be locked here ({error.strerror}); see to it that "
                "no other training writes to it"
            )
        for path in folder.rglob(".*.tmp"):
            path.unlink()
        yield
