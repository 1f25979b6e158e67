"""Runs an entry point: bad input ends in one clear line and exit status 1."""

import errno
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging

from preprocessing.system.errors import InputError

# A place that is full, forbidden, or no folder where one is needed.
_UNUSABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_UNUSABLE |= {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}


def run(main: Callable[[], object]) -> None:
    """Parses the command's flags and calls `main`.

    `InputError`, a full disk and Ctrl-C become one line on standard error; any other
    exception is a fault of the program and shows its traceback.
    """
    _quieten()
    app.run(lambda arguments: sys.exit(_guarded(main, arguments)))


def run_one_of(mains: Mapping[str, Callable[[], object]]) -> None:
    """As `run`, for a command whose first argument names one of `mains`."""
    _quieten()
    app.run(lambda arguments: sys.exit(_guarded_one_of(mains, arguments)))


def _quieten() -> None:
    # TensorFlow's notes of what it does every time would drown the report.
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    absl_logging.set_verbosity(absl_logging.WARNING)


def _guarded_one_of(
    mains: Mapping[str, Callable[[], object]], arguments: Sequence[str]
) -> int:
    named = arguments[1] if len(arguments) > 1 else ""
    if named in mains:
        return _guarded(mains[named], [arguments[0], *arguments[2:]])

    def refuse() -> None:
        came = f"{named}: no action" if named else "an action is needed"
        raise InputError(f"{came}; allowed: {', '.join(mains)}; see --help")

    return _guarded(refuse, arguments[:1])


def _guarded(main: Callable[[], object], arguments: Sequence[str]) -> int:
    try:
        if len(arguments) > 1:
            raise InputError(
                f"{arguments[1]}: not a flag; flags look like --name=value"
            )
        main()
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno not in _UNUSABLE:
            raise
        place = error.filename or "writing"
        print(f"error: {place}: {os.strerror(error.errno)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 1


def required(name: str, value: str | None) -> str:
    """Returns a flag's value, or raises `InputError` where it was not given."""
    if not value:
        raise InputError(f"--{name} is needed; see --help")
    return value


def existing_folder(name: str, value: str | None) -> Path:
    """Returns a flag's value as the path of a folder that is there."""
    path = Path(required(name, value))
    if not path.is_dir():
        raise InputError(f"--{name}={path}: no such folder")
    return path


def parse_size(name: str, value: str) -> tuple[int, int]:
    """Parses `128x64` as (height, width) in pixels."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", value)
    if not match or not int(match[1]) or not int(match[2]):
        raise InputError(f"--{name}={value}: expected HEIGHTxWIDTH, as in 128x64")
    return int(match[1]), int(match[2])


def define_overwrite() -> flags.FlagHolder[bool]:
    """Defines the flag that allows replacing what is there."""
    return flags.DEFINE_boolean("overwrite", False, "Replace what is there.")
