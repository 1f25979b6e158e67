"""`load_dataset`: a split as a `tf.data.Dataset` for `PG2.fit`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf.data import dataset, pipeline, ranges
from pg2_tf.data.pairs import listed_pairs
from pg2_tf.model.config import HEATMAPS
from preprocessing.dataset import records
from preprocessing.system.errors import InputError

Source = pipeline.PairSource | pipeline.StoredPairs


def load_dataset(
    data_dir: str | Path,
    split: str = "train",
    *,
    batch_size: int = 16,
    shuffle: bool | None = None,
    flip: bool | None = None,
    seed: int = 0,
    first_epoch: int = 0,
    drop_remainder: bool | None = None,
    heatmaps: str = "drawn",
    pairs: str | Path | None = None,
    in_memory: str = "auto",
) -> tf.data.Dataset:
    """Returns a finite data set of batches, one pass over the pairs of a split.

    Each element is a mapping of tensors, as `pg2_tf.PG2` takes them:

    - `source`, `target`: images, float32 [B, H, W, 3] in [-1, 1].
    - `keypoints`: the target pose, float32 [B, 18, 3]: x, y in pixels, confidence
      (0: missing). The model draws the heatmaps from them, on the device.
    - `mask`: the target's pose mask, float32 [B, H, W, 1] of 0 and 1.
    - `heatmaps`: with `heatmaps="stored"` only, float32 [B, H, W, 18] of -1 and +1.

    Each pass has its own order and flips, which follow from `seed` and the number of
    the pass. The first has the batches that `pg2_tf.train` takes first. A strategy
    reads ahead: its passes of fewer than eight batches may skip a number.

    Args:
        data_dir: Folder of the data set, made by `preprocessing.build`.
        split: `train` or `test`.
        batch_size: Number of pairs in a batch, over all devices.
        shuffle: Whether to shuffle the pairs. Default: only if `split` is `train`.
        flip: Whether to mirror half of the pairs. Default: only if `split` is `train`.
        seed: Seed of order and flips.
        first_epoch: Number of the first pass, to continue a training.
        drop_remainder: Whether to leave out a last batch that is not full, as
            strategies over several devices need it. Default: as `shuffle`.
        heatmaps: `drawn`, or `stored` to read the heatmaps of the records.
        pairs: CSV file with the columns `from` and `to` that lists the pairs to use.
            Default: all pairs of the data set. The images are kept in memory.
        in_memory: `yes`; `no` to read records as they are needed; `auto` to decide by
            the available memory. The batches are the same.

    Raises:
        InputError: A file is missing or damaged, or a value is not allowed.
    """
    training = split == "train"
    shuffle = training if shuffle is None else shuffle
    passes = _Passes(
        _open(data_dir, split, pairs, heatmaps=heatmaps, in_memory=in_memory),
        batch_size=batch_size,
        shuffle=shuffle,
        flip=training if flip is None else flip,
        seed=seed,
        first_epoch=first_epoch,
        drop_remainder=shuffle if drop_remainder is None else drop_remainder,
        place=f"{data_dir}: the {split} split",
    )
    return passes.dataset()


def _open(
    data_dir: str | Path,
    split: str,
    pairs: str | Path | None,
    *,
    heatmaps: str,
    in_memory: str,
) -> Source:
    """Opens the pairs of a split; see `load_dataset`."""
    _one_of("in_memory", in_memory, dataset.IN_MEMORY)
    _one_of("heatmaps", heatmaps, HEATMAPS)
    if pairs is not None and in_memory == "no":
        raise InputError("in_memory='no': a list of pairs needs the images in memory")
    opened, _ = dataset.open_split(
        data_dir,
        split,
        image_size=tuple(records.read_manifest(data_dir)["image_size"]),
        heatmaps=heatmaps,
        in_memory=in_memory if pairs is None else "yes",
    )
    if pairs is not None:
        assert isinstance(opened, dataset.Split)
        opened, _ = listed_pairs(opened, pairs)
    return pipeline.source_of(opened)


class _Passes:
    """Batches of one pass after another, each with its own order and flips."""

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        shuffle: bool,
        flip: bool,
        seed: int,
        first_epoch: int,
        drop_remainder: bool,
        place: str,
    ):
        for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0)):
            if value < least:
                raise InputError(f"{name}={value}: must be at least {least}")
        self._source = source
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._flip = flip
        self._seed = seed
        self._finished = first_epoch
        self._drop_remainder = drop_remainder
        full, rest = divmod(source.num_pairs, batch_size)
        self._steps = full + bool(rest and not drop_remainder)
        if not self._steps:
            raise InputError(
                f"{place} has {source.num_pairs} pairs, fewer than batch_size="
                f"{batch_size}; use a smaller batch_size or drop_remainder=False"
            )

    def dataset(self) -> tf.data.Dataset:
        """Returns the batches of one pass; after a whole pass, those of the next."""
        once = tf.data.Dataset.range(1)
        batches = once.flat_map(lambda _: self._batches(_call(self._start)))
        # A pass counts once its last batch is handed over; Keras begins passes that it
        # does not read. Nothing may read ahead of `_deliver`.
        batches = batches.prefetch(2).map(self._deliver)
        batches = batches.apply(tf.data.experimental.assert_cardinality(self._steps))
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        # Several workers would each read all of it; each replica gets a part of a
        # batch.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.OFF
        )
        return batches.with_options(options)

    def _batches(self, epoch: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(self._steps).map(
            lambda number: (epoch, number, self._batch(epoch, number)),
            num_parallel_calls=2,
            deterministic=True,
        )

    def _batch(self, epoch: tf.Tensor, number: tf.Tensor) -> dict[str, tf.Tensor]:
        num_pairs, seed = self._source.num_pairs, self._seed
        end = tf.minimum((number + 1) * self._batch_size, num_pairs)
        places = tf.range(number * self._batch_size, end, dtype=tf.int64)
        positions = epoch * num_pairs + places
        if self._shuffle:
            places = pipeline.shuffled(positions, num_pairs, seed)
        pairs = self._source.gather(places)
        if self._flip:
            pairs = pipeline.mirror(pairs, positions, seed)
        return _as_networks_take(
            pairs, self._batch_size if self._drop_remainder else None
        )

    def _deliver(self, epoch: tf.Tensor, number: tf.Tensor, batch: Any) -> Any:
        last = tf.equal(number, self._steps - 1)
        counted = tf.cond(last, lambda: _call(self._finish, epoch), lambda: epoch)
        with tf.control_dependencies([counted]):
            return tf.nest.map_structure(tf.identity, batch)

    def _start(self) -> np.int64:
        return np.int64(self._finished)

    def _finish(self, epoch: np.int64) -> np.int64:
        self._finished = max(self._finished, int(epoch) + 1)
        return np.int64(self._finished)


def _call(function: Callable[..., np.int64], *inputs: tf.Tensor) -> tf.Tensor:
    """Returns an integer that a Python function computes when it is needed."""
    return tf.ensure_shape(tf.numpy_function(function, inputs, tf.int64), [])


def _as_networks_take(
    batch: dict[str, tf.Tensor], size: int | None
) -> dict[str, tf.Tensor]:
    """Returns a gathered batch in the networks' types and ranges."""
    inputs = {name: tf.cast(value, tf.float32) for name, value in batch.items()}
    inputs |= {name: ranges.to_signed(batch[name]) for name in ("source", "target")}
    return {
        name: tf.ensure_shape(value, (size, *value.shape[1:]))
        for name, value in inputs.items()
    }


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{name}={value!r}: must be one of {', '.join(allowed)}")
