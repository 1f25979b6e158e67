"""Models on a server: address, protocol and the calls that both protocols share."""

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

# What is worth asking again: the server, or a proxy before it, has no room just now.
# A deadline that passed is not: whoever waited has gone, and the server is slow enough.
RETRIED_CODE = "UNAVAILABLE"
RETRIED_STATUSES = (429, 502, 503)
# gRPC makes no more than five attempts.
MOST_RETRIES = 4
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

_LONGEST_MESSAGE = 400
_HERE = ("localhost", "127.0.0.1", "[::1]", "::1")


class ServerError(InputError):
    """The server does not answer anybody: no other request is worth a try."""


@dataclass(frozen=True)
class Endpoint:
    """A model on a server.

    Attributes:
        server: `HOST:PORT` for gRPC; `http://HOST:PORT` or `https://...` for REST.
        model: its name there.
        version: which one; None for the server's choice, or the label's.
        label: of the version, such as `stable`; None for none.
        timeout: seconds that are waited for an answer: over gRPC with all attempts,
            over REST for each.
        retries: how often an answer is asked for again, 0 to 4.
        tls: whether gRPC is encrypted; `ca` and `certificate` say so too.
        ca: PEM file of the authorities that the server's certificate may come from.
            None for the system's.
        certificate, key: PEM files that the client shows the server.
        token: sent as a bearer token.

    Raises:
        InputError: they contradict each other, or a file is missing.
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
            raise InputError("--version and --label: give one of them")
        if bool(self.certificate) != bool(self.key):
            raise InputError("--cert and --key are needed together, or neither")
        self._check_files()
        encrypting = self.tls or self.ca or self.certificate
        if encrypting and self.server.startswith("http://"):
            raise InputError(f"--server={self.server}: is not encrypted; use https://")
        if self.token and not (self.is_encrypted or self.host in _HERE):
            raise InputError(
                f"--server={self.server}: a token is sent over an encrypted connection "
                "only; use https://, --tls or --ca"
            )

    @property
    def is_rest(self) -> bool:
        """Whether the server is spoken to in REST, not gRPC."""
        return self.server.startswith(("http://", "https://"))

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is."""
        if self.is_rest:
            return self.server.startswith("https://")
        return bool(self.tls or self.ca or self.certificate)

    @property
    def host(self) -> str:
        """The server's name or address, without the port."""
        if self.is_rest:
            return urlsplit(self.server).hostname or ""
        return self.server.rpartition(":")[0]

    def said(self, code: str, message: str) -> str:
        """Returns one line that says what the server, or the way to it, answered."""
        line = " ".join(message.split())
        if len(line) > _LONGEST_MESSAGE:
            line = f"{line[:_LONGEST_MESSAGE]} ..."
        return f"{self.server}: {code}: {line}"

    def late(self) -> str:
        """Returns one line that says that no answer came in time."""
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
                # Without a password, a key that needs one would ask for it.
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


def connect(endpoint: Endpoint) -> RemoteModel:
    """Connects to a server and asks what the model takes.

    Raises:
        ServerError: no answer, or no such model there.
        InputError: it is no model of this project, or a package is missing.
    """
    # Here, because each needs packages of its own.
    try:
        if endpoint.is_rest:
            from pg2_tf.serving.rest_model import RestModel

            return RestModel(endpoint)
        from pg2_tf.serving.grpc_model import GrpcModel

        return GrpcModel(endpoint)
    except ImportError as error:
        raise InputError(
            f"a package is missing ({error}): pip install 'pg2-tf[serving]'"
        ) from error


def _unknown(endpoint: Endpoint) -> InputError:
    return InputError(
        f"{endpoint.server}: {endpoint.model} is no model that pg2_tf.export wrote: "
        f"its {SIGNATURE} does not take image and keypoints"
    )
