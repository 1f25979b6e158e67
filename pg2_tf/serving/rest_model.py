"""A model on a server, over REST.

TensorFlow Serving does not encode PNG bytes in JSON, so images are sent and received as
numbers.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import numpy as np
import urllib3
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    TimeoutError,
)

from pg2_tf.serving import remote
from pg2_tf.serving.remote import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    RETRIED_STATUSES,
    Endpoint,
    ServerError,
)
from preprocessing.system.errors import InputError

_CONNECTIONS = 64


class RestModel:
    """A model on a server; see `remote.RemoteModel`."""

    def __init__(self, endpoint: Endpoint):
        self._endpoint = endpoint
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(total=endpoint.timeout),
            retries=_retries(endpoint.retries),
            **_encryption(endpoint),
        )
        token = endpoint.token
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._url = f"{endpoint.server.rstrip('/')}/v1/models/{quote(endpoint.model)}"
        if endpoint.version is not None:
            self._url += f"/versions/{endpoint.version}"
        if endpoint.label:
            self._url += f"/labels/{quote(endpoint.label)}"
        self.image_size = remote.read_image_size(self._signatures(), endpoint)

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> dict[str, np.ndarray]:
        """Generates images; see `remote.RemoteModel`."""
        inputs = {"image": images.tolist(), "keypoints": np.asarray(poses).tolist()}
        request = {"signature_name": remote.SIGNATURE, "inputs": inputs}
        outputs = self._ask("POST", ":predict", json=request)["outputs"]
        if not isinstance(
            outputs, dict
        ):  # The server omits the name of a single output.
            outputs = {"coarse": outputs}
        return {name: np.array(made, np.uint8) for name, made in outputs.items()}

    def _signatures(self) -> dict[str, Any]:
        content = self._ask("GET", "/metadata")
        try:
            return content["metadata"]["signature_def"]["signature_def"]
        except (KeyError, TypeError) as error:
            raise ServerError(
                f"{self._endpoint.server}: not a TensorFlow Serving server"
            ) from error

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        endpoint = self._endpoint
        try:
            answer = self._pool.request(
                *(method, self._url + path),
                headers=self._headers,
                redirect=False,
                **content,
            )
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) else error
            # urllib3 reports a refused connection as a connect timeout.
            refused = isinstance(cause, NewConnectionError)
            if isinstance(cause, TimeoutError) and not refused:
                raise ServerError(endpoint.timeout_message()) from error
            raise ServerError(endpoint.message("no connection", str(cause))) from error
        if answer.status == HTTPStatus.OK:
            return _json(answer, endpoint)
        code = f"{answer.status} {answer.reason or ''}".strip()
        line = endpoint.message(code, _message(answer))
        if answer.status == HTTPStatus.BAD_REQUEST:
            raise InputError(line)
        raise ServerError(line)


def _json(answer: urllib3.BaseHTTPResponse, endpoint: Endpoint) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise ServerError(f"{endpoint.server}: the answer is not JSON") from error


def _message(answer: urllib3.BaseHTTPResponse) -> str:
    """Returns the error message of an answer, or the whole answer without one."""
    try:
        return str(answer.json()["error"])
    except (ValueError, LookupError, TypeError):
        return answer.data.decode("utf-8", errors="replace")


def _retries(retries: int) -> urllib3.Retry:
    return urllib3.Retry(
        total=retries,
        read=0,
        redirect=0,
        # A prediction has no side effects, so POST may be retried.
        allowed_methods=None,
        status_forcelist=RETRIED_STATUSES,
        backoff_factor=FIRST_PAUSE_SECONDS,
        backoff_max=LONGEST_PAUSE_SECONDS,
        raise_on_status=False,
        respect_retry_after_header=False,
    )


def _encryption(endpoint: Endpoint) -> dict[str, Any]:
    paths = {
        "ca_certs": endpoint.ca,
        "cert_file": endpoint.certificate,
        "key_file": endpoint.key,
    }
    return {name: str(path) for name, path in paths.items() if path}
