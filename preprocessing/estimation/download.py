"""Fetches the model of MoveNet from where Google publishes it, once.

TensorFlow Hub's `google/lite-model/movenet/singlepose/lightning/tflite/int8/4`, on
Kaggle `google/movenet`, TFLite, variation `singlepose-lightning-tflite-int8`.
"""

import hashlib
import http.client
import os
import urllib.request
from pathlib import Path

from preprocessing import files
from preprocessing.errors import InputError

URL = (
    "https://storage.googleapis.com/tfhub-lite-models/google/lite-model/movenet/"
    "singlepose/lightning/tflite/int8/4.tflite"
)
SHA256 = "cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105"
NAME = "movenet_singlepose_lightning_int8_4.tflite"
_TIMEOUT = 30


def default_cache() -> Path:
    """Returns `$XDG_CACHE_HOME/pg2_tf`, by default `~/.cache/pg2_tf`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pg2_tf"


def fetch(cache: Path, *, url: str = URL, sha256: str = SHA256) -> Path:
    """Returns the path of the model in a folder, fetching it if it is not there.

    Args:
        cache: the folder.
        url: where the model is.
        sha256: what its checksum must be.

    Raises:
        InputError: it cannot be fetched, or the checksum is another.
    """
    path = cache / NAME
    if not path.exists():
        print(f"fetching {url}")
        files.write_bytes(path, _download(path, url, sha256))
    elif (found := files.sha256(path)) != sha256:
        raise InputError(
            f"{path}: its SHA-256 is {found}, not {sha256}; delete it to have it "
            "fetched again, or name it with --model to use it"
        )
    return path


def _download(path: Path, url: str, sha256: str) -> bytes:
    advice = f"download it to {path} yourself, or name a copy of it with --model"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{url}: cannot be fetched ({error}); {advice}") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise InputError(
            f"{url}: what came ({len(content):,} bytes) has the SHA-256 {found}, not "
            f"{sha256}, and was not kept; {advice}"
        )
    return content
