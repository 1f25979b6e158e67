"""Downloads files once and keeps them in a cache folder."""

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from preprocessing.system import files
from preprocessing.system.errors import InputError

_TIMEOUT = 30
_BLOCK = 1 << 16


def default_cache() -> Path:
    """Returns `$XDG_CACHE_HOME/pg2_tf`, by default `~/.cache/pg2_tf`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pg2_tf"


def fetch(
    path: Path,
    *,
    url: str,
    advice: str,
    sha256: str | None = None,
    unpack: Callable[[bytes], bytes] = bytes,
) -> Path:
    """Returns the path of a file; downloads the file if it is missing.

    Args:
        path: Path of the downloaded file.
        url: Address to download.
        advice: Alternatives for the user, at the end of error messages.
        sha256: Expected checksum of the download; None accepts any.
        unpack: Function from the downloaded bytes to those of the file.

    Raises:
        InputError: The download fails or ends early, or the download or the existing
            file has another checksum.
    """
    if path.exists():
        if sha256 and (found := files.sha256(path)) != sha256:
            raise InputError(
                f"{path}: its SHA-256 is {found}, not {sha256}; delete the file to "
                f"download it again; {advice}"
            )
        return path
    print(f"fetching {url}")
    content = _download(url, advice)
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        raise InputError(
            f"{url}: the download ({len(content):,} bytes) has the SHA-256 {found}, "
            f"not {sha256}, and is not kept; {advice}"
        )
    print(f"fetched {url}, SHA-256 {found}")
    files.write_bytes(path, unpack(content))
    return path


def _download(url: str, advice: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            return _read(response, name=PurePosixPath(url).name)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{url}: cannot be fetched ({error}); {advice}") from error


def _read(response: http.client.HTTPResponse, *, name: str) -> bytes:
    whole, content = response.length, bytearray()
    with tqdm(total=whole, desc=name, unit="B", unit_scale=True) as progress:
        while block := response.read(_BLOCK):
            content += block
            progress.update(len(block))
    # Read in blocks, a response that breaks off ends without an error.
    if whole is not None and len(content) < whole:
        raise http.client.IncompleteRead(bytes(content), whole - len(content))
    return bytes(content)
