"""Requests to a model on a server over gRPC."""

import json
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from pg2_tf.inference.exported import SIGNATURE
from pg2_tf.serving import remote
from pg2_tf.serving.remote import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    RETRIED_CODE,
    Endpoint,
    ServerError,
)
from preprocessing.system.errors import InputError

_SERVICE = "tensorflow.serving.PredictionService"
_LARGEST_MESSAGE = 64 * 2**20
_SIGNATURES = "signature_def"


class GrpcModel:
    """A model on a server, over gRPC; see `remote.RemoteModel`."""

    def __init__(self, endpoint: Endpoint):
        self._endpoint = endpoint
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(
            _channel(endpoint)
        )
        token = endpoint.token
        self._headers = [("authorization", f"Bearer {token}")] if token else []
        self.image_size = remote.read_image_size(self._signatures(), endpoint)

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> dict[str, np.ndarray]:
        """Generates images; see `remote.RemoteModel`."""
        request = predict_pb2.PredictRequest(model_spec=self._spec())
        request.model_spec.signature_name = SIGNATURE
        request.inputs["image"].CopyFrom(tf.make_tensor_proto(images))
        poses = np.asarray(poses, np.float32)
        request.inputs["keypoints"].CopyFrom(tf.make_tensor_proto(poses))
        answer = self._ask(self._stub.Predict, request)
        return {name: tf.make_ndarray(made) for name, made in answer.outputs.items()}

    def _signatures(self) -> dict[str, Any]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec(), metadata_field=[_SIGNATURES]
        )
        answer = self._ask(self._stub.GetModelMetadata, request)
        found = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata[_SIGNATURES].Unpack(found)
        content = json_format.MessageToDict(found, preserving_proto_field_name=True)
        return content.get(_SIGNATURES, {})

    def _spec(self) -> Any:
        spec = model_pb2.ModelSpec(name=self._endpoint.model)
        if self._endpoint.version is not None:
            spec.version.value = self._endpoint.version
        if self._endpoint.label:
            spec.version_label = self._endpoint.label
        return spec

    def _ask(self, method: Any, request: Any) -> Any:
        endpoint = self._endpoint
        try:
            return method(request, timeout=endpoint.timeout, metadata=self._headers)
        except grpc.RpcError as error:
            code = error.code()
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise ServerError(endpoint.timeout_message()) from error
            line = endpoint.message(code.name, error.details() or "")
            if code == grpc.StatusCode.INVALID_ARGUMENT:
                raise InputError(line) from error
            raise ServerError(line) from error


def _channel(endpoint: Endpoint) -> grpc.Channel:
    options = [
        ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
        ("grpc.initial_reconnect_backoff_ms", round(1000 * FIRST_PAUSE_SECONDS)),
        ("grpc.enable_retries", int(endpoint.retries > 0)),
        ("grpc.service_config", json.dumps(_service_config(endpoint.retries))),
    ]
    if not endpoint.is_encrypted:
        return grpc.insecure_channel(endpoint.server, options)
    paths = (endpoint.ca, endpoint.key, endpoint.certificate)
    contents = (path.read_bytes() if path else None for path in paths)
    credentials = grpc.ssl_channel_credentials(*contents)
    return grpc.secure_channel(endpoint.server, credentials, options)


def _service_config(retries: int) -> dict[str, Any]:
    """Returns gRPC's retry policy."""
    if not retries:
        return {}
    policy = {
        "maxAttempts": retries + 1,
        "initialBackoff": f"{FIRST_PAUSE_SECONDS}s",
        "maxBackoff": f"{LONGEST_PAUSE_SECONDS}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": [RETRIED_CODE],
    }
    return {"methodConfig": [{"name": [{"service": _SERVICE}], "retryPolicy": policy}]}
