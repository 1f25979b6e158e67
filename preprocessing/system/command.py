"""Runs an entry point: `--help`, `--version`, and one clear line for bad input."""

import errno
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging

from preprocessing import __version__
from preprocessing.system import engines
from preprocessing.system.errors import InputError

_HELP = ("-h", "--h", "-help", "--help", "-?", "--?")
_VERSION = ("-version", "--version")
# The disk is full, access is denied, or a file is in the place of a folder.
_UNUSABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_UNUSABLE |= {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
# A path with more commas is split.
_MOST_PARTS = 32


def run(main: Callable[[], object]) -> None:
    """Parses the command's flags and calls `main`.

    `-h`, `--help` and `--version` print and end the command before `main` is called.
    `InputError`, a full disk and Ctrl-C become one line on standard error; any other
    exception is an error of the program and shows its traceback.
    """
    _quieten()
    app.run(lambda args: sys.exit(_guarded(main, args)), flags_parser=_parse)


def run_one_of(mains: Mapping[str, Callable[[], object]]) -> None:
    """Runs one of several functions, which the first argument names; see `run`."""
    _quieten()
    app.run(lambda args: sys.exit(_guarded_one_of(mains, args)), flags_parser=_parse)


def will_run(*lists: str) -> bool:
    """False if the command line only asks for help, the version or a list.

    An entry point imports slow packages only if this is true, so that help, the version
    and lists appear at once.

    Args:
        *lists: The command's own flags that print a list, such as `--list_poses`.
    """
    if engines.WORKER in os.environ:
        return False  # A worker process imports the module of the command.
    return {*_HELP, *_VERSION, *lists}.isdisjoint(sys.argv[1:])


def _parse(arguments: Sequence[str]) -> list[str]:
    """Parses flags, or prints what was asked for and ends the command."""
    given = list(arguments[1:])
    given = given[: given.index("--")] if "--" in given else given
    if not set(_HELP).isdisjoint(given):
        print(_help())
        sys.exit(0)
    if not set(_VERSION).isdisjoint(given):
        print(f"pg2-tf {__version__}")
        sys.exit(0)
    try:
        return flags.FLAGS(list(arguments))
    except flags.Error as error:
        print(f"error: {error}; see --help", file=sys.stderr)
        sys.exit(1)


def _help() -> str:
    """Returns the command's docstring and its flags, also those of other modules."""
    project = ("pg2_tf.", f"{__name__.partition('.')[0]}.")
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith(project):
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    text = (sys.modules["__main__"].__doc__ or "").strip()
    return f"{text}\n\n{flags.FLAGS.main_module_help().strip()}"


def _quieten() -> None:
    # Messages of every run would hide the report.
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
    """Returns a flag's value, or raises `InputError` if it was not given."""
    if not value:
        raise InputError(f"--{name} is needed; see --help")
    return value


def existing_folder(name: str, value: str | None) -> Path:
    """Returns a flag's value as the path of an existing folder."""
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
    """Defines the flag that allows existing files to be replaced."""
    return flags.DEFINE_boolean("overwrite", False, "Replace existing files.")


def define_engine() -> tuple[flags.FlagHolder[str], flags.FlagHolder[int | None]]:
    """Defines `--engine` and `--workers`; see `engines.start`."""
    engine = flags.DEFINE_enum(
        "engine",
        engines.LOCAL,
        engines.ENGINES,
        "local: processes of this machine; ray: a Ray cluster, at RAY_ADDRESS or else "
        "started on this machine.",
    )
    workers = flags.DEFINE_integer(
        "workers",
        None,
        "Number of images processed at once; the result does not depend on it. "
        "Default: the processors of this machine or of the cluster.",
        lower_bound=1,
    )
    return engine, workers


def define_paths(name: str, help: str) -> flags.FlagHolder[list[str]]:
    """Defines a flag of paths, separated by commas; the default is an empty list.

    The value is split by `split_paths`.
    """
    serializer: flags.ArgumentSerializer = flags.CsvListSerializer(",")
    return flags.DEFINE(_PathsParser(), name, [], help, serializer=serializer)


def split_paths(text: str) -> list[str]:
    """Splits text at its commas, but not inside the path of an existing file.

    From left to right, takes the longest piece that is the path of an existing file or
    folder. If there is none, the piece ends at the next comma.
    """
    parts, pieces = text.split(","), []
    while parts:
        for length in range(min(len(parts), _MOST_PARTS), 0, -1):
            piece = ",".join(parts[:length])
            if os.path.exists(piece):
                break
        else:
            length, piece = 1, parts[0].strip()
        if piece:
            pieces.append(piece)
        parts = parts[length:]
    return pieces


class _PathsParser(flags.ArgumentParser):
    """Parses the value of a flag that `define_paths` defines."""

    syntactic_help = "a comma separated list of paths"

    def parse(self, argument: str | list[str]) -> list[str]:
        """Returns the paths."""
        return split_paths(argument) if isinstance(argument, str) else list(argument)

    def flag_type(self) -> str:
        """Returns the type's name in absl's XML help."""
        return "comma separated list of paths"
