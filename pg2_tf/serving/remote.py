"""Models on a server: address, and the interface that both protocols share."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from preprocessing.system.errors import InputError

SIGNATURE = "serving_default"
_INPUTS = {"image": "DT_UINT8", "keypoints": "DT_FLOAT"}

# Retried: the server, or a proxy in front of it, is temporarily overloaded. A timeout
# is not retried, because it would add load to a slow server.
RETRIED_CODE = "UNAVAILABLE"
RETRIED_STATUSES = (429, 502, 503)
# gRPC makes no more than five attempts.
MOST_RETRIES = 4
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

_LONGEST_MESSAGE = 400
_HERE = ("localhost", "127.0.0.1", "[::1]", "::1")


class ServerError(InputError):
    """The server cannot answer; other requests would fail in the same way."""


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
        """Generates images like `inference.PoseTransfer`.

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
        InputError: The signatures belong to another kind of model.
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
        f"{endpoint.server}: {endpoint.model} was not exported by pg2_tf.export: its "
        f"{SIGNATURE} does not take image and keypoints"
    )
