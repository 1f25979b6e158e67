"""The run folder: configuration, options, logs and checkpoints of each stage.

config.json             data set, profile, networks
stage1/, stage2/
    options.json        training options, package versions, data set checksum
    metrics.jsonl       losses, one line for every logged step
    validation.jsonl    scores of pairs of held-out training identities
    warnings.jsonl      warnings with their steps
    checkpoints/        weights, optimizer state, step: the last few
    best/               weights with the best score, and best.json with the score
    samples/            pictures of fixed pairs
    events/             the same for TensorBoard
"""

import hashlib
import importlib.metadata
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tensorflow as tf

from pg2_tf.model.config import RunConfig, TrainConfig, from_plain
from pg2_tf.runs import checkpoint_files
from preprocessing.dataset import records
from preprocessing.system import files
from preprocessing.system.errors import InputError

CONFIG = "config.json"
OPTIONS = "options.json"
BEST = "best.json"
# The metric that selects the best weights.
SCORE = "mask_ssim"
_PACKAGES = (
    "pg2-tf",
    "tensorflow",
    "keras",
    "numpy",
    "opencv-python-headless",
    "scikit-image",
)


class RunFolder:
    """A run folder, which may not exist yet.

    Args:
        path: Path of the folder.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def config(self) -> RunConfig | None:
        """Returns the configuration of the run, or None if there is no run.

        Raises:
            InputError: The configuration is damaged.
        """
        path = self.path / CONFIG
        fields = _read_json(path)
        if fields is None:
            return None
        try:
            return RunConfig.from_json(fields)
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error

    def require_config(self) -> RunConfig:
        """Returns the configuration of the run.

        Raises:
            InputError: There is no run, or the configuration is damaged.
        """
        config = self.config()
        if config is None:
            raise InputError(
                f"{self.path}: no run folder (it has no {CONFIG}); make one with "
                "python -m pg2_tf.train or python -m pg2_tf.import_authors"
            )
        return config

    def claim(self, config: RunConfig) -> None:
        """Writes the configuration, or checks that the folder has the same one.

        A run without a checkpoint is replaced.

        Raises:
            InputError: The folder holds another run; the message says what differs.
        """
        there = self.config()
        if there is None or not self.is_trained():
            files.write_json(self.path / CONFIG, config.to_json())
            return
        for key, old, new in _differences(there.to_json(), config.to_json()):
            raise InputError(
                f"{self.path}: holds a run with {key} {old}, not {new}; give another "
                "--run_dir"
            )

    def is_trained(self) -> bool:
        """True if a stage has a checkpoint."""
        return any(self.stage(number).checkpoints() for number in (1, 2))

    def stage(self, number: int) -> "StageFolder":
        """Returns the folder of a stage."""
        return StageFolder(self.path / f"stage{number}", number)

    def latest_stage(self) -> "StageFolder":
        """Returns the last stage that has a checkpoint.

        Raises:
            InputError: No stage has a checkpoint.
        """
        for number in (2, 1):
            if self.stage(number).checkpoints():
                return self.stage(number)
        raise InputError(f"{self.path}: has no checkpoint of either stage")


class StageFolder:
    """The folder of a stage.

    Args:
        path: Path of the folder.
        number: Number of the stage, 1 or 2.
    """

    def __init__(self, path: Path, number: int):
        self.path = path
        self.number = number
        self.checkpoint_dir = path / "checkpoints"
        self.best_dir = path / "best"

    def checkpoints(self) -> list[str]:
        """Returns the checkpoints, paths without suffix, the newest first."""
        return checkpoint_files.find(self.checkpoint_dir)

    def best(self) -> dict[str, Any] | None:
        """Returns the best validation scores and their `step`, or None without any.

        The weights of that step are the checkpoint in `best_dir`.

        Raises:
            InputError: The file that holds them is damaged.
        """
        path = self.best_dir / BEST
        scores = _read_json(path)
        if scores is None:
            return None
        for name, kind in (("step", int), (SCORE, float)):
            value: Any = scores.get(name)
            if type(value) not in (kind, int) or not math.isfinite(value):
                raise InputError(f"{path}: {name} {value!r:.80}: expected a number")
        return scores

    def options(self) -> dict[str, Any] | None:
        """Returns the options of the training, or None without a training.

        Raises:
            InputError: The file is damaged, or a training option has another type.
        """
        path = self.path / OPTIONS
        options = _read_json(path)
        if options is None:
            return None
        try:
            from_plain(TrainConfig, options.get("training"))
        except ValueError as error:
            raise InputError(f"{path}: training: {error}") from error
        data = options.setdefault("data", {})
        if not isinstance(data, dict):
            raise InputError(f"{path}: data {data!r:.80}: expected an object")
        if not isinstance(data.get("checksum", ""), str):
            raise InputError(
                f"{path}: data.checksum {data['checksum']!r:.80}: expected a string"
            )
        return options

    def averaged(self) -> tuple[str, ...]:
        """Returns the names of the networks with moving averages in the checkpoints."""
        options = self.options()
        if not options:
            return ()
        return from_plain(TrainConfig, options["training"]).averaged

    def claim(self, options: dict[str, Any]) -> None:
        """Writes the options of a training, or checks that they are the same.

        `steps` may change unless the learning rate depends on it: a longer training
        resumes from the shorter one.

        Raises:
            InputError: The stage was trained with other options, which are named.
        """
        there = self.options()
        if there and self.checkpoints():
            # Options that an older version did not know have their defaults.
            known = from_plain(TrainConfig, there["training"])
            free = ["data.folder"]
            if known.is_open_ended:
                free.append("training.steps")
            for key, old, new in _differences(
                {"training": asdict(known), "data": there["data"]},
                {key: options[key] for key in ("training", "data")},
            ):
                if key in free:
                    continue
                raise InputError(
                    f"{self.path}: was trained with {key.split('.')[-1]} {old}, not "
                    f"{new}; give the same, or another --run_dir"
                )
        files.write_json(self.path / OPTIONS, options)

    def restore(self, checkpoint: tf.train.Checkpoint, *, partial: bool = False) -> str:
        """Restores the newest checkpoint that can be read.

        A damaged one is reported on standard output and the one before it is used.

        Args:
            checkpoint: The object to restore into.
            partial: Whether the file may hold more than that.

        Returns:
            The path of the checkpoint, without suffix.

        Raises:
            InputError: There is none, or none can be read.
        """
        for path in self.checkpoints():
            if checkpoint_files.read(checkpoint, path, partial=partial):
                return path
        raise InputError(f"{self.checkpoint_dir}: has no readable checkpoint")


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that results depend on."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def describe_data(data_dir: str | Path) -> dict[str, str]:
    """Returns a data set's folder and a checksum of its contents."""
    splits = records.read_manifest(data_dir)["splits"]
    text = json.dumps(splits, sort_keys=True)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return {"folder": str(data_dir), "checksum": checksum}


def _read_json(path: Path) -> dict[str, Any] | None:
    """Returns the JSON object in a file, or None without a file."""
    if not path.exists():
        return None
    try:
        return files.as_object(f"{path}:", files.read_json(path))
    except files.UnknownFormatError as error:
        raise InputError(f"{path}: damaged ({error})") from error


def _differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            difference
            for name in {**old, **new}
            for difference in _differences(
                old.get(name), new.get(name), f"{key}.{name}".lstrip(".")
            )
        ]
    old, new = (
        list(value) if isinstance(value, tuple) else value for value in (old, new)
    )
    return [] if old == new else [(key, old, new)]
