"""The generators as a SavedModel with three signatures.

What a signature gives has the name of the image: `coarse`, and of a model of two
stages `refined`.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from pg2_tf.data import ranges
from pg2_tf.inference import PoseTransfer
from pg2_tf.layers.pose_heatmaps import PoseHeatmaps
from pg2_tf.models.pg2 import generate
from preprocessing import host


class ServedModel(tf.Module):
    """A model's generators behind signatures, with a free batch size.

    Args:
        model: of the last stage of its variant.
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
        poses = keypoints if self._pose == "keypoints" else self._draw(keypoints)
        made = self._serve_raw(ranges.to_signed(image), poses)
        made.pop("difference", None)
        return {name: ranges.to_pixels(image) for name, image in made.items()}

    def _serve_encoded(
        self, image_bytes: tf.Tensor, keypoints: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        image = tf.map_fn(
            self._decode,
            image_bytes,
            fn_output_signature=tf.TensorSpec((*self._size, 3), tf.uint8),
        )
        made = self._serve(image, keypoints)[self._last]
        png = tf.map_fn(tf.io.encode_png, made, fn_output_signature=tf.string)
        return {f"{self._last}_png": png}

    def _serve_raw(self, image: tf.Tensor, pose: tf.Tensor) -> dict[str, tf.Tensor]:
        return generate(self._networks, image, pose, keypoints=pose)

    def _decode(self, content: tf.Tensor) -> tf.Tensor:
        # The accurate method decodes a JPEG as OpenCV does, to the last grey level.
        image = tf.cond(
            tf.io.is_jpeg(content),
            lambda: tf.io.decode_jpeg(
                content, channels=3, dct_method="INTEGER_ACCURATE"
            ),
            lambda: tf.io.decode_png(content, channels=3),
        )
        fits = tf.debugging.assert_equal(
            tf.shape(image),
            (*self._size, 3),
            message=f"the image must be {self._size[0]}x{self._size[1]} pixels",
        )
        with tf.control_dependencies([fits]):
            image = tf.identity(image)
        image.set_shape((*self._size, 3))  # Checked above, with a clearer message.
        return image


def export_saved_model(
    model: PoseTransfer, folder: str | Path, *, version: int
) -> Path:
    """Writes a model as `folder/version`, which appears whole or not at all.

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
        if place.exists():
            shutil.rmtree(place)
        os.replace(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place


def _concrete(function: Any, *specs: tf.TensorSpec) -> Any:
    return tf.function(function, input_signature=specs).get_concrete_function()
