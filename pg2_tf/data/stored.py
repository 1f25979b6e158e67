"""Reads pairs of a data set from its shards as they are needed.

Memory holds 8 bytes per image: the offset of its record. A TFRecord file is a sequence
of records: length (uint64), masked CRC-32C of the length (uint32), content, masked
CRC-32C of the content (uint32). The offsets are found in one pass over the lengths and
kept in `*.offsets.npy` next to the shard.
"""

import os
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import tensorflow as tf

from preprocessing.dataset import reading
from preprocessing.dataset.reading import StoredImage
from preprocessing.poses import keypoints as kp
from preprocessing.system import files
from preprocessing.system.errors import InputError

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_FRAME = _HEADER.size + _FOOTER.size
# Shards that are open at once; systems allow 1,024 files or fewer.
_OPEN_FILES = 200


class _Shard(NamedTuple):
    """One shard.

    Attributes:
        path: File of the records.
        bounds: Start of each record in the file, and the file's size: int64 [M + 1].
        pairs_path: File of the pair index.
        pairs_start: Offset of the first pair in that file.
    """

    path: Path
    bounds: np.ndarray
    pairs_path: Path
    pairs_start: int


class StoredPairs:
    """The pairs of a split, read from its shards on every access.

    The batches are those of a `PairSource` over the same shards, bit for bit.

    Args:
        data_dir: Folder of the data set.
        shards: Entries of the shards in the manifest.
        image_size: Height and width of the images in pixels.
        heatmaps: Whether to read the stored heatmaps.

    Raises:
        InputError: A file is missing or damaged; the message names it.
    """

    decoded = False

    def __init__(
        self,
        data_dir: Path,
        shards: Sequence[dict[str, Any]],
        *,
        image_size: tuple[int, int],
        heatmaps: bool = False,
    ):
        self.image_size = image_size
        self.has_heatmaps = heatmaps
        # A shard without pairs has nothing to train on.
        used = [shard for shard in shards if shard["pairs"]]
        self._shards = [_open_shard(data_dir, shard) for shard in used]
        self._ends = np.cumsum([shard["pairs"] for shard in used], dtype=np.int64)
        self._chosen: np.ndarray | None = None
        self._open: Callable[[Path], FileIO] = lru_cache(_OPEN_FILES)(_open_file)

    @property
    def num_pairs(self) -> int:
        """Number of pairs."""
        return int(self._ends[-1]) if self._chosen is None else len(self._chosen)

    @property
    def num_images(self) -> int:
        """Number of images in the shards."""
        return sum(len(shard.bounds) - 1 for shard in self._shards)

    @property
    def num_bytes(self) -> int:
        """Size of the data in memory: offsets and chosen pairs."""
        chosen = 0 if self._chosen is None else self._chosen.nbytes
        return chosen + sum(shard.bounds.nbytes for shard in self._shards)

    def select(self, positions: Sequence[int] | np.ndarray) -> "StoredPairs":
        """Returns the pairs at some positions only, in their order."""
        positions = np.asarray(positions, np.int64)
        other = object.__new__(StoredPairs)
        other.__dict__.update(self.__dict__)
        other._chosen = positions if self._chosen is None else self._chosen[positions]
        return other

    def names_of(self, pairs: np.ndarray) -> list[tuple[str, str]]:
        """Returns the names of source and target of the pairs at positions [B]."""
        images = [self._images(position) for position in np.asarray(pairs).tolist()]
        return [(source.name, target.name) for source, target in images]

    def is_source(self, test: Callable[[str], bool]) -> np.ndarray:
        """Tells for each pair whether the identity of its source passes a test.

        Reads every record once.

        Args:
            test: Function of an identity's name.

        Returns:
            bool [P].
        """
        passed = []
        for shard, end in zip(self._shards, self._ends, strict=True):
            count = len(shard.bounds) - 1
            images = np.array(
                [test(self._image(shard, i).identity) for i in range(count)]
            )
            size = os.path.getsize(shard.pairs_path) - shard.pairs_start
            index = self._pread(shard.pairs_path, size, shard.pairs_start)
            passed.append(images[np.frombuffer(index, np.int32)[::2]])
            assert sum(map(len, passed)) == end
        everything = np.concatenate(passed)
        return everything if self._chosen is None else everything[self._chosen]

    def gather(self, pairs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Reads the pairs at the positions int64 [B]; see `PairSource.gather`.

        Raises:
            tf.errors.OpError: A record is damaged; `readable` names it.
        """
        height, width = self.image_size
        source, target, keypoints, mask, heatmaps = tf.numpy_function(
            self._read, [pairs], (tf.string, tf.string, tf.float32, tf.uint8, tf.int8)
        )
        batch = {
            "source": decode(tf.ensure_shape(source, [None]), self.image_size),
            "target": decode(tf.ensure_shape(target, [None]), self.image_size),
            "keypoints": tf.ensure_shape(keypoints, (None, kp.NUM_KEYPOINTS, 3)),
            "mask": tf.ensure_shape(mask, (None, height, width, 1)),
        }
        if self.has_heatmaps:
            shape = (None, height, width, kp.NUM_KEYPOINTS)
            batch["heatmaps"] = tf.ensure_shape(heatmaps, shape)
        return batch

    def _read(self, positions: np.ndarray) -> tuple[np.ndarray, ...]:
        images = [self._images(position) for position in positions.tolist()]
        targets = [target for _, target in images]
        heatmaps = np.zeros(0, np.int8)
        if self.has_heatmaps:
            drawn = np.stack([target.unpack_heatmaps() for target in targets])
            heatmaps = 2 * np.moveaxis(drawn, 1, -1).astype(np.int8) - 1
        return (
            np.array([source.image for source, _ in images], object),
            np.array([target.image for target in targets], object),
            np.stack([target.pose for target in targets]),
            np.stack([target.unpack_mask() for target in targets])[..., None],
            heatmaps,
        )

    def _images(self, position: int) -> tuple[StoredImage, StoredImage]:
        """Reads source and target of the pair at a position."""
        if self._chosen is not None:
            position = int(self._chosen[position])
        number = int(np.searchsorted(self._ends, position, side="right"))
        shard = self._shards[number]
        local = position - (int(self._ends[number - 1]) if number else 0)
        pair = self._pread(shard.pairs_path, 8, shard.pairs_start + 8 * local)
        if len(pair) != 8:
            raise InputError(f"{shard.pairs_path}: has become shorter")
        source, target = struct.unpack("<ii", pair)
        return self._image(shard, source), self._image(shard, target)

    def _pread(self, path: Path, size: int, start: int) -> bytes:
        """Reads bytes of a file; keeps it open while it does, in every thread."""
        file = self._open(path)
        try:
            return os.pread(file.fileno(), size, start)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error

    def _image(self, shard: _Shard, number: int) -> StoredImage:
        """Reads and checks one record."""
        start, end = shard.bounds[number : number + 2].tolist()
        framed = self._pread(shard.path, end - start, start)
        content = framed[_HEADER.size : -_FOOTER.size]
        if (
            len(framed) != end - start
            or _HEADER.unpack(framed[: _HEADER.size])[0] != len(content)
            or _FOOTER.unpack(framed[-_FOOTER.size :])[0] != _checksum(content)
        ):
            raise InputError(
                f"{shard.path}: damaged at record {number}; build the data set again"
            )
        place = f"{shard.path}: record {number}"
        return reading.parse(content, size=self.image_size, place=place)


def decode(encoded: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Decodes JPEG images of `size`, string [B], to uint8 [B, H, W, 3]."""
    images = tf.map_fn(
        # As OpenCV decodes; TensorFlow's default is off by up to 15 grey levels.
        lambda content: tf.io.decode_jpeg(
            content, channels=3, dct_method="INTEGER_ACCURATE"
        ),
        encoded,
        fn_output_signature=tf.TensorSpec((*size, 3), tf.uint8),
    )
    return tf.ensure_shape(images, (None, *size, 3))


def record_bounds(path: Path) -> np.ndarray:
    """Returns where the records of a TFRecord file start.

    The result is kept in `*.offsets.npy` next to the file, unless the folder is
    read-only. It is replaced if it is older than the file or does not fit its size.

    Returns:
        int64 [M + 1]: the start of each of M records, and the size of the file.

    Raises:
        InputError: The file is missing, or damaged from some record on.
    """
    kept = path.with_suffix(".offsets.npy")
    try:
        size, changed = path.stat().st_size, path.stat().st_mtime_ns
    except OSError as error:
        raise InputError(
            f"{path}: no such shard, though the manifest names it"
        ) from error
    with suppress(OSError, ValueError, EOFError):
        if kept.stat().st_mtime_ns >= changed:
            bounds = np.load(kept, allow_pickle=False)
            if bounds.dtype == np.int64 and bounds.ndim == 1 and bounds[-1] == size:
                return bounds
    bounds = _scan(path, size)
    with suppress(OSError):
        files.write_atomically(kept, lambda place: _save(place, bounds))
    return bounds


def _scan(path: Path, size: int) -> np.ndarray:
    bounds = [0]
    with path.open("rb", buffering=0) as file:
        while (start := bounds[-1]) < size:
            header = os.pread(file.fileno(), _HEADER.size, start)
            whole = len(header) == _HEADER.size
            length, checksum = _HEADER.unpack(header) if whole else (size, 0)
            end = start + length + _FRAME
            if end > size or checksum != _checksum(header[:8]):
                raise InputError(
                    f"{path}: damaged at record {len(bounds) - 1}; build the data set "
                    "again"
                )
            bounds.append(end)
    return np.array(bounds, np.int64)


def _open_shard(data_dir: Path, entry: dict[str, Any]) -> _Shard:
    path = data_dir / entry["file"]
    bounds = record_bounds(path)
    if len(bounds) - 1 != entry["images"]:
        raise InputError(
            f"{path}: {len(bounds) - 1} records, the manifest says {entry['images']}; "
            "build the data set again"
        )
    pairs_path = data_dir / entry["pairs_file"]
    # Checks the whole index; it is read again pair by pair.
    pairs = reading.read_pairs(
        pairs_path, count=entry["pairs"], num_images=entry["images"]
    )
    if not pairs.flags.c_contiguous or pairs.dtype.byteorder == ">":
        raise InputError(f"{pairs_path}: not a little-endian index in C order")
    return _Shard(path, bounds, pairs_path, pairs_path.stat().st_size - pairs.nbytes)


def _open_file(path: Path) -> FileIO:
    try:
        return FileIO(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _save(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)


def _checksum(content: bytes) -> int:
    """Returns the masked CRC-32C of the TFRecord format."""
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
