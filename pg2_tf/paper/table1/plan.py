"""The steps that train and score the rows of a table, and what follows from them.

Table 1 has a row for each variant of the paper. Table 2, the user study, follows from
the images of two of them. A sweep has a row for each lambda of equation 4.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.paper.table1.rows import Row, Scale, configured
from pg2_tf.paper.table1.steps import (
    Note,
    Scoring,
    Step,
    Training,
    checkpoint_checksum,
    noted,
)
from pg2_tf.runs.checkpoint_files import step_of
from pg2_tf.runs.run_folder import RunFolder, describe_data
from preprocessing.system import files
from preprocessing.system.errors import InputError

# Options that may differ between a training and its plan: lambda has no effect in a
# stage without D.
_FREE = ("l1_weight", "shard_groups")
# Section 4.4: the methods of the user study, and the image of each.
STUDIED = {"G1+D": "coarse", "G1+G2+D": "refined"}
_STUDY_PAIRS = 400


class Plan:
    """The steps of some rows.

    Args:
        dataset: Name of a preset.
        data_dir: Folder of the data set.
        out: Output folder of runs and scores.
        rows: The rows.
        scale: Changes to the presets.
        profile: `paper` or `authors`.
        num_pairs: Number of test pairs that are scored.
        evaluation: More flags of `pg2_tf.evaluate`, the same for all rows.
    """

    def __init__(
        self,
        dataset: str,
        *,
        data_dir: Path,
        out: Path,
        rows: Sequence[Row],
        scale: Scale,
        profile: str = "paper",
        num_pairs: int,
        evaluation: Sequence[str] = (),
    ):
        self.data_dir = data_dir
        self.rows = list(rows)
        self._dataset = dataset
        self._out = out
        self._scale = scale
        self._profile = profile
        self._num_pairs = num_pairs
        self._evaluation = tuple(evaluation)

    def configured(self, row: Row) -> tuple[RunConfig, dict[int, TrainConfig]]:
        """Returns a row's networks, and its trainings by stage."""
        return configured(
            row, dataset=self._dataset, profile=self._profile, scale=self._scale
        )

    def run_dir(self, name: str) -> Path:
        """Returns the run folder of a row."""
        return self._out / "runs" / name

    def scores_path(self, name: str) -> Path:
        """Returns the path of a row's `scores.json`."""
        return self._out / "scores" / name / "scores.json"

    def scores(self, name: str) -> dict[str, Any]:
        """Returns a row's scores.

        Raises:
            InputError: They cannot be read.
        """
        path = self.scores_path(name)
        return files.as_object(f"{path}: its content", files.read_json(path))

    def steps(self) -> list[Step]:
        """Returns the steps of all rows, in order.

        A stage 1 that an earlier row trains in the same way is copied from there.

        Raises:
            InputError: A run folder holds another training.
        """
        steps: list[Step] = []
        trained: list[tuple[tuple[Any, ...], str]] = []
        for row in self.rows:
            config, trainings = self.configured(row)
            for stage, options in trainings.items():
                self._check_run(self.run_dir(row.name), config, options)
                key = self._stage_key(config, options)
                twins = [name for other, name in trained if other == key]
                if twins and stage < max(trainings):
                    steps.append(self._copy(row, twins[0], Training(config, options)))
                else:
                    steps.append(self._train(row, config, options))
                trained.append((key, row.name))
            out = self.scores_path(row.name).parent
            steps.append(self.evaluation(row, f"score {row.name}", out))
        return steps

    def evaluation(
        self, row: Row, title: str, out: Path, *more: str, num_pairs: int | None = None
    ) -> Step:
        """Returns the step that scores a row.

        Args:
            row: The row.
            title: Title of the step.
            out: Folder of the results.
            more: More flags.
            num_pairs: Number of test pairs. Default: the plan's.
        """
        config, trainings = self.configured(row)
        stage, count = max(trainings), num_pairs or self._num_pairs
        flags = (
            f"--run_dir={self.run_dir(row.name)}",
            f"--data_dir={self.data_dir}",
            f"--num_pairs={count}",
            *self._evaluation,
            *more,
            f"--out={out}",
        )

        def inputs() -> dict[str, Any]:
            return {
                "flags": list(flags),
                "step": trainings[stage].steps,
                "checkpoint": checkpoint_checksum(self.run_dir(row.name), stage),
                "data": describe_data(self.data_dir)["checksum"],
            }

        note = Note(out / "inputs.json", inputs, out / "scores.json")
        work = Scoring(config, stage, count)
        return noted(title, ("pg2_tf.evaluate", *flags), note, work=work)

    def _train(self, row: Row, config: RunConfig, options: TrainConfig) -> Step:
        stage, run_dir = options.stage, self.run_dir(row.name)
        flags = [
            f"--dataset={self._dataset}",
            f"--profile={self._profile}",
            f"--variant={row.variant}",
            f"--stage={stage}",
            f"--data_dir={self.data_dir}",
            f"--run_dir={run_dir}",
            f"--precision={self._scale.precision}",
        ]
        flags += [f"--width={self._scale.width}"] if self._scale.width else []
        changes = row.options(stage, self._scale)
        flags += [f"--{name}={value}" for name, value in changes.items()]
        return Step(
            f"train {row.name}, stage {stage}, {options.steps:,} steps",
            ("pg2_tf.train", *flags),
            lambda: _steps_done(run_dir, stage) >= options.steps,
            lambda: 1 - min(1, _steps_done(run_dir, stage) / options.steps),
            work=Training(config, options),
        )

    def _copy(self, row: Row, twin: str, work: Training) -> Step:
        there, here = self.run_dir(twin), self.run_dir(row.name)

        def is_done() -> bool:
            if not (here / "stage1").exists():
                return False
            if checkpoint_checksum(here, 1) != checkpoint_checksum(there, 1):
                raise InputError(
                    f"{here}: its stage 1 has other weights than {there}, of which it "
                    "should be a copy; remove one of them or give another --out"
                )
            return True

        return Step(
            f"copy stage 1 of {twin} to {row.name}: the same training",
            (str(there / "stage1"), str(here / "stage1")),
            is_done,
            work=work,
            copies=True,
        )

    def _stage_key(self, config: RunConfig, options: TrainConfig) -> tuple[Any, ...]:
        """Returns everything that the weights of a stage depend on."""
        recipe = config.recipe
        adversarial = options.stage in recipe.adversarial
        return config.model, options, recipe.reconstruction, adversarial

    def _check_run(self, run_dir: Path, config: RunConfig, wanted: TrainConfig) -> None:
        """Refuses a run folder with other networks, options or data."""
        folder = RunFolder(run_dir).stage(wanted.stage)
        options = folder.options()
        if not options or not folder.checkpoints():
            return
        there = TrainConfig(**options["training"])
        # A longer training resumes from a shorter one.
        longer = there.is_open_ended and there.steps <= wanted.steps
        free: tuple[str, ...] = (*_FREE, "steps") if longer else _FREE
        if wanted.stage in config.recipe.adversarial:
            free = tuple(name for name in free if name != "l1_weight")
        for item in dataclasses.fields(wanted):
            old, new = getattr(there, item.name), getattr(wanted, item.name)
            if old != new and item.name not in free:
                raise InputError(
                    f"{folder.path}: was trained with {item.name} {old}, not {new}; "
                    "give another --out"
                )
        if RunFolder(run_dir).require_config() != config:
            raise InputError(
                f"{run_dir}: holds a run with other networks or another profile; give "
                "another --out"
            )
        checksum = describe_data(self.data_dir)["checksum"]
        if options.get("data", {}).get("checksum") != checksum:
            raise InputError(
                f"{folder.path}: was trained on other data than {self.data_dir}; give "
                "another --out"
            )


