"""How a model does, while it trains, on pairs that it does not train on.

The pairs are the same each time and in each training on the data set.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pg2_tf.data.pipeline import PairSource
from pg2_tf.evaluation.metrics import images as metrics
from pg2_tf.inference.pose_transfer import PoseTransfer
from preprocessing.images import drawing as pictures

METRICS = ("l1", "mask_l1", "ssim", "mask_ssim")


class FixedPairs:
    """Some pairs, kept in memory, and what a model makes of them.

    Args:
        source: of the pairs.
        positions: of those to keep.
    """

    def __init__(self, source: PairSource, positions: Sequence[int]):
        gathered = source.gather(tf.constant(positions, tf.int64))
        self._pairs = {name: value.numpy() for name, value in gathered.items()}

    def score(self, model: PoseTransfer) -> dict[str, float]:
        """Returns the mean scores of a model's last image, by metric.

        `l1` is in grey levels; `mask_...` is of the images blackened outside the
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
        """Draws what a model makes of the pairs, uint8 [.., .., 3]."""
        others = {**self._make(model), "target": self._pairs["target"]}
        return pictures.pose_sheet(
            self._pairs["source"], self._pairs["keypoints"], others
        )

    def _make(self, model: PoseTransfer) -> dict[str, np.ndarray]:
        return model(self._pairs["source"], self._pairs["keypoints"])
