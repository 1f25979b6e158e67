"""The images that a run generates for pairs of its data set."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pg2_tf.data import pipeline, ranges
from pg2_tf.data.dataset import Split, read_split
from pg2_tf.data.pipeline import PairSource
from pg2_tf.evaluation.batches import Batch
from pg2_tf.evaluation.protocols import Protocol
from pg2_tf.inference.pose_transfer import PoseTransfer
from preprocessing.images import drawing as pictures

# What every model must beat: the source image as it is.
COPY = "source"
_AT_ONCE = 64


def all_images(
    data_dir: str | Path, split: str, *, size: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Yields all images of a split, uint8 [B, H, W, 3] at a time, with progress."""
    encoded = read_split(data_dir, split, image_size=size).images
    starts = range(0, len(encoded), _AT_ONCE)
    for start in tqdm(starts, desc="reference images", unit=" batches"):
        yield pipeline.decode(encoded[start : start + _AT_ONCE], size).numpy()


class RunImages:
    """What a model makes of pairs of a split, beside copying the source image.

    Args:
        model: to score.
        split: with the pairs.
        positions: of the pairs among the split's.
        protocol: that says how masks are drawn and values become grey levels.
    """

    has_masks = has_poses = True

    def __init__(
        self,
        model: PoseTransfer,
        split: Split,
        positions: Sequence[int],
        *,
        protocol: Protocol,
    ):
        self.image_names = (COPY, "coarse", "refined")[: 1 + model.stage]
        self.size = split.image_size
        self._model = model
        self._split = split
        self._pairs = split.pairs[np.asarray(positions, np.int64)]
        self._positions = np.asarray(positions, np.int64)
        self._source = PairSource(split)
        self._protocol = protocol

    def __len__(self) -> int:
        """Returns how many pairs there are."""
        return len(self._positions)

    def rows(self) -> list[dict[str, str]]:
        """Returns the names of source and target of each pair."""
        names = self._split.names
        return [{"from": names[a], "to": names[b]} for a, b in self._pairs.tolist()]

    def batch(self, start: int, end: int) -> Batch:
        """Returns the pairs at positions `start` to `end`, generated now."""
        gathered = self._source.gather(tf.constant(self._positions[start:end]))
        given = {name: value.numpy() for name, value in gathered.items()}
        source, targets = given["source"], given["target"]
        if self._protocol.truncates:
            # The released code scores what it saved: targets went through [-1, 1] too.
            source, targets = (
                ranges.to_pixels(ranges.to_signed(image), truncated=True).numpy()
                for image in (source, targets)
            )
        made = self._model(
            given["source"], given["keypoints"], truncated=self._protocol.truncates
        )
        return Batch(
            images={COPY: source, **made},
            targets=targets,
            masks=self._masks(start, end),
            poses=given["keypoints"],
        )

    def describe(self) -> dict[str, Any]:
        """Returns which model and which pairs."""
        return {
            "stage": self._model.stage,
            "step": self._model.step,
            "model": dataclasses.asdict(self._model.config.model),
            "variant": self._model.config.variant,
            "profile": self._model.config.profile,
        }

    def sheet(self, positions: list[int]) -> np.ndarray:
        """Returns a picture of pairs: source, target pose, what was made, target."""
        batches = [self.batch(position, position + 1) for position in positions]
        others = {
            name: [batch.images[name][0] for batch in batches]
            for name in self.image_names
            if name != COPY
        }
        others["target"] = [batch.targets[0] for batch in batches]
        return pictures.pose_sheet(
            [batch.images[COPY][0] for batch in batches],
            [batch.poses[0] for batch in batches if batch.poses is not None],
            others,
        )

    def _masks(self, start: int, end: int) -> np.ndarray:
        column = 0 if self._protocol.mask_of == "source" else 1
        draw = self._protocol.draw_mask
        return np.stack(
            [
                draw(self._split.keypoints[image], size=self.size)
                for image in self._pairs[start:end, column]
            ]
        )
