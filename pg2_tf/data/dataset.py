"""A data set's split, read from TFRecord shards into memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from preprocessing.dataset import reading, records
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

# Images that are in memory twice while they are read.
_AT_ONCE = 256


@dataclass(frozen=True)
class Split:
    """The images of one split and the pairs among them.

    Attributes:
        image_size: height and width in pixels.
        names, identities: of the images, M of each.
        images: JPEG bytes of each, string variable [M].
        keypoints: float32 [M, 18, 3].
        masks: uint8 variable [M, ceil(H * W / 8)], bits packed as by
            `numpy.packbits`.
        pairs: int32 [P, 2], source and target among the images.
    """

    image_size: tuple[int, int]
    names: list[str]
    identities: list[str]
    images: tf.Variable
    keypoints: np.ndarray
    masks: tf.Variable
    pairs: np.ndarray


def read_split(
    data_dir: str | Path,
    split: str,
    *,
    image_size: tuple[int, int],
    shards: Sequence[int] | None = None,
) -> Split:
    """Reads a split: encoded images, keypoints, masks and pairs.

    Args:
        data_dir: of the data set.
        split: `train` or `test`.
        image_size: height and width that the model needs.
        shards: the numbers of those to read; None for all.

    Raises:
        InputError: the data set or the split is not there, has images of another
            size or no pairs, or a shard or pair index is damaged; the message names
            the file and the record.
    """
    data_dir = Path(data_dir)
    listed = _listed(data_dir, split, image_size)
    chosen = listed if shards is None else [listed[number] for number in shards]
    count = sum(shard["images"] for shard in chosen)
    images = rows(count, (), tf.string)
    masks = rows(count, ((image_size[0] * image_size[1] + 7) // 8,), tf.uint8)
    keypoints = np.empty((count, kp.NUM_KEYPOINTS, 3), np.float32)
    names: list[str] = []
    identities: list[str] = []
    pairs = []
    for shard in chosen:
        index = reading.read_pairs(
            data_dir / shard["pairs_file"],
            count=shard["pairs"],
            num_images=shard["images"],
        )
        pairs.append(index + np.int32(len(names)))
        stored = reading.read_shard(
            data_dir / shard["file"], count=shard["images"], size=image_size
        )
        for some in _batches(stored, _AT_ONCE):
            write_rows(images, len(names), [image.image for image in some])
            write_rows(
                masks, len(names), [np.packbits(image.unpack_mask()) for image in some]
            )
            keypoints[len(names) : len(names) + len(some)] = [i.pose for i in some]
            names += [image.name for image in some]
            identities += [image.identity for image in some]
    return Split(
        image_size=image_size,
        names=names,
        identities=identities,
        images=images,
        keypoints=keypoints,
        masks=masks,
        pairs=np.concatenate(pairs),
    )


def shard_groups(data_dir: str | Path, split: str, *, count: int) -> list[list[int]]:
    """Divides a split's shards into groups of about as many pairs each.

    Args:
        data_dir, split: as of `read_split`.
        count: of groups.

    Returns:
        The numbers of the shards of each group, ascending; the same on every machine.

    Raises:
        InputError: there are fewer shards with pairs than groups.
    """
    listed = records.read_manifest(data_dir)["splits"].get(split, {"shards": []})
    pairs = [shard["pairs"] for shard in listed["shards"]]
    filled = [number for number, each in enumerate(pairs) if each]
    if len(filled) < count:
        raise InputError(
            f"{data_dir}: the {split} split has {len(filled)} shards with pairs, which "
            f"cannot be read in {count} groups; build it with fewer --images_per_shard"
        )
    groups: list[list[int]] = [[] for _ in range(count)]
    sizes = [0] * count
    for number in sorted(filled, key=lambda number: -pairs[number]):
        lightest = sizes.index(min(sizes))
        groups[lightest].append(number)
        sizes[lightest] += pairs[number]
    return [sorted(group) for group in groups]


def _listed(
    data_dir: Path, split: str, image_size: tuple[int, int]
) -> list[dict[str, Any]]:
    """Returns what the manifest says of a split's shards."""
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
    return manifest["splits"][split]["shards"]


def rows(count: int, shape: tuple[int, ...], dtype: tf.DType) -> tf.Variable:
    """Returns room in the CPU's memory for `count` rows of `shape`.

    Filled with `write_rows` it is in memory once; a tensor joined from parts is there
    twice for a moment, and that is when memory runs out.
    """
    with tf.device("CPU"):
        return tf.Variable(tf.zeros((count, *shape), dtype), trainable=False)


def write_rows(variable: tf.Variable, start: int, values: Any) -> None:
    """Writes rows, from row `start` on."""
    values = tf.convert_to_tensor(values, variable.dtype)
    places = tf.range(start, start + len(values))
    variable.scatter_update(tf.IndexedSlices(values, places))


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
