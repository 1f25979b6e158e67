"""Reads the images and pairs in the shards of a data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from preprocessing.dataset import records
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError


@dataclass(frozen=True)
class StoredImage(records.Record):
    """An image in a shard.

    Attributes:
        size: Height and width in pixels.
        place: The shard's path and the record's number, for messages.
    """

    size: tuple[int, int]
    place: str

    def unpack_heatmaps(self) -> np.ndarray:
        """Returns the heatmaps, uint8 [18, H, W] of 0 and 1.

        Raises:
            InputError: The bytes are not those of such heatmaps.
        """
        return self._unpack("heatmaps", self.heatmaps, (kp.NUM_KEYPOINTS, *self.size))

    def unpack_mask(self) -> np.ndarray:
        """Returns the mask, uint8 [H, W] of 0 and 1.

        Raises:
            InputError: The bytes are not those of such a mask.
        """
        return self._unpack("mask", self.mask, self.size)

    def _unpack(self, what: str, content: bytes, shape: tuple[int, ...]) -> np.ndarray:
        try:
            return records.unpack_bits(content, shape)
        except ValueError as error:
            raise InputError(f"{self.place} is damaged ({what}: {error})") from error


def read_shard(
    path: Path, *, count: int, size: tuple[int, int]
) -> Iterator[StoredImage]:
    """Yields the images of a shard one by one, and never more than `count`.

    Args:
        path: Path of the shard.
        count: Number of images according to the manifest.
        size: Height and width of the images in pixels.

    Raises:
        InputError: The shard is missing or damaged, or holds another number of
            images; the message names the file and the record.
    """
    number = 0
    for content in read_examples(path):
        if number < count:
            yield parse(content, size=size, place=f"{path}: record {number}")
        number += 1
    if number != count:
        raise InputError(
            f"{path}: {number} records, the manifest says {count}; build the data set "
            "again"
        )


def read_examples(path: Path) -> Iterator[bytes]:
    """Yields the serialized tf.train.Examples of a shard.

    Raises:
        InputError: The shard is missing, or damaged from some record on.
    """
    number = 0
    try:
        for content in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield content
            number += 1
    except tf.errors.NotFoundError as error:
        raise InputError(f"{path}: no such shard, though the manifest names it") from (
            error
        )
    except tf.errors.DataLossError as error:
        raise InputError(
            f"{path}: damaged at record {number}; build the data set again"
        ) from error
    except tf.errors.OpError as error:
        raise InputError(f"{path}: cannot be read ({error.message})") from error


def parse(content: bytes, *, size: tuple[int, int], place: str) -> StoredImage:
    """Parses a serialized tf.train.Example.

    Args:
        content: Bytes of the record.
        size: Height and width of the image in pixels.
        place: The shard's path and the record's number.

    Raises:
        InputError: It is not an Example, a feature is missing or of another kind, or a
            keypoint is NaN or infinite.
    """
    example = tf.train.Example()
    try:
        example.ParseFromString(content)
        feature = example.features.feature
        values = {
            key: feature[key].bytes_list.value[0]
            for key in ("name", "identity", "image", "heatmaps", "mask")
        }
        keypoints = np.array(feature["keypoints"].float_list.value, np.float32)
        if not np.isfinite(keypoints).all():
            raise ValueError("keypoints: not finite")
        return StoredImage(
            name=values["name"].decode(),
            identity=values["identity"].decode(),
            image=values["image"],
            pose=keypoints.reshape(kp.NUM_KEYPOINTS, 3),
            heatmaps=values["heatmaps"],
            mask=values["mask"],
            size=size,
            place=place,
        )
    except Exception as error:
        # Protocol buffers and numpy each raise their own kinds here.
        raise InputError(f"{place} is damaged ({error})") from error


def read_pairs(path: Path, *, count: int, num_images: int) -> np.ndarray:
    """Reads the pair index of a shard.

    Args:
        path: Path of the index.
        count: Number of pairs according to the manifest.
        num_images: Number of images in the shard.

    Returns:
        int32 [P, 2]: source and target, as positions in the shard.

    Raises:
        InputError: The file is missing, damaged or of another kind, or a pair points
            outside the shard.
    """
    try:
        pairs = np.load(path, allow_pickle=False)
    except Exception as error:
        # A damaged header also raises errors of Python's tokenizer and parser.
        raise InputError(f"{path}: unreadable pair index ({error!r:.200})") from error
    if pairs.shape != (count, 2) or pairs.dtype != np.int32:
        raise InputError(
            f"{path}: {pairs.dtype}{list(pairs.shape)} is not a pair index"
        )
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < num_images:
        raise InputError(f"{path}: a pair points outside its shard")
    return pairs
