"""Fetches the model of MoveNet from where Google publishes it, once.

TensorFlow Hub's `google/lite-model/movenet/singlepose/lightning/tflite/int8/4`, on
Kaggle `google/movenet`, TFLite, variation `singlepose-lightning-tflite-int8`.
"""

import hashlib
from pathlib import Path

from preprocessing.system import fetching, files
from preprocessing.system.errors import InputError

URL = (
    "https://storage.googleapis.com/tfhub-lite-models/google/lite-model/movenet/"
    "singlepose/lightning/tflite/int8/4.tflite"
)
SHA256 = "cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105"
NAME = "movenet_singlepose_lightning_int8_4.tflite"


def given_or_fetched(given: str | Path | None, *, flag: str) -> Path:
    """Returns the path of the model: that given, or that in the cache; see `fetch`.

    Args:
        given: a copy of the model, or nothing.
        flag: of the command, that names it.
    """
    return Path(given) if given else fetch(fetching.default_cache(), flag=flag)


def fetch(
    cache: Path, *, url: str = URL, sha256: str = SHA256, flag: str = "model"
) -> Path:
    """Returns the path of the model in a folder, fetching it if it is not there.

    Args:
        cache: the folder.
        url: where the model is.
        sha256: what its checksum must be.
        flag: of the command, that names a copy of the model; for messages.

    Raises:
        InputError: it cannot be fetched, or the checksum is another.
    """
    path = cache / NAME
    if not path.exists():
        print(f"fetching {url}")
        files.write_bytes(path, _download(path, url, sha256, flag))
    elif (found := files.sha256(path)) != sha256:
        raise InputError(
            f"{path}: its SHA-256 is {found}, not {sha256}; delete it to have it "
            f"fetched again, or name it with --{flag} to use it"
        )
    return path


def _download(path: Path, url: str, sha256: str, flag: str) -> bytes:
    advice = f"download it to {path} yourself, or name a copy of it with --{flag}"
    content = fetching.content(url, advice=advice)
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise InputError(
            f"{url}: what came ({len(content):,} bytes) has the SHA-256 {found}, not "
            f"{sha256}, and was not kept; {advice}"
        )
    return content
