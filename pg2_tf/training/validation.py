"""Scores of a model during training, on pairs of held-out training identities.

The test split is not used, so that it stays unseen until the evaluation.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pg2_tf.data.dataset import Split
from pg2_tf.data.pipeline import source_of
from pg2_tf.data.stored import StoredPairs
from pg2_tf.evaluation.metrics import images as metrics
from pg2_tf.inference.pose_transfer import PoseTransfer
from preprocessing.images import drawing as pictures

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
        return pictures.pose_sheet(
            self._pairs["source"], self._pairs["keypoints"], others
        )

    def _make(self, model: PoseTransfer) -> dict[str, np.ndarray]:
        return model(self._pairs["source"], self._pairs["keypoints"])
