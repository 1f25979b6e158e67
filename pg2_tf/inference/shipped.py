"""Models in the package: `models/NAME.tflite`, with a model card `NAME.json`.

Each is a `.tflite` file that takes any number of images, as `pg2_tf.export --tflite`
writes it (`KIND_batch.tflite`).
"""

from pathlib import Path

_FOLDER = Path(__file__).parent / "models"

NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.tflite")))
DEFAULT = "drawn-people"


def path_of(name: str) -> Path:
    """Returns the path of the shipped model of `NAMES` with this name."""
    return _FOLDER / f"{name}.tflite"
