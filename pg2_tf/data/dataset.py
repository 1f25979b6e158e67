"""A data set's split, read from TFRecord shards into memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from preprocessing import records
from preprocessing.errors import InputError


@dataclass(frozen=True)
class Split:
    """The images of one split and the pairs among them.

    Attributes:
        image_size: height and width in pixels.
        names, identities: of the images, M of each.
        images: JPEG bytes of each, object array [M].
        keypoints: float32 [M, 18, 3].
        masks: uint8 [M, ceil(H * W / 8)], bits packed as by `numpy.packbits`.
        pairs: int32 [P, 2], source and target among the images.
    """

    image_size: tuple[int, int]
    names: list[str]
    identities: list[str]
    images: np.ndarray
    keypoints: np.ndarray
    masks: np.ndarray
    pairs: np.ndarray


def read_split(
    data_dir: str | Path, split: str, *, image_size: tuple[int, int]
) -> Split:
    """Reads a split: encoded images, keypoints, masks and pairs.

    Args:
        data_dir: of the data set.
        split: `train` or `test`.
        image_size: height and width that the model needs.

    Raises:
        InputError: the data set or the split is not there, has images of another
            size or no pairs, or a shard or pair index is damaged; the message names
            the file and the record.
    """
    data_dir = Path(data_dir)
    manifest = records.read_manifest(data_dir)
    if split not in manifest["splits"]:
        raise InputError(
            f"{data_dir}: has no {split} split, only {', '.join(manifest['splits'])}"
        )
    size = tuple(manifest["image_size"])
    if size != image_size:
        raise InputError(
            f"{data_dir}: its images are {'{}x{}'.format(*size)}, the model needs "
            f"{'{}x{}'.format(*image_size)}"
        )
    if not manifest["splits"][split]["pairs"]:
        raise InputError(f"{data_dir}: the {split} split has no pairs")
    parsed: list[dict[str, Any]] = []
    pairs = []
    for shard in manifest["splits"][split]["shards"]:
        pairs.append(_read_pairs(data_dir / shard["pairs_file"], shard) + len(parsed))
        parsed += _read_shard(data_dir / shard["file"], shard["images"], size)
    return Split(
        image_size=size,
        names=[example["name"].decode() for example in parsed],
        identities=[example["identity"].decode() for example in parsed],
        images=np.array([example["image"] for example in parsed], object),
        keypoints=np.stack([example["keypoints"] for example in parsed]),
        masks=np.stack([example["mask"] for example in parsed]),
        pairs=np.concatenate(pairs).astype(np.int32),
    )


def _read_shard(path: Path, count: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    examples: list[bytes] = []
    try:
        for content in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            examples.append(content)
    except tf.errors.NotFoundError as error:
        raise InputError(f"{path}: no such shard, though the manifest names it") from (
            error
        )
    except tf.errors.DataLossError as error:
        raise InputError(
            f"{path}: damaged at record {len(examples)}; build the data set again"
        ) from error
    if len(examples) != count:
        raise InputError(
            f"{path}: {len(examples)} records, the manifest says {count}; build the "
            "data set again"
        )
    return [
        _parse(path, number, content, size) for number, content in enumerate(examples)
    ]


def _parse(
    path: Path, number: int, content: bytes, size: tuple[int, int]
) -> dict[str, Any]:
    example = tf.train.Example()
    try:
        example.ParseFromString(content)
        feature = example.features.feature
        values = {
            key: feature[key].bytes_list.value[0]
            for key in ("name", "identity", "image", "mask")
        }
        keypoints = np.array(feature["keypoints"].float_list.value, np.float32)
        mask = records.unpack_bits(values["mask"], size)
        return {
            **values,
            "keypoints": keypoints.reshape(18, 3),
            "mask": np.packbits(mask),
        }
    except Exception as error:
        # Protocol buffers, zlib and numpy each raise their own kinds here.
        raise InputError(f"{path}: record {number} is damaged ({error})") from error


def _read_pairs(path: Path, shard: dict[str, Any]) -> np.ndarray:
    try:
        pairs = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: unreadable pair index ({error})") from error
    if pairs.shape != (shard["pairs"], 2) or pairs.dtype != np.int32:
        raise InputError(f"{path}: {pairs.dtype}{list(pairs.shape)} is no pair index")
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < shard["images"]:
        raise InputError(f"{path}: a pair points outside its shard")
    return pairs
