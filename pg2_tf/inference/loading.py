"""Loads models of every kind: run folder, SavedModel, TensorFlow Lite, shipped.

A shipped model is a file `models/NAME.tflite` in this package with a model card
`NAME.json`. `pg2_tf.export --tflite` writes such files (`KIND_batch.tflite`).
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from absl import flags

from pg2_tf.inference.exported import LoadedLite, LoadedSavedModel
from pg2_tf.inference.inputs import Images
from preprocessing.system import host
from preprocessing.system.errors import InputError

_SHIPPED = Path(__file__).parent / "models"
SHIPPED = tuple(sorted(path.stem for path in _SHIPPED.glob("*.tflite")))
DEFAULT = "drawn-people"

_CONFIG = "config.json"
_SAVED_MODEL = "saved_model.pb"
# Bytes 4 to 7 of every TensorFlow Lite file.
_LITE = b"TFL3"


class Model(Protocol):
    """A loaded model of any kind, which generates images of people in poses."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""

    @property
    def stage(self) -> int:
        """2 if the model generates refined images, otherwise 1."""

    @property
    def describe(self) -> str:
        """A description of the model in one line."""

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> Images:
        """Generates images.

        Args:
            images: Source images, uint8 [B, H, W, 3] of `image_size`, B at least 1.
            poses: Target poses, float32 [B, 18, 3]: x, y in pixels, confidence.

        Returns:
            `coarse`, and with stage 2 `refined`, uint8 [B, H, W, 3].

        Raises:
            ValueError: Images or poses have another type, shape or range.
        """


def load_model(
    path: str | Path,
    *,
    stage: int | None = None,
    weights: str = "auto",
    precision: str = "float32",
    trust_model: bool = False,
) -> Model:
    """Loads a model. Its files tell its kind.

    Args:
        path: Run folder, SavedModel (the folder of one version, or of several, of
            which the highest is loaded), `.tflite` file, or name of a shipped model.
            A file or folder takes precedence over a shipped model of the same name.
        stage: 1 or 2. Default: the last stage of the model.
        weights: One of `weights_flag.WEIGHTS`.
        precision: `float32` or `bfloat16`.
        trust_model: Whether to load a SavedModel with operations that `pg2_tf.export`
            never writes. They can read and write files.

    Raises:
        InputError: There is no model, it is damaged or was not exported by this
            project, or its kind does not support an option.
    """
    place = Path(path)
    if not place.exists() and str(path) in SHIPPED:
        place = shipped_path(str(path))
    if (place / _CONFIG).exists():
        # A `.tflite` file loads without TensorFlow.
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
                "weights and precision of its export"
            )
    if version:
        host.import_tensorflow()
        return LoadedSavedModel(version, trusted=trust_model)
    return LoadedLite(place)


def shipped_path(name: str) -> Path:
    """Returns the path of the shipped model with a name of `SHIPPED`."""
    return _SHIPPED / f"{name}.tflite"


def define_trust_model() -> flags.FlagHolder[bool]:
    """Defines the flag --trust_model."""
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
        names = f"; the shipped models are {', '.join(SHIPPED)}"
        return f"{path}: no such file or folder{names if SHIPPED else ''}"
    return (
        f"{path}: not a model; expected a run folder (with {_CONFIG}), a SavedModel "
        f"(with {_SAVED_MODEL}, or a folder of its versions), a TensorFlow Lite file "
        "or the name of a shipped model"
    )
