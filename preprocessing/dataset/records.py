"""The data set on disk: TFRecord shards, a pair index beside each, a manifest.

    manifest.json                       list of the files; written last
    train-00000-of-00011.tfrecord       one tf.train.Example per image
    train-00000-of-00011.pairs.npy      int32 [P, 2]: source and target, as positions
                                        in that shard

All images of one identity are in one shard, so a reader of some shards needs no
others. The features of an Example:

    name, identity    bytes, UTF-8
    image             bytes, JPEG of the manifest's image size
    keypoints         54 floats: [18, 3] x, y in pixels, confidence (0: not found)
    heatmaps          bytes: [18, H, W] of 0 and 1, packed to bits, zlib
    mask              bytes: [H, W] of 0 and 1, packed to bits, zlib
"""

import copy
import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.images import heatmaps
from preprocessing.system import files
from preprocessing.system.errors import InputError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"

_SPLIT: dict[str, type] = {
    "images": int,
    "identities": int,
    "images_without_person": int,
    "mean_joints": float,
    "pairs": int,
    "shards": list,
}
_SHARD: dict[str, type] = {
    "file": str,
    "images": int,
    "bytes": int,
    "sha256": str,
    "pairs_file": str,
    "pairs": int,
}
_KINDS = {int: "a count", float: "a number", str: "a text", list: "a list"}


@dataclass(frozen=True)
class Record:
    """A stored image.

    Attributes:
        name: Name, unique in the data set.
        identity: Name of the person.
        image: JPEG bytes.
        pose: float32 [18, 3].
        heatmaps, mask: Drawn from the pose, as `pack_bits` returns them.
    """

    name: str
    identity: str
    image: bytes
    pose: np.ndarray
    heatmaps: bytes
    mask: bytes


def encode(
    name: str, identity: str, image: bytes, pose: np.ndarray, *, size: tuple[int, int]
) -> Record:
    """Returns the record of an image of `size`, its heatmaps and mask drawn."""
    drawn = np.moveaxis(heatmaps.draw_heatmaps(pose, size=size), -1, 0)
    mask = heatmaps.draw_mask(pose, size=size)
    return Record(name, identity, image, pose, pack_bits(drawn), pack_bits(mask))


def pack_bits(array: np.ndarray) -> bytes:
    """Packs an array of 0 and 1 to bits and compresses it with zlib."""
    return zlib.compress(np.packbits(array).tobytes())


def unpack_bits(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Undoes `pack_bits`: uint8 of `shape`.

    Raises:
        ValueError: The bytes do not hold an array of that shape.
    """
    try:
        packed = np.frombuffer(zlib.decompress(content), np.uint8)
    except zlib.error as error:
        raise ValueError(f"not compressed with zlib ({error})") from error
    count = int(np.prod(shape))
    if packed.size != (count + 7) // 8:
        raise ValueError(f"{packed.size} bytes, needed {(count + 7) // 8}")
    return np.unpackbits(packed, count=count).reshape(shape)


def read_manifest(data_dir: str | Path) -> dict[str, Any]:
    """Reads a data set's manifest; parses it once as long as the file stays the same.

    Raises:
        InputError: The manifest is missing, damaged or of another schema version.
    """
    path = Path(data_dir) / MANIFEST
    if not path.exists():
        raise InputError(
            f"{path}: no such file; make a data set there with "
            "python -m preprocessing.build"
        )
    state = path.stat()
    key = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)
    return copy.deepcopy(_checked(path, key))


@lru_cache(maxsize=4)
def _checked(path: Path, state: tuple[int, ...]) -> dict[str, Any]:
    """Reads and checks a manifest; `state` changes whenever the file does."""
    del state
    manifest = files.as_object(f"{path}:", files.read_json(path))
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version {version!r:.40}, this program reads "
            f"{SCHEMA_VERSION}; build the data set again"
        )
    size = manifest.get("image_size")
    if not (isinstance(size, list) and len(size) == 2 and all(map(_is_count, size))):
        raise InputError(f"{path}: image_size {size!r:.80}: expected [height, width]")
    splits = files.as_object(f"{path}: splits", manifest.get("splits"))
    for name, split in splits.items():
        _require(split, _SPLIT, f"{path}: split {name}")
        for number, shard in enumerate(split["shards"]):
            _require(shard, _SHARD, f"{path}: split {name}, shard {number}")
            for entry in ("file", "pairs_file"):
                if Path(shard[entry]).name != shard[entry]:
                    raise InputError(
                        f"{path}: split {name}, shard {number}: {entry} "
                        f"{shard[entry]!r:.80}: expected the name of a file"
                    )
    return manifest


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _require(entry: Any, kinds: dict[str, type], place: str) -> None:
    """Checks the names and types of the fields of a manifest's entry."""
    values = files.as_object(place, entry)
    for name, kind in kinds.items():
        value: Any = values.get(name)
        good = isinstance(value, kind) and (kind is not int or _is_count(value))
        if kind is float:
            good = type(value) in (int, float) and math.isfinite(value)
        if not good:
            raise InputError(f"{place}: {name} {value!r:.80}: expected {_KINDS[kind]}")
