"""The splits of a data set: in memory, or read from their shards as needed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf.data.stored import StoredPairs
from pg2_tf.machine import isolated
from preprocessing.dataset import reading, records
from preprocessing.poses import keypoints as kp
from preprocessing.system import files
from preprocessing.system.errors import InputError

# Images that are in memory twice while they are read.
_AT_ONCE = 256
# Bytes of shards whose contents are compared when a training resumes.
_MOST_VERIFIED = 4 << 30
# `auto` keeps a split in memory if it takes at most this share of what is available.
_SHARE = 0.5
IN_MEMORY = ("auto", "yes", "no")


@dataclass(frozen=True)
class Split:
    """The images of one split and the pairs among them, in memory.

    Attributes:
        image_size: Height and width in pixels.
        names, identities: Names and identities of the M images.
        images: JPEG bytes, string variable [M].
        keypoints: float32 [M, 18, 3]: x, y in pixels, confidence.
        masks: uint8 variable [M, ceil(H * W / 8)], bits packed as by
            `numpy.packbits`.
        pairs: int32 [P, 2], source and target as positions among the images.
        heatmaps: The stored heatmaps as in the records, string variable [M], or None
            if they were not read.
    """

    image_size: tuple[int, int]
    names: list[str]
    identities: list[str]
    images: tf.Variable
    keypoints: np.ndarray
    masks: tf.Variable
    pairs: np.ndarray
    heatmaps: tf.Variable | None = None

    @property
    def num_pairs(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def select(self, positions: Sequence[int] | np.ndarray) -> "Split":
        """Returns the split with the pairs at some positions only, in their order."""
        return replace(self, pairs=self.pairs[np.asarray(positions, np.int64)])

    def names_of(self, pairs: np.ndarray) -> list[tuple[str, str]]:
        """Returns the names of source and target of the pairs at positions [B]."""
        chosen = self.pairs[np.asarray(pairs)].tolist()
        return [(self.names[source], self.names[target]) for source, target in chosen]

    def is_source(self, test: Callable[[str], bool]) -> np.ndarray:
        """Tells for each pair whether the identity of its source passes a test.

        Args:
            test: Function of an identity's name.

        Returns:
            bool [P].
        """
        passed = {name: test(name) for name in set(self.identities)}
        images = np.array([passed[name] for name in self.identities], bool)
        return images[self.pairs[:, 0]]


def open_split(
    data_dir: str | Path,
    split: str,
    *,
    image_size: tuple[int, int],
    shards: Sequence[int] | None = None,
    heatmaps: str = "drawn",
    in_memory: str = "auto",
) -> tuple[Split | StoredPairs, str]:
    """Opens a split, in memory if it fits.

    Args:
        data_dir: Folder of the data set.
        split: `train` or `test`.
        image_size: Height and width of the model's images in pixels.
        shards: Numbers of the shards to open. Default: all.
        heatmaps: `stored` to read the heatmaps of the records, or `drawn`.
        in_memory: `yes`; `no` to read records as they are needed; `auto` to decide by
            the available memory.

    Returns:
        The split, and one line that says where it is kept and why.

    Raises:
        InputError: See `read_split`.
    """
    data_dir = Path(data_dir)
    chosen = _chosen(data_dir, split, image_size, shards)
    need = sum(each["bytes"] + 600 * each["images"] for each in chosen)
    need += sum(8 * each["pairs"] for each in chosen)
    free = isolated.available()
    kept = in_memory == "yes"
    if in_memory == "auto":
        kept = free is None or need <= _SHARE * free
    told = "" if free is None else f" of {free / 1e6:,.0f} MB available"
    told = f"{data_dir}: {split} split of about {need / 1e6:,.0f} MB{told}"
    stored = heatmaps == "stored"
    if kept:
        opened = read_split(
            data_dir, split, image_size=image_size, shards=shards, heatmaps=stored
        )
        return opened, f"{told}: kept in memory"
    on_disk = StoredPairs(data_dir, chosen, image_size=image_size, heatmaps=stored)
    return on_disk, f"{told}: read from disk as needed"


def read_split(
    data_dir: str | Path,
    split: str,
    *,
    image_size: tuple[int, int],
    shards: Sequence[int] | None = None,
    heatmaps: bool = False,
) -> Split:
    """Reads a split into memory: encoded images, keypoints, masks and pairs.

    Args:
        data_dir: Folder of the data set.
        split: `train` or `test`.
        image_size: Height and width of the model's images in pixels.
        shards: Numbers of the shards to read. Default: all.
        heatmaps: Whether to read the stored heatmaps.

    Raises:
        InputError: The data set or the split is missing, has images of another size
            or no pairs, or a shard or pair index is damaged; the message names the
            file and the record.
    """
    data_dir = Path(data_dir)
    chosen = _chosen(data_dir, split, image_size, shards)
    count = sum(shard["images"] for shard in chosen)
    empty = Split(
        image_size=image_size,
        names=[],
        identities=[],
        images=rows(count, (), tf.string),
        keypoints=np.empty((count, kp.NUM_KEYPOINTS, 3), np.float32),
        masks=rows(count, ((image_size[0] * image_size[1] + 7) // 8,), tf.uint8),
        pairs=np.empty((0, 2), np.int32),
        heatmaps=rows(count, (), tf.string) if heatmaps else None,
    )
    pairs = []
    for shard in chosen:
        index = reading.read_pairs(
            data_dir / shard["pairs_file"],
            count=shard["pairs"],
            num_images=shard["images"],
        )
        pairs.append(index + np.int32(len(empty.names)))
        stored = reading.read_shard(
            data_dir / shard["file"], count=shard["images"], size=image_size
        )
        for some in _batches(stored, _AT_ONCE):
            _append(empty, some)
    return replace(empty, pairs=np.concatenate(pairs))


def _append(split: Split, images: list[reading.StoredImage]) -> None:
    """Writes images behind those that a split has already."""
    start = len(split.names)
    write_rows(split.images, start, [image.image for image in images])
    masks = [np.packbits(image.unpack_mask()) for image in images]
    write_rows(split.masks, start, masks)
    if split.heatmaps is not None:
        for image in images:
            image.unpack_heatmaps()  # Checks them.
        write_rows(split.heatmaps, start, [image.heatmaps for image in images])
    split.keypoints[start : start + len(images)] = [image.pose for image in images]
    split.names.extend(image.name for image in images)
    split.identities.extend(image.identity for image in images)


def verify_shards(data_dir: str | Path, split: str) -> None:
    """Compares the shards of a split with the manifest, before a training resumes.

    The manifest's checksum identifies the data of a run, so the files must be those of
    the manifest. Sizes are always compared; contents are, up to 4 GB in all.

    Args:
        data_dir: Folder of the data set.
        split: `train` or `test`.

    Raises:
        InputError: A shard is missing or differs, for example because two shards were
            swapped.
    """
    shards = records.read_manifest(data_dir)["splits"].get(split, {"shards": []})
    contents = sum(shard["bytes"] for shard in shards["shards"]) <= _MOST_VERIFIED
    for shard in shards["shards"]:
        path = Path(data_dir) / shard["file"]
        if not path.is_file():
            raise InputError(f"{path}: no such shard, though the manifest names it")
        same = path.stat().st_size == shard["bytes"]
        if not same or (contents and files.sha256(path) != shard["sha256"]):
            raise InputError(
                f"{path}: differs from the shard in the manifest; restore the file, or "
                "build the data set again"
            )


def shard_groups(data_dir: str | Path, split: str, *, count: int) -> list[list[int]]:
    """Divides the shards of a split into groups with similar numbers of pairs.

    Args:
        data_dir: Folder of the data set.
        split: `train` or `test`.
        count: Number of groups.

    Returns:
        The numbers of the shards of each group, ascending; the same on every machine.

    Raises:
        InputError: There are fewer shards with pairs than groups.
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


def _chosen(
    data_dir: Path,
    split: str,
    image_size: tuple[int, int],
    shards: Sequence[int] | None,
) -> list[dict[str, Any]]:
    """Returns the entries of a split's shards in the manifest, all or by number."""
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
    listed = manifest["splits"][split]["shards"]
    return listed if shards is None else [listed[number] for number in shards]


def rows(count: int, shape: tuple[int, ...], dtype: tf.DType) -> tf.Variable:
    """Returns a variable in the CPU's memory for `count` rows of `shape`.

    `write_rows` fills it without a second copy, which joining tensors would need.
    """
    with tf.device("CPU"):
        return tf.Variable(tf.zeros((count, *shape), dtype), trainable=False)


def write_rows(variable: tf.Variable, start: int, values: Any) -> None:
    """Writes consecutive rows, beginning with row `start`."""
    values = tf.convert_to_tensor(values, variable.dtype)
    places = tf.range(start, start + len(values))
    variable.scatter_update(tf.IndexedSlices(values, places))


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
