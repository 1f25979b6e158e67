"""Models on a server: their address, and requests over REST.

Requests over gRPC are in `grpc_model`, which needs other packages.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import numpy as np
import urllib3
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    TimeoutError,
)

from pg2_tf.inference.exported import SIGNATURE
from preprocessing.system.errors import InputError

_INPUTS = {"image": "DT_UINT8", "keypoints": "DT_FLOAT"}

# Retried: the server, or a proxy in front of it, is temporarily overloaded. A timeout
# is not retried, because it would add load to a slow server.
RETRIED_CODE = "UNAVAILABLE"
_RETRIED_STATUSES = (429, 502, 503)
# gRPC makes no more than five attempts.
MOST_RETRIES = 4
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

_CONNECTIONS = 64
_LONGEST_MESSAGE = 400
_HERE = ("localhost", "127.0.0.1", "[::1]", "::1")


class ServerError(InputError):
    """The server cannot answer, so other requests would fail in the same way."""


@dataclass(frozen=True)
class Endpoint:
    """The address of a model on a server.

    Attributes:
        server: `HOST:PORT` for gRPC; `http://HOST:PORT` or `https://...` for REST.
        model: Name of the model on the server.
        version: Version number, or None for the version of the label or the server's
            default.
        label: Version label such as `stable`, or None.
        timeout: Seconds to wait for an answer: in total over gRPC, for each attempt
            over REST.
        retries: Number of retries, 0 to 4.
        tls: Whether to encrypt gRPC. `ca` and `certificate` imply it.
        ca: PEM file of the trusted certificate authorities, or None for the system's.
        certificate: PEM file of the client's certificate, or None.
        key: PEM file of the certificate's key, or None.
        token: Bearer token, or None.

    Raises:
        InputError: Values contradict each other, or a file is missing.
    """

    server: str
    model: str
    version: int | None = None
    label: str | None = None
    timeout: float = 30.0
    retries: int = 3
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._check_address()
        if self.version is not None and self.label:
            raise InputError("--version and --label exclude each other")
        if bool(self.certificate) != bool(self.key):
            raise InputError("--cert and --key require each other")
        self._check_files()
        encrypting = self.tls or self.ca or self.certificate
        if encrypting and self.server.startswith("http://"):
            raise InputError(f"--server={self.server}: not encrypted; use https://")
        if self.token and not (self.is_encrypted or self.host in _HERE):
            raise InputError(
                f"--server={self.server}: a token needs an encrypted connection; use "
                "https://, --tls or --ca"
            )

    @property
    def is_rest(self) -> bool:
        """Whether the protocol is REST instead of gRPC."""
        return self.server.startswith(("http://", "https://"))

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is encrypted."""
        if self.is_rest:
            return self.server.startswith("https://")
        return bool(self.tls or self.ca or self.certificate)

    @property
    def host(self) -> str:
        """Host name or address of the server, without the port."""
        if self.is_rest:
            return urlsplit(self.server).hostname or ""
        return self.server.rpartition(":")[0]

    def message(self, code: str, message: str) -> str:
        """Returns a one-line error message with a status and the server's message."""
        line = " ".join(message.split())
        if len(line) > _LONGEST_MESSAGE:
            line = f"{line[:_LONGEST_MESSAGE]} ..."
        return f"{self.server}: {code}: {line}"

    def timeout_message(self) -> str:
        """Returns the error message for a timeout."""
        return f"{self.server}: no answer within {self.timeout:g} s (--timeout)"

    def _check_files(self) -> None:
        for path in (self.ca, self.certificate, self.key):
            if path and not path.is_file():
                raise InputError(f"{path}: no such file")
        context = ssl.create_default_context()
        try:
            if self.ca:
                context.load_verify_locations(self.ca)
            if self.certificate:
                # An empty password prevents a prompt for encrypted keys.
                context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:
            files = ", ".join(
                str(p) for p in (self.ca, self.certificate, self.key) if p
            )
            raise InputError(f"{files}: unusable PEM file or key ({error})") from error

    def _check_address(self) -> None:
        pattern = r"https?://[^/\s]+/?" if self.is_rest else r"[^/\s]+:\d+"
        if not re.fullmatch(pattern, self.server):
            raise InputError(
                f"--server={self.server}: expected HOST:PORT for gRPC, or "
                "http://HOST:PORT or https://HOST:PORT for REST"
            )


class RemoteModel(Protocol):
    """A model on a server. Calls from several threads are safe."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the model's images in pixels."""

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> dict[str, np.ndarray]:
        """Generates images; see `inference.loading.Model`.

        Raises:
            ServerError: The server cannot answer.
            InputError: The server refuses this request.
        """


def read_image_size(
    signatures: Mapping[str, Any], endpoint: Endpoint
) -> tuple[int, int]:
    """Returns height and width of a model's images, from its signatures.

    Args:
        signatures: The signatures by name, in the JSON form of `SignatureDef`.
        endpoint: The address of the model, for messages.

    Raises:
        InputError: The model was not exported by this project.
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


class RestModel:
    """A model on a server, over REST; see `RemoteModel`.

    TensorFlow Serving does not encode PNG bytes in JSON, so images are sent and
    received as numbers.
    """

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
        self.image_size = read_image_size(self._signatures(), endpoint)

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> dict[str, np.ndarray]:
        """Generates images; see `RemoteModel`."""
        inputs = {"image": images.tolist(), "keypoints": np.asarray(poses).tolist()}
        request = {"signature_name": SIGNATURE, "inputs": inputs}
        outputs = self._ask("POST", ":predict", json=request)["outputs"]
        # The server omits the name of a single output.
        if not isinstance(outputs, dict):
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
            url = self._url + path
            answer = self._pool.request(
                method, url, headers=self._headers, redirect=False, **content
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


def _unknown(endpoint: Endpoint) -> InputError:
    return InputError(
        f"{endpoint.server}: {endpoint.model} was not exported by pg2_tf.export: its "
        f"{SIGNATURE} does not take image and keypoints"
    )


def _json(answer: urllib3.BaseHTTPResponse, endpoint: Endpoint) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise ServerError(f"{endpoint.server}: the answer is not JSON") from error


def _message(answer: urllib3.BaseHTTPResponse) -> str:
    """Returns the error message in an answer, or else the whole answer."""
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
        status_forcelist=_RETRIED_STATUSES,
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
