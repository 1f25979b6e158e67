"""What it takes to make a table of the paper, step by step.

A step that is done is passed over, so that the same command goes on where it was
interrupted. Trainings and evaluations are commands of their own processes.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.paper.table1.scales import Scale, configured
from pg2_tf.runs.checkpoint_files import step_of
from pg2_tf.runs.run_folder import RunFolder
from preprocessing.system import files
from preprocessing.system.errors import InputError

# The first stage of the last is trained exactly as the other: it is taken over.
SAME_STAGE_1 = {"G1+G2+D": "G1-poseMaskLoss"}
# A stage without D has no use for lambda.
_FREE = ("l1_weight", "shard_groups")


@dataclass(frozen=True)
class Step:
    """One step of a plan.

    Attributes:
        title: one line.
        command: arguments of `python`, or of a copy: source and target.
        is_done: says whether it is done already.
        share_left: how much of it is left to do, 0 to 1.
        training: what is trained: networks, options; None for other steps.
        copies: whether it copies a folder.
        note: a file that tells that it was done, and what it holds then.
    """

    title: str
    command: tuple[str, ...]
    is_done: Callable[[], bool]
    share_left: Callable[[], float]
    training: tuple[RunConfig, TrainConfig] | None = None
    copies: bool = False
    note: tuple[Path, dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The command as one types it."""
        first = ("cp", "-r") if self.copies else ("python", "-m")
        return shlex.join((*first, *self.command))

    def run(self) -> None:
        """Does the step.

        Raises:
            InputError: its command failed; it has said why.
        """
        if self.copies:
            _copy(*map(Path, self.command))
            return
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        ended = subprocess.run(
            [sys.executable, "-m", *self.command], env=environment, check=False
        )
        if ended.returncode == 143:
            raise KeyboardInterrupt
        if ended.returncode:
            raise InputError(
                f"{self.title}: failed; the same command goes on from there"
            )
        if self.note:
            files.write_json(*self.note)


class Plan:
    """The steps of some rows of Table 1.

    Args:
        dataset: a preset.
        data_dir: of the data set.
        out: the folder of runs and scores.
        variants: the rows.
        scale: how they are trained.
        evaluation: more flags of `pg2_tf.evaluate`, the same for all rows.
    """

    def __init__(
        self,
        dataset: str,
        *,
        data_dir: Path,
        out: Path,
        variants: Sequence[str],
        scale: Scale,
        evaluation: Sequence[str],
    ):
        self._dataset = dataset
        self.data_dir = data_dir
        self._out = out
        self._variants = variants
        self._scale = scale
        self._evaluation = tuple(evaluation)

    def run_dir(self, variant: str) -> Path:
        """Returns the run folder of a row."""
        return self._out / "runs" / variant

    def scores_dir(self, variant: str) -> Path:
        """Returns the folder of a row's scores."""
        return self._out / "scores" / variant

    def scores(self, variant: str) -> dict[str, Any]:
        """Returns what the evaluation of a row wrote.

        Raises:
            InputError: it cannot be read.
        """
        path = self.scores_dir(variant) / "scores.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error})") from error

    def steps(self) -> list[Step]:
        """Returns the steps of all rows, in order.

        Raises:
            InputError: a run folder there holds another training.
        """
        steps = []
        for variant in self._variants:
            config, trainings = configured(self._dataset, variant, self._scale)
            for stage, training in trainings.items():
                twin = SAME_STAGE_1.get(variant) if stage == 1 else None
                if twin in self._variants:
                    steps.append(self._take_over(variant, str(twin), training))
                else:
                    steps.append(self._train(config, training))
            steps.append(self._evaluate(variant, trainings[max(trainings)]))
        return steps

    def _train(self, config: RunConfig, training: TrainConfig) -> Step:
        variant, stage = config.variant, training.stage
        run_dir = self.run_dir(variant)
        flags = [
            f"--dataset={self._dataset}",
            f"--variant={variant}",
            f"--stage={stage}",
            f"--data_dir={self.data_dir}",
            f"--run_dir={run_dir}",
            f"--precision={self._scale.precision}",
        ]
        flags += [f"--width={self._scale.width}"] if self._scale.width else []
        changes = self._scale.of(variant, stage)
        flags += [f"--{name}={value}" for name, value in changes.items()]
        _check_training(run_dir, training)
        return Step(
            f"train {variant}, stage {stage}, {training.steps:,} steps",
            ("pg2_tf.train", *flags),
            lambda: _steps_done(run_dir, stage) >= training.steps,
            lambda: 1 - min(1, _steps_done(run_dir, stage) / training.steps),
            training=(config, training),
        )

    def _take_over(self, variant: str, twin: str, training: TrainConfig) -> Step:
        there, here = (self.run_dir(name) / "stage1" for name in (twin, variant))
        _check_training(self.run_dir(variant), training)
        return Step(
            f"take over stage 1 of {twin} for {variant}: the same training",
            (str(there), str(here)),
            here.exists,
            lambda: 0.0,
            copies=True,
        )

    def _evaluate(self, variant: str, training: TrainConfig) -> Step:
        out = self.scores_dir(variant)
        flags = (
            f"--run_dir={self.run_dir(variant)}",
            f"--data_dir={self.data_dir}",
            *self._evaluation,
            f"--out={out}",
        )
        path = out / "asked.json"
        asked = {"flags": list(flags), "step": training.steps}

        def is_done() -> bool:
            return (out / "scores.json").exists() and _read(path) == asked

        return Step(
            f"score {variant}",
            ("pg2_tf.evaluate", *flags),
            is_done,
            lambda: 0.0 if is_done() else 1.0,
            note=(path, asked),
        )


def _steps_done(run_dir: Path, stage: int) -> int:
    checkpoints = RunFolder(run_dir).stage(stage).checkpoints()
    return step_of(checkpoints[0]) if checkpoints else 0


def _check_training(run_dir: Path, wanted: TrainConfig) -> None:
    """Refuses a run folder that was trained otherwise, before anything is done."""
    folder = RunFolder(run_dir).stage(wanted.stage)
    options = folder.options()
    if not options or not folder.checkpoints():
        return
    there = TrainConfig(**options["training"])
    # As the trainings themselves: a longer one goes on from a shorter one.
    longer = there.is_open_ended and there.steps <= wanted.steps
    free = (*_FREE, "steps") if longer else _FREE
    for item in fields(wanted):
        old, new = getattr(there, item.name), getattr(wanted, item.name)
        if old != new and item.name not in free:
            raise InputError(
                f"{folder.path}: was trained with {item.name} {old}, not {new}; give "
                "another --out"
            )


def _copy(source: Path, target: Path) -> None:
    """Copies a folder, which appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copytree(source, temporary)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
