"""A model on a server, called as one that is here."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from pg2_tf.serving.endpoint import Endpoint
from preprocessing.system.errors import InputError

SIGNATURE = "serving_default"
_INPUTS = {"image": "DT_UINT8", "keypoints": "DT_FLOAT"}


class RemoteModel(Protocol):
    """What both protocols give; it may be called by several threads at once."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the model's images, in pixels."""

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> dict[str, np.ndarray]:
        """Generates images, as `inference.PoseTransfer` does.

        Raises:
            ServerError: no answer, or one that all requests would get.
            InputError: the server refuses this request.
        """


def read_image_size(
    signatures: Mapping[str, Any], endpoint: Endpoint
) -> tuple[int, int]:
    """Reads height and width of a model's images off its signatures.

    Args:
        signatures: by name, in the JSON form of TensorFlow's `SignatureDef`.
        endpoint: they come from.

    Raises:
        InputError: they are of another model.
    """
    try:
        inputs = signatures[SIGNATURE]["inputs"]
        sizes = {
            name: [int(part["size"]) for part in inputs[name]["tensor_shape"]["dim"]]
            for name in _INPUTS
            if inputs[name]["dtype"] == _INPUTS[name]
        }
        (_, height, width, channels), (_, *pose) = sizes["image"], sizes["keypoints"]
    except (LookupError, TypeError, ValueError) as error:
        raise _unknown(endpoint) from error
    if channels != 3 or pose != [18, 3] or min(height, width) < 1:
        raise _unknown(endpoint)
    return height, width


def _unknown(endpoint: Endpoint) -> InputError:
    return InputError(
        f"{endpoint.server}: {endpoint.model} is no model that pg2_tf.export wrote: "
        f"its {SIGNATURE} does not take image and keypoints"
    )
