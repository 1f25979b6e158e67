"""One way to load every kind of model: run folder, SavedModel, TensorFlow Lite."""

from pathlib import Path
from typing import Protocol

import numpy as np

from pg2_tf.inference.exported import LoadedLite, LoadedSavedModel
from pg2_tf.inference.pose_transfer import Images, PoseTransfer
from pg2_tf.runs.run_folder import CONFIG
from preprocessing.system.errors import InputError

_SAVED_MODEL = "saved_model.pb"
# Bytes 4 to 7 of every TensorFlow Lite file.
_LITE = b"TFL3"


class Model(Protocol):
    """Generators that put people into poses, wherever they were loaded from."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""

    @property
    def stage(self) -> int:
        """1, or 2 where it gives refined images."""

    @property
    def describe(self) -> str:
        """What it is, one line."""

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> Images:
        """Generates images.

        Args:
            images: of the persons, uint8 [B, H, W, 3] of `image_size`, B at least 1.
            poses: to put them in, float32 [B, 18, 3]: x, y in pixels, confidence.

        Returns:
            `coarse`, and with stage 2 `refined`, uint8 [B, H, W, 3].
        """


def load_model(
    path: str | Path,
    *,
    stage: int | None = None,
    weights: str = "auto",
    precision: str = "float32",
) -> Model:
    """Loads a model; what kind it is of is told by what is there, not by its name.

    Args:
        path: a run folder; a SavedModel, the folder of one version or of many, of
            which the one with the highest number is taken; or a `.tflite` file.
        stage: 1 or 2; default the last that the model has.
        weights: one of `weights.WEIGHTS`.
        precision: `float32` or `bfloat16`.

    Raises:
        InputError: there is no model, it is damaged or none of this project, or an
            option is of run folders and this is none.
    """
    path = Path(path)
    if (path / CONFIG).exists():
        return PoseTransfer.load(
            path, stage=stage, weights=weights, precision=precision
        )
    version = _saved_model(path)
    if not version and not _is_lite(path):
        raise InputError(_missing(path))
    for name, value, default in (
        ("stage", stage, None),
        ("weights", weights, "auto"),
        ("precision", precision, "float32"),
    ):
        if value != default:
            kind = "SavedModel" if version else "TensorFlow Lite model"
            raise InputError(
                f"{path}: a {kind} is as it was exported; --{name}={value} is for run "
                "folders, and for python -m pg2_tf.export"
            )
    return LoadedSavedModel(version) if version else LoadedLite(path)


def _saved_model(path: Path) -> Path | None:
    """Returns the folder of the SavedModel at a path, or None without any."""
    if (path / _SAVED_MODEL).exists():
        return path
    if not path.is_dir():
        return None
    versions = [
        place
        for place in path.iterdir()
        if place.name.isdecimal() and (place / _SAVED_MODEL).exists()
    ]
    return max(versions, key=lambda place: int(place.name), default=None)


def _is_lite(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8)[4:] == _LITE


def _missing(path: Path) -> str:
    if not path.exists():
        return f"{path}: no such file or folder; needed is a trained model"
    allowed = (
        f"allowed are a run folder (with {CONFIG}), a SavedModel (with {_SAVED_MODEL}, "
        "or a folder of its versions) and a TensorFlow Lite file"
    )
    return f"{path}: no model; {allowed}"
