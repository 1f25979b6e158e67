"""Loads every kind of model: shipped, run folder, SavedModel, TensorFlow Lite."""

from pathlib import Path
from typing import Protocol

import numpy as np
from absl import flags

from pg2_tf.inference import shipped
from pg2_tf.inference.exported import LoadedLite, LoadedSavedModel
from pg2_tf.inference.inputs import Images
from preprocessing.system import host
from preprocessing.system.errors import InputError

_CONFIG = "config.json"
_SAVED_MODEL = "saved_model.pb"
# Bytes 4 to 7 of every TensorFlow Lite file.
_LITE = b"TFL3"


class Model(Protocol):
    """Generators that put people into poses, of any kind of model."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""

    @property
    def stage(self) -> int:
        """2 if the model gives refined images, otherwise 1."""

    @property
    def describe(self) -> str:
        """A description of the model in one line."""

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> Images:
        """Generates images.

        Args:
            images: source images, uint8 [B, H, W, 3] of `image_size`, B at least 1.
            poses: target poses, float32 [B, 18, 3]: x, y in pixels, confidence.

        Returns:
            `coarse`, and with stage 2 `refined`, uint8 [B, H, W, 3].

        Raises:
            ValueError: images or poses of another type, shape or range.
        """


def load_model(
    path: str | Path,
    *,
    stage: int | None = None,
    weights: str = "auto",
    precision: str = "float32",
    trust_model: bool = False,
) -> Model:
    """Loads a model, whose kind is recognised by its files.

    Args:
        path: a run folder; a SavedModel (the folder of one version, or of many, of
            which the highest is loaded); a `.tflite` file; or the name of a shipped
            model, unless a file or folder has this name.
        stage: 1 or 2; default the last stage of the model.
        weights: one of `weights_flag.WEIGHTS`.
        precision: `float32` or `bfloat16`.
        trust_model: whether a SavedModel is loaded that has operations which
            `pg2_tf.export` never writes. They can read and write files.

    Raises:
        InputError: no model, a damaged or foreign one, or an option that this kind of
            model does not have.
    """
    place = Path(path)
    if not place.exists() and str(path) in shipped.NAMES:
        place = shipped.path_of(str(path))
    if (place / _CONFIG).exists():
        # Here, so that a `.tflite` file loads without TensorFlow.
        host.import_tensorflow()
        from pg2_tf.inference.pose_transfer import PoseTransfer

        return PoseTransfer.load(
            place, stage=stage, weights=weights, precision=precision
        )
    version = _saved_model(place)
    if not version and not _is_lite(place):
        raise InputError(_missing(place))
    kind = "SavedModel" if version else "TensorFlow Lite model"
    for name, value, default in (
        ("stage", stage, None),
        ("weights", weights, "auto"),
        ("precision", precision, "float32"),
    ):
        if value != default:
            raise InputError(
                f"{path}: {name}={value} needs a run folder; a {kind} has the stage, "
                "weights and precision that python -m pg2_tf.export was given"
            )
    if version:
        host.import_tensorflow()
        return LoadedSavedModel(version, trusted=trust_model)
    return LoadedLite(place)


def define_trust_model() -> flags.FlagHolder[bool]:
    """Defines the flag for `trust_model` of `load_model`."""
    return flags.DEFINE_boolean(
        "trust_model",
        False,
        "Load a SavedModel with operations that pg2_tf.export never writes. They can "
        "read and write files.",
    )


def _saved_model(path: Path) -> Path | None:
    """Returns the folder of the SavedModel at a path, or None."""
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
        names = f"; the shipped models are {', '.join(shipped.NAMES)}"
        return f"{path}: no such file or folder{names if shipped.NAMES else ''}"
    return (
        f"{path}: no model; allowed are a run folder (with {_CONFIG}), a SavedModel "
        f"(with {_SAVED_MODEL}, or a folder of its versions), a TensorFlow Lite file "
        "and the name of a shipped model"
    )
