"""The data of a stage's training: its pairs, and those that are drawn and scored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf.data import dataset, pairs, pipeline
from pg2_tf.model.config import TrainConfig
from pg2_tf.training.validation import FixedPairs
from pg2_tf.training.workers import Workers
from preprocessing.dataset import records

_NUM_SAMPLES = 8


@dataclass(frozen=True)
class StageData:
    """What a worker reads for a stage.

    Attributes:
        sources: of pairs to train on, by the group of shards that each holds.
        shown: the pairs of the sample sheets; None on a worker that writes nothing.
        scored: the pairs of the validation; None there, and where there is none.
    """

    sources: dict[int, pipeline.PairSource]
    shown: FixedPairs | None = None
    scored: FixedPairs | None = None

    @classmethod
    def read(
        cls,
        data_dir: Path,
        training: TrainConfig,
        *,
        image_size: tuple[int, int],
        workers: Workers,
        num_validation_pairs: int,
    ) -> "StageData":
        """Reads it, into the memory of this process, outside any strategy's scope.

        Args:
            data_dir: of the data set.
            training: of the stage.
            image_size: height and width that the networks need.
            workers: that train together, each on shards of its own.
            num_validation_pairs: how many pairs of the test split are scored.

        Raises:
            InputError: the data set does not fit, or cannot be read.
        """
        sources = _sources(data_dir, training, image_size, workers)
        if not workers.writes:
            return cls(sources)
        return cls(sources, *_fixed_pairs(data_dir, image_size, num_validation_pairs))

    def batches(self, start: int, *, workers: Workers, **order: Any) -> Any:
        """Returns the batches from a step on, distributed by the current strategy.

        Args:
            start: how many steps have been taken already.
            workers: that train together.
            order: of `pipeline.grouped_batches`.
        """
        strategy = tf.distribute.get_strategy()
        mine = pipeline.grouped_batches(self.sources, start=start, **order)
        replicas = strategy.num_replicas_in_sync // workers.count
        return strategy.distribute_datasets_from_function(
            lambda _: pipeline.shared_out(mine, replicas)
        )


def _sources(
    data_dir: Path, training: TrainConfig, size: tuple[int, int], workers: Workers
) -> dict[int, pipeline.PairSource]:
    """Reads this worker's groups of shards; returns the pairs of each by its number."""
    count = training.shard_groups
    shards: Sequence[Sequence[int] | None] = [None]
    if count > 1:
        shards = dataset.shard_groups(data_dir, "train", count=count)
    share = count // workers.count
    return {
        group: pipeline.PairSource(
            dataset.read_split(
                data_dir, "train", image_size=size, shards=shards[group]
            ),
            decoded_limit=pipeline.DECODED_LIMIT // share,
        )
        for group in range(share * workers.index, share * (workers.index + 1))
    }


def _fixed_pairs(
    data_dir: Path, size: tuple[int, int], num_validation_pairs: int
) -> tuple[FixedPairs, FixedPairs | None]:
    """Returns the pairs of the sample sheets and, with a test split, of validation."""
    test = records.read_manifest(data_dir)["splits"].get("test", {"pairs": 0})
    name = "test" if test["pairs"] else "train"
    split = dataset.read_split(data_dir, name, image_size=size)
    count = len(split.pairs)
    shown = np.linspace(0, count - 1, _NUM_SAMPLES).astype(int).tolist()
    if name == "train" and num_validation_pairs:
        print(f"{data_dir}: has no test pairs, so there is no validation")
        num_validation_pairs = 0
    drawn = pairs.draw_pairs(split, num_validation_pairs, seed=0)
    # Only their images are decoded and kept.
    few = replace(split, pairs=split.pairs[[*shown, *drawn]])
    source = pipeline.PairSource(few)
    sheet = FixedPairs(source, range(_NUM_SAMPLES))
    if not drawn:
        return sheet, None
    return sheet, FixedPairs(source, range(_NUM_SAMPLES, len(few.pairs)))
