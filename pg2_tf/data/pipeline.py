"""Makes batches from a split: decodes, shuffles, flips and batches.

The order of the pairs and the flips follow from the seed and the position alone, so
that a training resumes at any step with the same pairs.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf.data import dataset
from pg2_tf.data.dataset import Split
from pg2_tf.data.stored import StoredPairs, decode
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

# Images are kept decoded up to this size in bytes, encoded above it.
DECODED_LIMIT = 2 << 30
_DECODED_AT_ONCE = 32
# The eight bits of every byte; looking them up is faster than shifting.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)


class PairSource:
    """Gathers batches of pairs from a split that is kept in memory.

    Images are kept decoded if they fit, or are decoded as they are needed.

    Args:
        split: Split with its images.
        decoded_limit: Largest size of the decoded images in bytes.
    """

    def __init__(self, split: Split, *, decoded_limit: int = DECODED_LIMIT):
        self._size = split.image_size
        self._names = split.names
        # Only images that stand in a pair are decoded.
        used = np.flatnonzero(np.bincount(split.pairs.ravel()))
        self.decoded = used.size * int(np.prod(self._size)) * 3 <= decoded_limit
        # The CPU gathers batches, also on machines with a GPU.
        with tf.device("CPU"):
            self._pairs = tf.constant(split.pairs)
            self._keypoints = tf.constant(split.keypoints)
            self._masks = split.masks
            self._images = split.images
            self._heatmaps = split.heatmaps
            if self.decoded:
                self._images = self._decode_all(split.images, used)
                places = np.zeros(len(split.names), np.int32)
                places[used] = np.arange(used.size)
                self._places = tf.constant(places)

    @property
    def num_bytes(self) -> int:
        """Size in bytes of images, masks, keypoints and pairs in memory."""
        if self.decoded:
            images = self._images.shape.num_elements()
        else:
            images = int(tf.reduce_sum(tf.strings.length(self._images)))
        others = (self._pairs, self._keypoints, self._masks)
        return images + sum(
            tensor.shape.num_elements() * tensor.dtype.size for tensor in others
        )

    @property
    def num_pairs(self) -> int:
        """Number of pairs."""
        return len(self._pairs)

    def names_of(self, pairs: np.ndarray) -> list[tuple[str, str]]:
        """Returns the names of source and target of the pairs at positions [B]."""
        chosen = tf.gather(self._pairs, pairs).numpy().tolist()
        return [(self._names[source], self._names[target]) for source, target in chosen]

    def gather(self, pairs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the pairs at the positions int64 [B].

        Returns:
            `source`, `target` uint8 [B, H, W, 3], the target's `keypoints` float32
            [B, 18, 3] and `mask` uint8 [B, H, W, 1]; if the split has them, the
            target's stored `heatmaps`, int8 [B, H, W, 18] of -1 and +1.
        """
        chosen = tf.gather(self._pairs, pairs)
        batch = {
            "source": self._image(chosen[:, 0]),
            "target": self._image(chosen[:, 1]),
            "keypoints": tf.gather(self._keypoints, chosen[:, 1]),
            "mask": unpack(tf.gather(self._masks, chosen[:, 1]), self._size),
        }
        if self._heatmaps is not None:
            stored = tf.gather(self._heatmaps, chosen[:, 1])
            batch["heatmaps"] = unpack_heatmaps(stored, self._size)
        return batch

    def _image(self, positions: tf.Tensor) -> tf.Tensor:
        if self.decoded:
            return tf.gather(self._images, tf.gather(self._places, positions))
        return decode(tf.gather(self._images, positions), self._size)

    def _decode_all(self, encoded: tf.Variable, used: np.ndarray) -> tf.Variable:
        # As a function, it decodes on all cores.
        decode_some = tf.function(
            lambda some: decode(some, self._size),
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
        images = dataset.rows(used.size, (*self._size, 3), tf.uint8)
        for start in range(0, used.size, _DECODED_AT_ONCE):
            chosen = used[start : start + _DECODED_AT_ONCE]
            dataset.write_rows(images, start, decode_some(tf.gather(encoded, chosen)))
        return images


def source_of(
    split: Split | StoredPairs, *, decoded_limit: int = DECODED_LIMIT
) -> PairSource | StoredPairs:
    """Returns the source of a split's pairs; see `PairSource`."""
    if isinstance(split, StoredPairs):
        return split
    return PairSource(split, decoded_limit=decoded_limit)


def readable(batches: Iterable[Any]) -> Iterator[Any]:
    """Yields batches; a record that cannot be read raises one line.

    Raises:
        InputError: A record is damaged.
    """
    try:
        yield from batches
    except tf.errors.OpError as error:
        found = re.search(r"InputError: (.*)", error.message)
        if found:
            raise InputError(found[1]) from error
        if "JPEG" in error.message or "jpeg" in error.message:
            raise InputError(
                "an image of the data set cannot be decoded; check the data set with "
                "python -m preprocessing.inspect"
            ) from error
        raise


def unpack(packed: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Unpacks masks from bits, uint8 [B, ceil(H * W / 8)], to uint8 [B, H, W, 1]."""
    return tf.reshape(_unpack_bits(packed, size[0] * size[1]), (-1, *size, 1))


def unpack_heatmaps(packed: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Unpacks the heatmaps of records, string [B], to int8 [B, H, W, 18] of -1, +1."""
    content = tf.io.decode_raw(tf.io.decode_compressed(packed, "ZLIB"), tf.uint8)
    bits = _unpack_bits(content, kp.NUM_KEYPOINTS * size[0] * size[1])
    channels = tf.reshape(bits, (-1, kp.NUM_KEYPOINTS, *size))
    return 2 * tf.cast(tf.transpose(channels, (0, 2, 3, 1)), tf.int8) - 1


def _unpack_bits(packed: tf.Tensor, count: int) -> tf.Tensor:
    bits = tf.gather(_BITS, tf.cast(packed, tf.int32))
    return tf.reshape(bits, (tf.shape(packed)[0], -1))[:, :count]


def training_batches(
    source: PairSource | StoredPairs,
    *,
    batch_size: int,
    seed: int,
    start: int = 0,
    flip: bool = True,
    own_batch: bool = False,
    group: int = 0,
) -> tf.data.Dataset:
    """Yields batches without end, every pair once before any comes again.

    Args:
        source: Source of the pairs.
        batch_size: Pairs in a batch.
        seed: Seed of order and flips.
        start: Number of steps taken before.
        flip: Whether half of the pairs are mirrored, source, target, pose and mask
            together.
        own_batch: Whether to yield tuples of two batches, for steps that need two.
        group: Number of the group of shards; each group has its own order.

    Returns:
        A data set of batches as from `PairSource.gather`.
    """

    def batch(number: tf.Tensor) -> dict[str, tf.Tensor]:
        positions = number * batch_size + tf.range(batch_size, dtype=tf.int64)
        chosen = shuffled(positions, source.num_pairs, seed, group)
        pairs = source.gather(chosen)
        return mirror(pairs, positions, seed + (group << 32)) if flip else pairs

    def step(number: tf.Tensor) -> Any:
        if not own_batch:
            return batch(number)
        return batch(2 * number), batch(2 * number + 1)

    if source.num_pairs < 1:
        raise ValueError("no pairs to train on")
    steps = tf.data.Dataset.range(start, np.iinfo(np.int64).max // (2 * batch_size))
    return steps.map(step, num_parallel_calls=2, deterministic=True).prefetch(2)


def grouped_batches(
    sources: Mapping[int, PairSource | StoredPairs], *, batch_size: int, **order: Any
) -> tf.data.Dataset:
    """Yields batches with equal numbers of pairs from each source.

    Args:
        sources: Sources of the pairs by group of shards.
        batch_size: Pairs in a batch, a multiple of the number of sources.
        order: Arguments of `training_batches`.
    """
    share = batch_size // len(sources)
    each = [
        training_batches(source, batch_size=share, group=group, **order)
        for group, source in sources.items()
    ]
    if len(each) == 1:
        return each[0]

    def join(*parts: Any) -> Any:
        return tf.nest.map_structure(lambda *some: tf.concat(some, 0), *parts)

    return tf.data.Dataset.zip(tuple(each)).map(join).prefetch(2)


def shared_out(batches: tf.data.Dataset, replicas: int) -> tf.data.Dataset:
    """Yields batches divided into equal parts, one for each replica."""
    if replicas == 1:
        return batches

    def part(value: tf.Tensor) -> tf.Tensor:
        return tf.reshape(value, (replicas, -1, *value.shape[1:]))

    def parts(*batch: Any) -> Any:
        divided = tf.nest.map_structure(part, batch)
        return divided if len(batch) > 1 else divided[0]

    return batches.map(parts).unbatch().prefetch(2 * replicas)


def pairs_of_step(
    sources: Mapping[int, PairSource | StoredPairs],
    step: int,
    *,
    batch_size: int,
    seed: int,
    own_batch: bool = False,
) -> list[tuple[str, str]]:
    """Returns the names of the pairs that a step takes, source and target image.

    Args:
        sources, batch_size, seed, own_batch: As in `grouped_batches`.
        step: Counted from 1.
    """
    size = batch_size // len(sources) * (2 if own_batch else 1)
    positions = tf.range(size * (step - 1), size * step, dtype=tf.int64)
    return [
        names
        for group, source in sources.items()
        for names in source.names_of(
            shuffled(positions, source.num_pairs, seed, group).numpy()
        )
    ]


def shuffled(positions: tf.Tensor, count: int, seed: int, group: int = 0) -> tf.Tensor:
    """Maps positions in the endless sequence, int64 [B], to pairs, int64 [B].

    Every `count` positions are a permutation of the pairs.
    """
    epoch = tf.cast(positions // count, tf.uint32)
    first = tf.fill(tf.shape(epoch), tf.constant(seed % 2**32, tf.uint32))
    last = tf.fill(tf.shape(epoch), tf.constant(group, tf.uint32))
    keys = tf.stack([first, epoch, last], axis=1)
    # `tf.random.experimental.index_shuffle` does not take a seed for each position.
    shuffled = tf.raw_ops.RandomIndexShuffle(
        index=tf.cast(positions % count, tf.uint64),
        seed=keys,
        max_index=tf.constant(count - 1, tf.uint64),
    )
    return tf.cast(shuffled, tf.int64)


def mirror(
    batch: dict[str, tf.Tensor], positions: tf.Tensor, seed: int
) -> dict[str, tf.Tensor]:
    """Mirrors half of the pairs; see `preprocessing.poses.keypoints.flip`.

    Args:
        batch: A batch from `PairSource.gather`.
        positions: Positions of the pairs in the sequence, int64 [B]. They and the seed
            decide which pairs are mirrored.
        seed: Seed of the sequence.
    """
    draws = tf.random.stateless_uniform(
        tf.shape(positions), seed=tf.stack([tf.cast(seed, tf.int64), positions[0]])
    )
    chosen = draws < 0.5
    side = tf.cast(chosen, tf.int32)
    places = tf.dynamic_partition(tf.range(tf.size(side)), side, 2)
    images = {}
    for key in (key for key in batch if key != "keypoints"):
        # Partitioned, so that only mirrored pairs are reversed.
        kept, mirrored = tf.dynamic_partition(batch[key], side, 2)
        if key == "heatmaps":
            mirrored = tf.gather(mirrored, kp.MIRROR, axis=3)
        images[key] = tf.dynamic_stitch(places, [kept, tf.reverse(mirrored, [2])])
    width = batch["source"].shape[2]
    swapped = tf.gather(batch["keypoints"], kp.MIRROR, axis=1)
    x, y, confidence = tf.unstack(swapped, axis=2)
    # As `int(x)` does, so that a keypoint stays in its pixel.
    x = width - 1 - tf.cast(tf.cast(x, tf.int32), tf.float32)
    mirrored = tf.stack([tf.where(confidence > 0, x, 0.0), y, confidence], axis=2)
    keypoints = tf.where(chosen[:, None, None], mirrored, batch["keypoints"])
    return {**images, "keypoints": keypoints}
