"""Warm-up requests, which a server runs on a model before it serves it.

TensorFlow prepares each batch size at its first request, which makes that request slow.
See "SavedModel Warmup" in TensorFlow Serving's guide.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp

PLACE = Path("assets.extra") / "tf_serving_warmup_requests"
# The batch sizes that exported/batching_parameters.txt allows.
BATCH_SIZES = (1, 2, 4, 8)
_GREY = 128


def is_possible() -> bool:
    """Returns whether the package `tensorflow-serving-api` is installed."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def write(version: str | Path, *, name: str, image_size: tuple[int, int]) -> None:
    """Writes the requests into the folder of a version, as PredictionLog records.

    Args:
        version: Folder of the SavedModel.
        name: Name of the model.
        image_size: Height and width of the model's images in pixels.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path = Path(version) / PLACE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in _requests(image_size):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())


def _requests(size: tuple[int, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields signatures and inputs: grey images, all keypoints in the centre."""
    image = np.full((*size, 3), _GREY, np.uint8)
    pose = np.full((kp.NUM_KEYPOINTS, 3), (size[1] / 2, size[0] / 2, 1), np.float32)
    for count in BATCH_SIZES:
        keypoints = np.stack([pose] * count)
        yield (
            "serving_default",
            {"image": np.stack([image] * count), "keypoints": keypoints},
        )
        content = np.array([images.encode_png(image)] * count, object)
        yield "encoded", {"image_bytes": content, "keypoints": keypoints}