def study_steps(plan: Plan, *, out: Path, seed: int) -> list[Step]:
    """Returns the steps after those of the rows: images, and the user study's page.

    Args:
        plan: Plan with the rows of `STUDIED`.
        out: Folder of the page.
        seed: Seed for sampling pairs and images.
    """
    places = {row.name: out / "study" / row.name for row in plan.rows}
    steps = [
        plan.evaluation(
            row,
            f"images of {row.name}",
            places[row.name],
            "--save_images",
            num_pairs=_STUDY_PAIRS,
        )
        for row in plan.rows
    ]
    methods = [
        f"--method={name}={place / 'images' / STUDIED[name]}"
        for name, place in places.items()
    ]
    page, real = out / "study.html", places["G1+G2+D"] / "images" / "target"
    flags = (f"--real={real}", *methods, f"--seed={seed}", f"--out={page}")
    scores = [place / "scores.json" for place in places.values()]
    note = Note(out / "study.inputs.json", lambda: _made_of(flags, scores), page)

    def is_done() -> bool:
        if page.exists() and not note.matches():
            raise InputError(
                f"{page}: was made of other images; remove it and its key, or give "
                "another --out"
            )
        return page.exists()

    command = ("pg2_tf.user_study", "make", *flags)
    return [*steps, Step(f"write the page {page}", command, is_done, note=note)]


def sweep_step(plan: Plan, *, out: Path, seed: int) -> Step:
    """Returns the step after those of `lambda_rows`: the figures of images and scores.

    Args:
        plan: Plan with the rows.
        out: Folder of the figures.
        seed: Seed for sampling the pairs of the figure.
    """
    runs = [f"{row.name}={plan.run_dir(row.name)}" for row in plan.rows]
    paths = {row.name: plan.scores_path(row.name) for row in plan.rows}
    scores = [f"{name}={path}" for name, path in paths.items()]
    flags = (
        "--figure=lambda",
        f"--data_dir={plan.data_dir}",
        f"--runs={','.join(runs)}",
        f"--scores={','.join(scores)}",
        f"--seed={seed}",
        f"--out={out}",
    )
    result = out / "figure_lambda_scores.png"
    inputs = list(paths.values())
    note = Note(out / "lambda.inputs.json", lambda: _made_of(flags, inputs), result)
    return noted("draw images and scores by lambda", ("pg2_tf.figures", *flags), note)


def _made_of(flags: Sequence[str], scores: Sequence[Path]) -> dict[str, Any]:
    """Returns the inputs of a step that follows from evaluations."""
    checksums = [files.sha256(path) if path.is_file() else "" for path in scores]
    return {"flags": list(flags), "scores": checksums}


def _steps_done(run_dir: Path, stage: int) -> int:
    checkpoints = RunFolder(run_dir).stage(stage).checkpoints()
    return step_of(checkpoints[0]) if checkpoints else 0
