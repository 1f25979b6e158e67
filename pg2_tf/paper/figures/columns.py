"""What figures compare: images that runs generate, and images from folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pg2_tf.evaluation import folders
from pg2_tf.evaluation.folders import image_name
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.paper.figures.pairs import Pairs
from pg2_tf.runs.run_folder import RunFolder
from preprocessing.images import image_files as images
from preprocessing.system.errors import InputError

_STAGES = ("1", "2")


class Column(NamedTuple):
    """Images of one method.

    Attributes:
        heading: above them.
        images: of each pair, uint8 [H, W, 3] each, of any size.
    """

    heading: str
    images: Sequence[np.ndarray] | np.ndarray


class Run(NamedTuple):
    """A run to take images from.

    Attributes:
        label: what figures call it.
        path: of the run folder.
        stage: 1 or 2, or None for the last one trained.
    """

    label: str
    path: Path
    stage: int | None

    def require_size(self, size: tuple[int, int]) -> None:
        """Raises InputError where there is no run, or its images are not of `size`."""
        made = RunFolder(self.path).require_config().model.image_size
        if made != size:
            raise InputError(
                f"{self.path}: makes images of {_size(made)}, those of the data set "
                f"are {_size(size)}"
            )

    def generate(self, pairs: Pairs, *, weights: str) -> np.ndarray:
        """Generates the images of pairs.

        Args:
            pairs: with source images and target poses, of the run's size.
            weights: as of `PoseTransfer.load`.

        Returns:
            uint8 [P, H, W, 3]: refined images of stage 2, coarse ones of stage 1.

        Raises:
            InputError: the run has no readable checkpoint of such weights.
        """
        model = PoseTransfer.load(self.path, stage=self.stage, weights=weights)
        made = model(pairs.source, pairs.poses)
        return made.get("refined", made["coarse"])

    def l1_weight(self) -> float:
        """Returns the lambda of equation 4 that the stage was trained with.

        Raises:
            InputError: it is not known, or the stage's loss has none.
        """
        folder = RunFolder(self.path)
        config = folder.require_config()
        stage = folder.stage(self.stage) if self.stage else folder.latest_stage()
        if stage.number not in config.recipe.adversarial:
            raise InputError(
                f"{self.path}: stage {stage.number} of {config.variant} was not "
                "trained against D; there is no lambda in its loss"
            )
        options = stage.options()
        if options is None:
            raise InputError(
                f"{stage.path}: has no options.json, so that its lambda is not known"
            )
        return float(options["training"]["l1_weight"])


def parse_runs(flag: str, values: Sequence[str]) -> list[Run]:
    """Parses `LABEL=RUN_DIR` or `RUN_DIR`, either with `@1` or `@2` for a stage.

    Args:
        flag: the name of the flag, for messages.
        values: of the flag.
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
    """Parses `LABEL=PATH`, or `PATH`, whose label is its name without suffix.

    Args:
        flag: the name of the flag, for messages.
        values: of the flag.
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
        place: a folder with an image for each pair, called as `saving.image_name`
            says, or a CSV with the columns `from,to,file`, files as seen from its
            folder.
        pairs: wanted.

    Raises:
        InputError: an image is missing, or cannot be read.
    """
    there = _read_list(place) if place.is_file() else folders.by_name(place)
    names = [image_name(row) for row in pairs.names]
    for name in names:
        if name not in there:
            raise InputError(f"{place}: has no image of {name}")
    return [images.read(there[name]) for name in names]


def _read_list(path: Path) -> dict[str, Path]:
    """Returns the files that a list names, by the names of their pairs."""
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
                f"--{flag}: {label} is there twice; give each a label of its own, as "
                "in LABEL=PATH"
            )


def _size(size: tuple[int, int]) -> str:
    return "{}x{}".format(*size)
