"""The generators as a SavedModel with three signatures.

What a signature gives has the name of the image: `coarse`, and of a model of two
stages `refined`.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from pg2_tf.data import ranges
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.networks import generate
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.serving import warm_up
from pg2_tf.serving.graph_inputs import check_batch, decode_and_fit
from preprocessing.system import files, host

MODEL_CARD = "model_card.json"


class ServedModel(tf.Module):
    """A model's generators behind signatures, with a free batch size.

    Args:
        model: whose generators are served.
    """

    def __init__(self, model: PoseTransfer):
        super().__init__(name="pg2")
        self._networks = model.networks
        # Only plain variables are tracked, so that loading does not need Keras.
        self._weights = [
            weight.value
            for network in model.networks[:2]
            if network is not None
            for weight in network.weights
        ]
        self._size = model.image_size
        self._draw = PoseHeatmaps(self._size)
        self._last = "coarse" if model.networks.generator2 is None else "refined"
        # What the raw signature takes the pose as.
        (self._pose,) = set(model.networks.generator1.input) - {"source"}
        self._shapes = {"image": (*self._size, 3), "keypoints": (18, 3)}

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions by signature name."""
        image = (None, *self._size, 3)
        keypoints = tf.TensorSpec((None, 18, 3), tf.float32, "keypoints")
        heatmaps = tf.TensorSpec((None, *self._size, 18), tf.float32, "heatmaps")
        return {
            "serving_default": _concrete(
                self._serve, tf.TensorSpec(image, tf.uint8, "image"), keypoints
            ),
            "encoded": _concrete(
                self._serve_encoded,
                tf.TensorSpec((None,), tf.string, "image_bytes"),
                keypoints,
            ),
            "raw": _concrete(
                self._serve_raw,
                tf.TensorSpec(image, tf.float32, "image"),
                keypoints if self._pose == "keypoints" else heatmaps,
            ),
        }

    def _serve(self, image: tf.Tensor, keypoints: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = {"image": image, "keypoints": keypoints}
        return self._pixels(*check_batch(inputs, self._shapes))

    def _serve_encoded(
        self, image_bytes: tf.Tensor, keypoints: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        inputs = {"image_bytes": image_bytes, "keypoints": keypoints}
        shapes = {"image_bytes": (), "keypoints": (18, 3)}
        content, poses = check_batch(inputs, shapes)
        made = self._pixels(*decode_and_fit(content, poses, self._size))[self._last]
        png = tf.map_fn(tf.io.encode_png, made, fn_output_signature=tf.string)
        return {f"{self._last}_png": png}

    def _serve_raw(self, image: tf.Tensor, pose: tf.Tensor) -> dict[str, tf.Tensor]:
        heatmaps = {"image": self._shapes["image"], "heatmaps": (*self._size, 18)}
        shapes = self._shapes if self._pose == "keypoints" else heatmaps
        inputs = {"image": image, self._pose: pose}
        return self._generate(*check_batch(inputs, shapes))

    def _pixels(self, image: tf.Tensor, keypoints: tf.Tensor) -> dict[str, tf.Tensor]:
        poses = keypoints if self._pose == "keypoints" else self._draw(keypoints)
        made = self._generate(ranges.to_signed(image), poses)
        made.pop("difference", None)
        return {name: ranges.to_pixels(image) for name, image in made.items()}

    def _generate(self, image: tf.Tensor, pose: tf.Tensor) -> dict[str, tf.Tensor]:
        made = generate(self._networks, image, pose, keypoints=pose)
        return {name: tf.cast(image, tf.float32) for name, image in made.items()}


def next_version(folder: str | Path) -> int:
    """Returns one more than the largest version in a model's folder; 1 without any."""
    folder = Path(folder)
    there = folder.iterdir() if folder.is_dir() else ()
    return 1 + max((int(p.name) for p in there if p.name.isdecimal()), default=0)


def export_saved_model(
    model: PoseTransfer,
    folder: str | Path,
    *,
    version: int,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a model as `folder/version`, which appears whole or not at all.

    Requests that warm it up are written where the package `tensorflow-serving-api` is
    installed.

    Args:
        model: whose generators are served.
        folder: of the model's versions.
        version: its number; one that is there is replaced.
        card: what the model is of, as of `model_card.describe`, for `model_card.json`.

    Returns:
        The path of the version.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    served = ServedModel(model)
    place = folder / str(version)
    # Not a number: a server that watches the folder passes it over.
    temporary = folder / f".{version}.{os.getpid()}.tmp"
    try:
        with host.writing(place):
            tf.saved_model.save(served, str(temporary), signatures=served.signatures())
            if warm_up.is_possible():
                warm_up.write(temporary, name=folder.name, image_size=model.image_size)
        if card is not None:
            _write_card(temporary, {"version": version, **card})
        _put(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place


def _put(new: Path, place: Path) -> None:
    """Renames a folder to `place`; what is there is whole until it is gone."""
    old = new.with_suffix(".old")
    there = place.exists()
    if there:
        os.replace(place, old)
    try:
        os.replace(new, place)
    except OSError:
        if there:
            os.replace(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_card(place: Path, card: Mapping[str, Any]) -> None:
    written = sorted(path for path in place.rglob("*") if path.is_file())
    checksums = {str(path.relative_to(place)): files.sha256(path) for path in written}
    files.write_json(place / MODEL_CARD, {**card, "sha256": checksums})


def _concrete(function: Any, *specs: tf.TensorSpec) -> Any:
    return tf.function(function, input_signature=specs).get_concrete_function()
