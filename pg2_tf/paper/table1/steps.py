"""Steps of a table: commands that run once, and resume where they were interrupted.

A step is done when its result exists and was made of the same inputs. The inputs are
known by checksum: a note beside the result holds the checksums of the checkpoint, the
data set and the options, and of the result itself.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.runs.run_folder import RunFolder
from preprocessing.system import files
from preprocessing.system.errors import InputError


class Training(NamedTuple):
    """A training: networks and options."""

    config: RunConfig
    options: TrainConfig


class Scoring(NamedTuple):
    """An evaluation: networks, stage and number of pairs."""

    config: RunConfig
    stage: int
    num_pairs: int


class Note(NamedTuple):
    """A record of the inputs that a result was made of.

    Attributes:
        path: path of the record.
        inputs: function that returns the inputs, JSON.
        result: file that the step writes last.
    """

    path: Path
    inputs: Callable[[], dict[str, Any]]
    result: Path

    def matches(self) -> bool:
        """Returns True if the result exists and was made of the present inputs."""
        return self.result.is_file() and self._read() == self._content(self.inputs())

    def write(self, inputs: dict[str, Any]) -> None:
        """Records the inputs and a checksum of the result."""
        files.write_json(self.path, self._content(inputs))

    def _content(self, inputs: dict[str, Any]) -> dict[str, Any]:
        there = self.result.is_file()
        return {"inputs": inputs, "result": files.sha256(self.result) if there else ""}

    def _read(self) -> Any:
        return files.read_json(self.path) if self.path.is_file() else None


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: one line.
        command: arguments of `python -m`, or source and target of a copy.
        is_done: function that returns whether the step is done.
        share_left: function that returns the share that is left to do, 0 to 1.
        work: the training, copied training or evaluation, for estimates, or None.
        copies: whether the step copies a folder.
        note: record of the step's inputs, or None.
    """

    title: str
    command: tuple[str, ...]
    is_done: Callable[[], bool]
    share_left: Callable[[], float] = lambda: 1.0
    work: Training | Scoring | None = None
    copies: bool = False
    note: Note | None = None

    @property
    def text(self) -> str:
        """The command as one types it."""
        first = ("cp", "-r") if self.copies else ("python", "-m")
        return shlex.join((*first, *self.command))

    def run(self) -> None:
        """Runs the step.

        Raises:
            InputError: its command failed; the command has printed why.
        """
        if self.copies:
            _copy(*map(Path, self.command))
            return
        inputs = self.note.inputs() if self.note else {}
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        ended = subprocess.run(
            [sys.executable, "-m", *self.command], env=environment, check=False
        )
        if ended.returncode == 143:
            raise KeyboardInterrupt
        if ended.returncode:
            raise InputError(f"{self.title}: failed; give the same command to resume")
        if self.note:
            self.note.write(inputs)


def noted(title: str, command: tuple[str, ...], note: Note, **fields: Any) -> Step:
    """Returns a step that is done when its note matches."""
    return Step(title, command, note.matches, note=note, **fields)


def checkpoint_checksum(run_dir: Path, stage: int) -> str:
    """Returns a SHA-256 of the newest checkpoint of a stage, or "" without any."""
    checkpoints = RunFolder(run_dir).stage(stage).checkpoints()
    if not checkpoints:
        return ""
    path = Path(checkpoints[0])
    digest = hashlib.sha256()
    for part in sorted(path.parent.glob(f"{path.name}.*")):
        status = part.stat()
        digest.update(_sha256(part, status.st_size, status.st_mtime_ns).encode())
    return digest.hexdigest()


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    """Returns the checksum of a file; computed again once the file has changed."""
    del size, changed
    return files.sha256(path)


def _copy(source: Path, target: Path) -> None:
    """Copies a folder, which appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copytree(source, temporary)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
