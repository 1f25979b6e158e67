"""Exports the generators as a SavedModel with three signatures.

Outputs are named after the images: `coarse`, and `refined` if stage II was trained.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf.data import ranges
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.networks import generate
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.runs.run_folder import RunFolder, package_versions
from pg2_tf.serving.graph_inputs import (
    check_batch,
    check_keypoints,
    check_signed,
    decode_and_fit,
)
from preprocessing.images import image_files
from preprocessing.poses import keypoints as kp
from preprocessing.system import files, host
from preprocessing.system.errors import InputError

MODEL_CARD = "model_card.json"
WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
# The batch sizes that exported/batching_parameters.txt allows.
BATCH_SIZES = (1, 2, 4, 8)

_GREY = 128
_PAPER = "https://arxiv.org/abs/1705.09368"


class ServedModel(tf.Module):
    """The generators with their serving signatures, for any batch size.

    Args:
        model: Trained model.
    """

    def __init__(self, model: PoseTransfer):
        super().__init__(name="pg2")
        self._networks = model.networks
        # Plain variables, so that loading does not need Keras.
        self._weights = [
            weight.value
            for network in model.networks[:2]
            if network is not None
            for weight in network.weights
        ]
        self._size = model.image_size
        self._draw = PoseHeatmaps(self._size)
        self._last = "coarse" if model.networks.generator2 is None else "refined"
        # The pose input of the raw signature: heatmaps or keypoints.
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
        image, keypoints = check_batch(inputs, self._shapes)
        return self._pixels(image, check_keypoints(keypoints))

    def _serve_encoded(
        self, image_bytes: tf.Tensor, keypoints: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        inputs = {"image_bytes": image_bytes, "keypoints": keypoints}
        shapes = {"image_bytes": (), "keypoints": (18, 3)}
        content, poses = check_batch(inputs, shapes)
        resized = decode_and_fit(content, check_keypoints(poses), self._size)
        images = self._pixels(*resized)[self._last]
        png = tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)
        return {f"{self._last}_png": png}

    def _serve_raw(self, image: tf.Tensor, pose: tf.Tensor) -> dict[str, tf.Tensor]:
        heatmaps = {"image": self._shapes["image"], "heatmaps": (*self._size, 18)}
        shapes = self._shapes if self._pose == "keypoints" else heatmaps
        inputs = {"image": image, self._pose: pose}
        image, pose = check_batch(inputs, shapes)
        image = check_signed("image", image)
        if self._pose == "keypoints":
            return self._generate(image, check_keypoints(pose))
        return self._generate(image, check_signed("heatmaps", pose))

    def _pixels(self, image: tf.Tensor, keypoints: tf.Tensor) -> dict[str, tf.Tensor]:
        poses = keypoints if self._pose == "keypoints" else self._draw(keypoints)
        images = self._generate(ranges.to_signed(image), poses)
        images.pop("difference", None)
        return {name: ranges.to_pixels(image) for name, image in images.items()}

    def _generate(self, image: tf.Tensor, pose: tf.Tensor) -> dict[str, tf.Tensor]:
        images = generate(self._networks, image, pose, keypoints=pose)
        return {name: tf.cast(image, tf.float32) for name, image in images.items()}


def next_version(folder: str | Path) -> int:
    """Returns the next free version number in a model's folder, from 1."""
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
    """Writes a model to `folder/version` atomically.

    Warm-up requests are added if the package `tensorflow-serving-api` is installed.

    Args:
        model: Trained model.
        folder: Folder with the versions of the model.
        version: Version number. An existing version is replaced.
        card: Content of `model_card.json`; see `describe`.

    Returns:
        Folder of the version.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    served = ServedModel(model)
    place = folder / str(version)
    # Servers skip the folder because its name is not a number.
    temporary = folder / f".{version}.{os.getpid()}.tmp"
    try:
        with host.writing(place):
            tf.saved_model.save(served, str(temporary), signatures=served.signatures())
            if can_warm_up():
                _write_warm_up(temporary, folder.name, model.image_size)
        if card is not None:
            _write_card(temporary, {"version": version, **card})
        _put(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place


def _put(new: Path, place: Path) -> None:
    """Renames a folder to `place`; an existing folder is replaced in one step."""
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


def can_warm_up() -> bool:
    """Returns whether the package `tensorflow-serving-api` is installed."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def _write_warm_up(version: Path, name: str, image_size: tuple[int, int]) -> None:
    """Writes requests that a server runs before it serves the model.

    TensorFlow prepares each batch size at its first request, which makes that request
    slow. See "SavedModel Warmup" in TensorFlow Serving's guide.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path = version / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in _warm_up_requests(image_size):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())


def _warm_up_requests(size: tuple[int, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields signatures and inputs: grey images, all keypoints in the centre."""
    image = np.full((*size, 3), _GREY, np.uint8)
    pose = np.full((kp.NUM_KEYPOINTS, 3), (size[1] / 2, size[0] / 2, 1), np.float32)
    for count in BATCH_SIZES:
        keypoints = np.stack([pose] * count)
        yield (
            "serving_default",
            {"image": np.stack([image] * count), "keypoints": keypoints},
        )
        content = np.array([image_files.encode_png(image)] * count, object)
        yield "encoded", {"image_bytes": content, "keypoints": keypoints}


def _concrete(function: Any, *specs: tf.TensorSpec) -> Any:
    return tf.function(function, input_signature=specs).get_concrete_function()


def describe(
    model: PoseTransfer, run: RunFolder, *, weights: str, precision: str
) -> dict[str, Any]:
    """Returns the model card as plain data.

    Args:
        model: Model of the run.
        run: Run folder, with the checksum of the data set, and with the scores in
            `evaluation/scores.json`.
        weights: Loaded weights: `last`, `best`, `ema` or `auto`.
        precision: Precision of the model, `float32` or `bfloat16`.

    Returns:
        The card. `scores` are those of `pg2_tf.evaluate` for the same stage, step and
        weights, or None.

    Raises:
        InputError: The file of scores is damaged.
    """
    options = run.stage(model.stage).options()
    return {
        "model": "PG2: Pose Guided Person Image Generation",
        "paper": _PAPER,
        "dataset": model.config.dataset,
        "profile": model.config.profile,
        "variant": model.config.variant,
        "stage": model.stage,
        "step": model.step,
        "weights": weights,
        "precision": precision,
        "image_size": list(model.image_size),
        "keypoints": list(kp.NAMES),
        "scores": _scores(model, run, weights),
        "data_checksum": options["data"]["checksum"] if options else None,
        "versions": package_versions(),
    }


def _scores(model: PoseTransfer, run: RunFolder, weights: str) -> dict[str, Any] | None:
    path = run.path / "evaluation" / "scores.json"
    if not path.exists():
        return None
    wanted = {"stage": model.stage, "step": model.step, "weights": weights}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        # Scores of image folders have no stage.
        if any(found.get(key) != value for key, value in wanted.items()):
            return None
        return {key: found[key] for key in ("means", "pairs", "split", "protocol")}
    except (OSError, ValueError, LookupError, AttributeError) as error:
        raise InputError(f"{path}: damaged scores ({error!r})") from error
