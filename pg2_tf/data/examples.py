"""A few images, poses and targets: to calibrate, compare and time models on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pg2_tf.data.dataset import read_split
from pg2_tf.data.pairs import draw_pairs
from pg2_tf.data.pipeline import PairSource
from preprocessing.images import heatmaps
from preprocessing.images import image_files as images
from preprocessing.sources import synthetic


class Examples(NamedTuple):
    """Pairs of images of one person.

    Attributes:
        on: Description of the examples.
        images: Source images, uint8 [N, H, W, 3].
        poses: Target poses, float32 [N, 18, 3]: x, y in pixels, confidence.
        targets: The persons in these poses, uint8 [N, H, W, 3].
        masks: Pose masks, uint8 [N, H, W] of 0 and 1.
    """

    on: str
    images: np.ndarray
    poses: np.ndarray
    targets: np.ndarray
    masks: np.ndarray


def of_data(
    data_dir: str | Path,
    split: str,
    *,
    image_size: tuple[int, int],
    count: int,
    seed: int = 0,
) -> Examples:
    """Draws pairs of a data set; see `data.pairs.draw_pairs`.

    Raises:
        InputError: No such data set or split, or one of another image size.
    """
    stored = read_split(data_dir, split, image_size=image_size)
    positions = draw_pairs(stored, count, seed=seed)
    # These few are decoded, not every image of the split.
    source = PairSource(stored, decoded_limit=0)
    pairs = source.gather(tf.constant(positions, tf.int64))
    return Examples(
        f"{len(positions)} {split} pairs of {data_dir}",
        pairs["source"].numpy(),
        pairs["keypoints"].numpy(),
        pairs["target"].numpy(),
        pairs["mask"].numpy()[..., 0],
    )


def of_drawn_people(
    image_size: tuple[int, int], *, count: int, seed: int = 0
) -> Examples:
    """Draws people, each in two poses; see `preprocessing.synthetic.scenes`."""
    samples = list(
        synthetic.samples(
            identities=count,
            images_per_identity=2,
            size=image_size,
            seed=seed,
            same_background=True,
        )
    )
    pictures = np.stack([images.decode(s.read(), name=s.name) for s in samples])
    poses = np.stack([np.asarray(s.pose, np.float32) for s in samples[1::2]])
    return Examples(
        f"{count} drawn people",
        pictures[::2],
        poses,
        pictures[1::2],
        np.stack([heatmaps.draw_mask(pose, size=image_size) for pose in poses]),
    )
