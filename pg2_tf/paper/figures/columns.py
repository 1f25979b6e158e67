"""The pairs and columns of a figure: images of runs, and images from folders."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf

from pg2_tf.data.dataset import Split
from pg2_tf.data.pipeline import PairSource
from pg2_tf.evaluation import folders
from pg2_tf.evaluation.folders import image_name
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.runs.run_folder import RunFolder
from preprocessing.images import image_files as images
from preprocessing.system.errors import InputError

_STAGES = ("1", "2")


class Pairs(NamedTuple):
    """Pairs of images.

    Attributes:
        names: Names of source and target of each pair.
        identities: Identities of the targets.
        source, target: uint8 [P, H, W, 3].
        poses: Target poses, float32 [P, 18, 3] in pixels.
    """

    names: list[tuple[str, str]]
    identities: list[str]
    source: np.ndarray
    target: np.ndarray
    poses: np.ndarray

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return self.source.shape[1:3]


class Column(NamedTuple):
    """Images of one method.

    Attributes:
        heading: Heading of the column.
        images: Image of each pair, uint8 [H, W, 3], of any size.
    """

    heading: str
    images: Sequence[np.ndarray] | np.ndarray


class Run(NamedTuple):
    """A run to take images from.

    Attributes:
        label: Label in the figure.
        path: Run folder.
        stage: 1 or 2, or None for the last one trained.
    """

    label: str
    path: Path
    stage: int | None

    def require_size(self, size: tuple[int, int]) -> None:
        """Raises InputError if there is no run, or its images have another size."""
        made = RunFolder(self.path).require_config().model.image_size
        if made != size:
            raise InputError(
                f"{self.path}: generates images of {_size(made)}, the data set has "
                f"{_size(size)}"
            )

    def generate(self, pairs: Pairs, *, weights: str) -> np.ndarray:
        """Generates the images of pairs.

        Args:
            pairs: Source images and target poses of the run's size.
            weights: See `PoseTransfer.load`.

        Returns:
            uint8 [P, H, W, 3]: refined images of stage 2, coarse images of stage 1.

        Raises:
            InputError: The run has no readable checkpoint with these weights.
        """
        model = PoseTransfer.load(self.path, stage=self.stage, weights=weights)
        made = model(pairs.source, pairs.poses)
        return made.get("refined", made["coarse"])

    def l1_weight(self) -> float:
        """Returns the lambda of equation 4 that the stage was trained with.

        Raises:
            InputError: Lambda is unknown, or the stage's loss has none.
        """
        folder = RunFolder(self.path)
        config = folder.require_config()
        stage = folder.stage(self.stage) if self.stage else folder.latest_stage()
        if stage.number not in config.recipe.adversarial:
            raise InputError(
                f"{self.path}: stage {stage.number} of {config.variant} was not "
                "trained with D; its loss has no lambda"
            )
        options = stage.options()
        if options is None:
            raise InputError(
                f"{stage.path}: has no options.json; its lambda is unknown"
            )
        return float(options["training"]["l1_weight"])


def gather(split: Split, positions: Sequence[int]) -> Pairs:
    """Gathers pairs of a split.

    Args:
        split: Data split.
        positions: Positions among the split's pairs, in order.
    """
    # Only the images of these pairs are decoded.
    pairs = split.pairs[list(positions)]
    chosen = PairSource(dataclasses.replace(split, pairs=pairs))
    batch = chosen.gather(tf.range(len(pairs), dtype=tf.int64))
    return Pairs(
        names=chosen.names_of(np.arange(len(pairs))),
        identities=[split.identities[target] for target in pairs[:, 1].tolist()],
        source=batch["source"].numpy(),
        target=batch["target"].numpy(),
        poses=batch["keypoints"].numpy(),
    )


def parse_runs(flag: str, values: Sequence[str]) -> list[Run]:
    """Parses `LABEL=RUN_DIR` or `RUN_DIR`, optionally with `@1` or `@2` for a stage.

    Args:
        flag: Name of the flag, for messages.
        values: Values of the flag.
    """
    runs = []
    for label, place in _labelled(flag, values):
        path, at, stage = place.rpartition("@")
        chosen = bool(at) and stage in _STAGES
        path = path if chosen else place
        runs.append(
            Run(label or Path(path).name, Path(path), int(stage) if chosen else None)
        )
    _refuse_twice(flag, [run.label for run in runs])
    return runs


def parse_labelled(flag: str, values: Sequence[str]) -> dict[str, Path]:
    """Parses `LABEL=PATH`, or `PATH` with its name without suffix as label.

    Args:
        flag: Name of the flag, for messages.
        values: Values of the flag.
    """
    labelled = [
        (label or Path(path).stem, Path(path))
        for label, path in _labelled(flag, values)
    ]
    _refuse_twice(flag, [label for label, _ in labelled])
    return dict(labelled)


def read_generated(place: Path, pairs: Pairs) -> list[np.ndarray]:
    """Reads the images that a method generated for pairs, uint8 [H, W, 3] each.

    Args:
        place: A folder with an image for each pair, named by `folders.image_name`, or
            a CSV with the columns `from,to,file`, whose files are relative to its
            folder.
        pairs: The pairs.

    Raises:
        InputError: An image is missing, or cannot be read.
    """
    there = _read_list(place) if place.is_file() else folders.by_name(place)
    names = [image_name(row) for row in pairs.names]
    for name in names:
        if name not in there:
            raise InputError(f"{place}: has no image of {name}")
    return [images.read(there[name]) for name in names]


def _read_list(path: Path) -> dict[str, Path]:
    """Returns the files in a list, by the image names of their pairs."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from error
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path}: is empty") from error
    needed = ["from", "to", "file"]
    if not set(needed) <= set(table):
        raise InputError(
            f"{path}: a list of images needs the columns {','.join(needed)}; got "
            f"{','.join(table)}"
        )
    rows = table[needed].itertuples(index=False, name=None)
    return {image_name(names): path.parent / file for *names, file in rows}


def _labelled(flag: str, values: Sequence[str]) -> list[tuple[str, str]]:
    parts = [value.partition("=") for value in values]
    labelled = [
        (first, second) if equals else ("", first) for first, equals, second in parts
    ]
    for value, (label, path) in zip(values, labelled, strict=True):
        if not path or ("=" in value and not label):
            raise InputError(f"--{flag}={value}: expected LABEL=PATH")
    return labelled


def _refuse_twice(flag: str, labels: Sequence[str]) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(
                f"--{flag}: the label {label} appears twice; give each its own label, "
                "as in LABEL=PATH"
            )


def _size(size: tuple[int, int]) -> str:
    return "{}x{}".format(*size)
