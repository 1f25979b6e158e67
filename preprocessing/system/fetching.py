"""Files fetched from the network once, and the folder that keeps them."""

import http.client
import os
import urllib.request
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from preprocessing.system.errors import InputError

_TIMEOUT = 30
_BLOCK = 1 << 16


def default_cache() -> Path:
    """Returns `$XDG_CACHE_HOME/pg2_tf`, by default `~/.cache/pg2_tf`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pg2_tf"


def content(url: str, *, advice: str) -> bytes:
    """Returns what an address answers with, whole.

    Args:
        url: of a file.
        advice: what to do where it cannot be fetched; ends the message.

    Raises:
        InputError: it cannot be fetched, or not to its end.
    """
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            return _read(response, name=PurePosixPath(url).name)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{url}: cannot be fetched ({error}); {advice}") from error


def _read(response: http.client.HTTPResponse, *, name: str) -> bytes:
    whole, came = response.length, bytearray()
    with tqdm(total=whole, desc=name, unit="B", unit_scale=True) as progress:
        while block := response.read(_BLOCK):
            came += block
            progress.update(len(block))
    # Read in blocks, an answer that is cut off ends without an error.
    if whole is not None and len(came) < whole:
        raise http.client.IncompleteRead(bytes(came), whole - len(came))
    return bytes(came)
