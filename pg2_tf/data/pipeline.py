"""From a split to batches: decode, shuffle, flip, batch; then to network inputs.

The order of the pairs and the flips follow from the seed and the position alone, so
that a run can go on at any step with the pairs it would have had.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from pg2_tf.data import ranges
from pg2_tf.data.dataset import Split
from pg2_tf.layers.pose_heatmaps import PoseHeatmaps
from preprocessing import keypoints as kp

# Decoded images are kept where they fit in this many bytes, encoded ones else.
_DECODED_LIMIT = 2 << 30


class PairSource:
    """Gathers batches of pairs from a split that is kept in memory.

    Images are kept decoded where they fit in 2 GiB, else they are decoded as they
    are needed.

    Args:
        split: with its images.
    """

    def __init__(self, split: Split):
        self.split = split
        height, width = split.image_size
        # Only images that stand in a pair are kept.
        used, positions = np.unique(split.pairs, return_inverse=True)
        self._pairs = tf.constant(positions.reshape(-1, 2).astype(np.int32))
        self._keypoints = tf.constant(split.keypoints[used])
        self._masks = tf.constant(split.masks[used])
        encoded = tf.constant(split.images[used])
        self._decoded = len(used) * height * width * 3 <= _DECODED_LIMIT
        # As a function, it decodes on all cores.
        decode = tf.function(self._decode)
        self._images = decode(encoded) if self._decoded else encoded

    @property
    def num_pairs(self) -> int:
        """How many pairs there are."""
        return len(self.split.pairs)

    def gather(self, pairs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the pairs at the positions int64 [B].

        Returns:
            `source`, `target` uint8 [B, H, W, 3], the target's `keypoints` float32
            [B, 18, 3] and `mask` uint8 [B, H, W, 1].
        """
        chosen = tf.gather(self._pairs, pairs)
        return {
            "source": self._image(chosen[:, 0]),
            "target": self._image(chosen[:, 1]),
            "keypoints": tf.gather(self._keypoints, chosen[:, 1]),
            "mask": self._unpack(tf.gather(self._masks, chosen[:, 1])),
        }

    def _image(self, positions: tf.Tensor) -> tf.Tensor:
        images = tf.gather(self._images, positions)
        return images if self._decoded else self._decode(images)

    def _decode(self, encoded: tf.Tensor) -> tf.Tensor:
        images = tf.map_fn(
            # As OpenCV decodes; TensorFlow's default is off by up to 15 grey levels.
            lambda content: tf.io.decode_jpeg(
                content, channels=3, dct_method="INTEGER_ACCURATE"
            ),
            encoded,
            fn_output_signature=tf.TensorSpec((*self.split.image_size, 3), tf.uint8),
        )
        return tf.ensure_shape(images, (None, *self.split.image_size, 3))

    def _unpack(self, packed: tf.Tensor) -> tf.Tensor:
        height, width = self.split.image_size
        shifts = tf.constant([7, 6, 5, 4, 3, 2, 1, 0], tf.uint8)
        bits = tf.bitwise.right_shift(packed[..., None], shifts) & 1
        flat = tf.reshape(bits, (tf.shape(packed)[0], -1))[:, : height * width]
        return tf.reshape(flat, (-1, height, width, 1))


def training_batches(
    source: PairSource,
    *,
    batch_size: int,
    seed: int,
    start: int = 0,
    flip: bool = True,
    own_batch: bool = False,
) -> tf.data.Dataset:
    """Yields batches without end, every pair once before any comes again.

    Args:
        source: of the pairs.
        batch_size: pairs in a batch.
        seed: of order and flips.
        start: how many steps have been taken already.
        flip: whether half of the pairs are mirrored, source, target, pose and mask
            together.
        own_batch: whether a step needs two batches; it yields tuples of two then.

    Returns:
        A data set of what `PairSource.gather` returns.
    """

    def batch(number: tf.Tensor) -> dict[str, tf.Tensor]:
        positions = number * batch_size + tf.range(batch_size, dtype=tf.int64)
        pairs = source.gather(_shuffled(positions, source.num_pairs, seed))
        return _flip(pairs, positions, seed) if flip else pairs

    def step(number: tf.Tensor) -> Any:
        if not own_batch:
            return batch(number)
        return batch(2 * number), batch(2 * number + 1)

    if source.num_pairs < 1:
        raise ValueError("no pairs to train on")
    steps = tf.data.Dataset.range(start, np.iinfo(np.int64).max // (2 * batch_size))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return (
        steps.map(step, num_parallel_calls=2, deterministic=True)
        .prefetch(2)
        .with_options(options)
    )


