"""The data of a stage: pairs to train on, to validate on, and for sample sheets.

Validation uses held-out training identities, so that the test split stays unseen until
the evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pg2_tf.data import dataset, pairs, pipeline
from pg2_tf.data.dataset import Split
from pg2_tf.data.pipeline import source_of
from pg2_tf.data.stored import StoredPairs
from pg2_tf.evaluation.metrics import images as metrics
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.config import TrainConfig
from pg2_tf.training.workers import Workers
from preprocessing.dataset import pairing, records
from preprocessing.images import drawing
from preprocessing.system.errors import InputError

_NUM_SAMPLES = 8
METRICS = ("l1", "mask_l1", "ssim", "mask_ssim")


class FixedPairs:
    """Pairs that are kept in memory, and the images that a model generates of them.

    Args:
        splits: Splits whose pairs to keep.
    """

    def __init__(self, splits: Sequence[Split | StoredPairs]):
        gathered = []
        for split in splits:
            # The images of all pairs are decoded at once, and kept below.
            source = source_of(split, decoded_limit=0)
            everything = tf.range(source.num_pairs, dtype=tf.int64)
            gathered.append(source.gather(everything))
        self._pairs = {
            name: np.concatenate([part[name].numpy() for part in gathered])
            for name in ("source", "target", "keypoints", "mask")
        }

    def score(self, model: PoseTransfer) -> dict[str, float]:
        """Returns the mean scores of a model's last image by metric.

        `l1` is in grey levels. `mask_...` scores images that are black outside the
        target's mask; see `pg2_tf.evaluation.metrics.images`.
        """
        made = self._make(model)
        images = made.get("refined", made["coarse"])
        targets, masks = self._pairs["target"], self._pairs["mask"][..., 0]
        scores = [
            metrics.score(*each) for each in zip(images, targets, masks, strict=True)
        ]
        return {
            name: float(np.mean([score[name] for score in scores])) for name in METRICS
        }

    def draw(self, model: PoseTransfer) -> np.ndarray:
        """Draws the pairs and the generated images, uint8 [height, width, 3]."""
        others = {**self._make(model), "target": self._pairs["target"]}
        return drawing.pose_sheet(
            self._pairs["source"], self._pairs["keypoints"], others
        )

    def _make(self, model: PoseTransfer) -> dict[str, np.ndarray]:
        return model(self._pairs["source"], self._pairs["keypoints"])


@dataclass(frozen=True)
class StageData:
    """The data that one worker reads for a stage.

    Attributes:
        sources: The training pairs by the number of their group of shards.
        shown: The pairs of the sample sheets; None on a worker that does not write.
        scored: The validation pairs; None without validation, and on a worker that
            does not write.
    """

    sources: dict[int, pipeline.PairSource | StoredPairs]
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
        in_memory: str = "auto",
    ) -> "StageData":
        """Opens the data, in memory if it fits, outside the scope of a strategy.

        Args:
            data_dir: Folder of the data set.
            training: Training settings of the stage.
            image_size: Height and width of the networks' images in pixels.
            workers: The workers that train together, each on its own shards.
            num_validation_pairs: Number of validation pairs; 0 for no validation.
            in_memory: One of `dataset.IN_MEMORY`; see `dataset.open_split`.

        Raises:
            InputError: The data set does not fit, or cannot be read.
        """
        splits = _splits(data_dir, training, image_size, workers, in_memory)
        limit = pipeline.DECODED_LIMIT // len(splits)
        sources, held = {}, {}
        for group, split in splits.items():
            train, held[group] = pairs.hold_out(split, training.validation_fraction)
            if not train.num_pairs:
                raise InputError(
                    f"{data_dir}: --validation_fraction={training.validation_fraction} "
                    "leaves no pairs to train on"
                )
            sources[group] = pipeline.source_of(train, decoded_limit=limit)
        if not workers.writes:
            return cls(sources)
        scored = None
        if training.validation_fraction and num_validation_pairs:
            scored = _validation_pairs(
                list(held.values()),
                num_validation_pairs,
                where=f"{data_dir}: --validation_fraction="
                f"{training.validation_fraction}",
            )
        return cls(sources, _sample_pairs(data_dir, image_size, in_memory), scored)

    def batches(self, start: int, *, workers: Workers, **order: Any) -> Any:
        """Returns the batches after a step, distributed by the current strategy.

        Args:
            start: Number of steps that were taken before.
            workers: The workers that train together.
            **order: Arguments of `pipeline.grouped_batches`.
        """
        strategy = tf.distribute.get_strategy()
        mine = pipeline.grouped_batches(self.sources, start=start, **order)
        replicas = strategy.num_replicas_in_sync // workers.count
        return strategy.distribute_datasets_from_function(
            lambda _: pipeline.shared_out(mine, replicas)
        )


def _splits(
    data_dir: Path,
    training: TrainConfig,
    size: tuple[int, int],
    workers: Workers,
    in_memory: str,
) -> dict[int, dataset.Split | StoredPairs]:
    """Opens this worker's groups of shards of the training split, by their number."""
    count = training.shard_groups
    shards: Sequence[Sequence[int] | None] = [None]
    if count > 1:
        shards = dataset.shard_groups(data_dir, "train", count=count)
    share = count // workers.count
    splits = {}
    for group in range(share * workers.index, share * (workers.index + 1)):
        splits[group], where = dataset.open_split(
            data_dir,
            "train",
            image_size=size,
            shards=shards[group],
            heatmaps=training.heatmaps,
            in_memory=in_memory,
        )
        if workers.writes:
            print(where if count == 1 else f"{where} (group {group} of {count})")
    return splits


def _sample_pairs(data_dir: Path, size: tuple[int, int], in_memory: str) -> FixedPairs:
    """Returns the pairs of the sample sheets, of the test split if it has pairs."""
    test = records.read_manifest(data_dir)["splits"].get("test", {"pairs": 0})
    name = "test" if test["pairs"] else "train"
    split, _ = dataset.open_split(data_dir, name, image_size=size, in_memory=in_memory)
    shown = np.linspace(0, split.num_pairs - 1, _NUM_SAMPLES).astype(int)
    return FixedPairs([split.select(shown)])


def _validation_pairs(
    held: Sequence[dataset.Split | StoredPairs], count: int, *, where: str
) -> FixedPairs:
    """Draws validation pairs among the pairs of held-out identities."""
    names = [
        pair for split in held for pair in split.names_of(np.arange(split.num_pairs))
    ]
    if not names:
        raise InputError(f"{where} holds out no identity; use a larger fraction")
    drawn = set(pairing.drawn(names, count=count, seed=0))
    few, start = [], 0
    for split in held:
        chosen = [i for i in range(split.num_pairs) if start + i in drawn]
        start += split.num_pairs
        if chosen:
            few.append(split.select(chosen))
    return FixedPairs(few)
