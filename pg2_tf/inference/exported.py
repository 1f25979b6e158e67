"""Exported models, SavedModel and TensorFlow Lite, ready to make images."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pg2_tf.inference.pose_transfer import Images, in_parts
from pg2_tf.machine import isolated
from preprocessing.system.errors import InputError

SIGNATURE = "serving_default"


class _Doors(NamedTuple):
    """What a signature takes and gives, by name: type and shape, None where free."""

    inputs: dict[str, tuple[str, list[int | None]]]
    outputs: dict[str, tuple[str, list[int | None]]]


class LoadedSavedModel:
    """Puts people into poses with a SavedModel, by its signature `serving_default`.

    Args:
        path: of the folder of one version.

    Raises:
        InputError: it cannot be loaded, or is no model of this project.
    """

    def __init__(self, path: str | Path):
        try:
            # Held: signatures do not keep the variables alive.
            self._loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise InputError(f"{path}: damaged SavedModel ({_line(error)})") from error
        signatures = getattr(self._loaded, "signatures", {})
        if SIGNATURE not in signatures:
            raise _foreign(path, "SavedModel", "it has no signature " + SIGNATURE)
        self._run = signatures[SIGNATURE]
        doors = _Doors(
            _specified(self._run.structured_input_signature[1]),
            _specified(self._run.structured_outputs),
        )
        self.image_size, self.stage = _examine(path, "SavedModel", doors)
        self.describe = f"SavedModel, stage {self.stage}"

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> Images:
        """Generates images; see `inference.PoseTransfer`."""
        return in_parts(self._run_some, images, poses, image_size=self.image_size)

    def _run_some(self, images: np.ndarray, poses: np.ndarray) -> Images:
        made = self._run(image=tf.constant(images), keypoints=tf.constant(poses))
        return {name: image.numpy() for name, image in made.items()}


class LoadedLite:
    """Puts people into poses with a `.tflite` file.

    Args:
        path: of the file.
        threads: how many it computes with; None for one each core.

    Raises:
        InputError: it cannot be loaded, or is no model of this project.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None):
        # Here, so that the other kinds of models need no LiteRT.
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(
                str(path), num_threads=threads or isolated.usable_cores()
            )
            signatures = self._interpreter.get_signature_list()
            if SIGNATURE not in signatures:
                raise _foreign(
                    path, "TensorFlow Lite model", "it has no signature " + SIGNATURE
                )
            self._run = self._interpreter.get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{path}: damaged TensorFlow Lite model ({_line(error)})"
            ) from error
        doors = _Doors(
            _detailed(self._run.get_input_details()),
            _detailed(self._run.get_output_details()),
        )
        self.image_size, self.stage = _examine(path, "TensorFlow Lite model", doors)
        self.batch_size = doors.inputs["image"][1][0]
        self.describe = f"TensorFlow Lite, stage {self.stage}"

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> Images:
        """Generates images; see `inference.PoseTransfer`."""
        size = {"size": self.batch_size} if self.batch_size else {}
        return in_parts(
            self._run_some, images, poses, image_size=self.image_size, **size
        )

    def _run_some(self, images: np.ndarray, poses: np.ndarray) -> Images:
        return self._run(image=images, keypoints=poses)


def _examine(path: Any, kind: str, doors: _Doors) -> tuple[tuple[int, int], int]:
    """Returns a model's image size and stage, if it is one of this project."""
    height, width = doors.inputs.get("image", ("", [None] * 4))[1][1:3]
    images = ("uint8", [height, width, 3])
    needed = {"image": images, "keypoints": ("float32", [18, 3])}
    inputs = {name: (kind, shape[1:]) for name, (kind, shape) in doors.inputs.items()}
    outputs = {name: (kind, shape[1:]) for name, (kind, shape) in doors.outputs.items()}
    stages = {1: {"coarse": images}, 2: {"coarse": images, "refined": images}}
    stage = next((stage for stage in stages if outputs == stages[stage]), None)
    if inputs != needed or stage is None or height is None or width is None:
        raise _foreign(
            path,
            kind,
            f"it takes {_listed(doors.inputs)}, gives {_listed(doors.outputs)}",
        )
    return (height, width), stage


def _foreign(path: Any, kind: str, found: str) -> InputError:
    return InputError(
        f"{path}: a {kind}, but none that python -m pg2_tf.export wrote: {found}"
    )


def _specified(specs: dict[str, tf.TensorSpec]) -> dict[str, Any]:
    return {
        name: (
            spec.dtype.name,
            spec.shape.as_list() if spec.shape.rank is not None else [],
        )
        for name, spec in specs.items()
    }


def _detailed(details: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        name: (
            np.dtype(detail["dtype"]).name,
            [None if size < 0 else int(size) for size in detail["shape_signature"]],
        )
        for name, detail in details.items()
    }


def _listed(doors: dict[str, tuple[str, list[int | None]]]) -> str:
    return ", ".join(
        f"{name} {kind} {['any' if n is None else n for n in shape]}".replace("'", "")
        for name, (kind, shape) in sorted(doors.items())
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
