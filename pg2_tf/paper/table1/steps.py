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
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pg2_tf.evaluation.measures import Batch, Measures
from pg2_tf.machine import arithmetic
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.networks import build_networks
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training.checkpoints import KEEP
from preprocessing.system import files
from preprocessing.system.errors import InputError

# Share of the rate of a large matrix product that training steps reach, measured at
# full width (`benchmark --what=train`); narrow networks reach less.
_SHARE = {128: 0.85, 64: 0.7, 32: 0.5}
_NARROW = 0.3
_PRODUCT_SECONDS = 1.0
_MEASURED_PAIRS = 8
# Scores and names of a pair in pairs.csv.
_BYTES_A_PAIR = 300


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
        path: Path of the record.
        inputs: Function that returns the inputs, JSON.
        result: File that the step writes last.
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
        title: One line.
        command: Arguments of `python -m`, or source and target of a copy.
        is_done: Function that returns whether the step is done.
        share_left: Function that returns the share that is left to do, 0 to 1.
        work: The training, copied training or evaluation, for estimates, or None.
        copies: Whether the step copies a folder.
        note: Record of the step's inputs, or None.
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
            InputError: The command failed and has printed the reason.
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


@dataclass(frozen=True)
class Cost:
    """Cost of a step: `seconds`, and `disk` in bytes."""

    seconds: float
    disk: int


class Estimator:
    """Estimates the costs of steps.

    Args:
        measures: Metrics of the evaluations.
    """

    def __init__(self, measures: Measures):
        self._measures = measures
        self._rates: dict[str, float] = {}
        self._metric_seconds: dict[tuple[int, ...], float] = {}

    def costs(self, steps: Sequence[Step]) -> list[Cost]:
        """Returns the cost of the rest of each step."""
        return [
            self._cost(step) if not step.is_done() else Cost(0, 0) for step in steps
        ]

    def _cost(self, step: Step) -> Cost:
        if isinstance(step.work, Training):
            left = 0.0 if step.copies else step.share_left()
            return self._training(step.work, left)
        if isinstance(step.work, Scoring):
            return self._scoring(step.work)
        return Cost(0, 0)

    def _training(self, work: Training, left: float) -> Cost:
        config, options = work
        networks = build_networks(
            config.model,
            stage=options.stage,
            adversarial=options.stage in config.recipe.adversarial,
            precision=options.precision,
        )
        size = options.batch_size
        counted = arithmetic.operations(networks, options, batch_size=size)
        seconds = self._seconds(counted, config.model.width, options.precision)
        needed = arithmetic.predicted_bytes(networks, options, batch_size=size)
        checkpoint = needed["weights"] + needed["Adam's moments"]
        # The last few checkpoints, the one being written, and the best weights.
        disk = (KEEP + 1) * checkpoint + needed["weights"]
        return Cost(left * options.steps * seconds, disk)

    def _scoring(self, work: Scoring) -> Cost:
        networks = build_networks(work.config.model, stage=work.stage)
        counted = arithmetic.forward_operations(networks, batch_size=1)
        generating = self._seconds(counted, work.config.model.width, "float32")
        scoring = self._seconds_of_metrics(work.config.model.image_size, work.stage)
        return Cost(
            work.num_pairs * (generating + scoring), work.num_pairs * _BYTES_A_PAIR
        )

    def _seconds(
        self, counted: Counter[arithmetic.Operation], width: int, dtype: str
    ) -> float:
        if dtype not in self._rates:
            self._rates[dtype] = arithmetic.product_rate(
                dtype, seconds=_PRODUCT_SECONDS
            )
        share = _SHARE.get(width, _NARROW)
        return arithmetic.total_flops(counted) / (self._rates[dtype] * share)

    def _seconds_of_metrics(self, size: tuple[int, int], stage: int) -> float:
        """Returns the measured time of the metrics of a pair."""
        key = (*size, stage)
        if key not in self._metric_seconds:
            rng = np.random.default_rng(0)
            shape = (_MEASURED_PAIRS, *size)
            names = ("source", "coarse", "refined")[: 1 + stage]
            images = [
                rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
                for _ in (*names, "target")
            ]
            masks = rng.integers(0, 2, shape, dtype=np.uint8)
            batch = Batch(
                dict(zip(names, images, strict=False)), images[-1], masks, None
            )
            self._measures.score(batch)
            started = time.perf_counter()
            self._measures.score(batch)
            seconds = (time.perf_counter() - started) / _MEASURED_PAIRS
            self._metric_seconds[key] = seconds
        return self._metric_seconds[key]