def pairs_of_step(
    source: PairSource,
    step: int,
    *,
    batch_size: int,
    seed: int,
    own_batch: bool = False,
) -> list[tuple[str, str]]:
    """Returns the names of the pairs that a step takes, source and target image.

    Args:
        source, batch_size, seed, own_batch: as of `training_batches`.
        step: counted from 1.
    """
    size = batch_size * (2 if own_batch else 1)
    positions = tf.range(size * (step - 1), size * step, dtype=tf.int64)
    chosen = _shuffled(positions, source.num_pairs, seed).numpy()
    names = source.split.names
    return [(names[a], names[b]) for a, b in source.split.pairs[chosen]]


def network_inputs(batch: dict[str, Any], draw: PoseHeatmaps) -> dict[str, Any]:
    """Turns a gathered batch into what the trainers take, on the device.

    Args:
        batch: of `PairSource.gather`.
        draw: the layer that draws heatmaps.

    Returns:
        `source`, `target` float32 [B, H, W, 3] in [-1, 1], `keypoints` as they were,
        `heatmaps` float32 [B, H, W, 18] of -1 and +1, `mask` float32 [B, H, W, 1] of
        0 and 1.
    """
    return {
        "source": ranges.to_signed(batch["source"]),
        "target": ranges.to_signed(batch["target"]),
        "keypoints": ops.cast(batch["keypoints"], "float32"),
        "heatmaps": draw(batch["keypoints"]),
        "mask": ops.cast(batch["mask"], "float32"),
    }


def _shuffled(positions: tf.Tensor, count: int, seed: int) -> tf.Tensor:
    epoch = tf.cast(positions // count, tf.uint32)
    first = tf.fill(tf.shape(epoch), tf.constant(seed % 2**32, tf.uint32))
    keys = tf.stack([first, epoch, tf.zeros_like(epoch)], axis=1)
    # `tf.random.experimental.index_shuffle` does not take a seed for each position.
    shuffled = tf.raw_ops.RandomIndexShuffle(
        index=tf.cast(positions % count, tf.uint64),
        seed=keys,
        max_index=tf.constant(count - 1, tf.uint64),
    )
    return tf.cast(shuffled, tf.int64)


def _flip(
    batch: dict[str, tf.Tensor], positions: tf.Tensor, seed: int
) -> dict[str, tf.Tensor]:
    """Mirrors half of the pairs; see `preprocessing.keypoints.flip`."""
    draws = tf.random.stateless_uniform(
        tf.shape(positions), seed=tf.stack([tf.cast(seed, tf.int64), positions[0]])
    )
    chosen = draws < 0.5
    images = {
        key: tf.where(
            chosen[:, None, None, None], tf.reverse(batch[key], [2]), batch[key]
        )
        for key in ("source", "target", "mask")
    }
    width = batch["source"].shape[2]
    mirrored = tf.gather(batch["keypoints"], kp.MIRROR, axis=1)
    x, y, confidence = tf.unstack(mirrored, axis=2)
    # As `int(x)` does, so that a keypoint stays in its pixel.
    x = width - 1 - tf.cast(tf.cast(x, tf.int32), tf.float32)
    mirrored = tf.stack([tf.where(confidence > 0, x, 0.0), y, confidence], axis=2)
    keypoints = tf.where(chosen[:, None, None], mirrored, batch["keypoints"])
    return {**images, "keypoints": keypoints}
