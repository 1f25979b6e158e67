"""The generators of a run folder, ready to make images."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from pg2_tf.data import ranges
from pg2_tf.model.config import RunConfig
from pg2_tf.model.networks import Networks, build_networks, generate
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.runs.checkpoint_files import step_of
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import load_weights

_BATCH = 16

Images = dict[str, np.ndarray]


class PoseTransfer:
    """Puts people into poses.

    Args:
        networks: of stage 1 or 2.
        config: what they are of.
        stage: the stage they come from.
        step: the training step they were saved at.
    """

    def __init__(self, networks: Networks, config: RunConfig, *, stage: int, step: int):
        self.networks = networks
        self.config = config
        self.stage = stage
        self.step = step
        self._draw = PoseHeatmaps(config.model.image_size)
        self._run = tf.function(self._generate, reduce_retracing=True, autograph=False)

    @classmethod
    def load(
        cls,
        run_dir: str | Path,
        *,
        stage: int | None = None,
        precision: str = "float32",
        weights: str = "auto",
    ) -> "PoseTransfer":
        """Loads the generators of a run.

        Args:
            run_dir: the run folder.
            stage: 1 or 2; default the last that was trained.
            precision: `float32` or `bfloat16`.
            weights: one of `weights.WEIGHTS`: `auto`: moving averages where the
                stage was trained with them, else the last weights; see
                `weights.load_weights`.

        Raises:
            InputError: no run folder, or no readable checkpoint of such weights in it.
        """
        folder = RunFolder(run_dir)
        config = folder.require_config()
        place = folder.stage(stage) if stage else folder.latest_stage()
        networks = build_networks(
            config.model, stage=place.number, precision=precision
        )._replace(discriminator=None)
        path = load_weights(networks, place, weights=weights)
        return cls(networks, config, stage=place.number, step=step_of(path))

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return self.config.model.image_size

    @property
    def describe(self) -> str:
        """What this is, one line."""
        return f"run folder, stage {self.stage}, step {self.step:,}"

    def __call__(
        self, images: np.ndarray, poses: np.ndarray, *, truncated: bool = False
    ) -> Images:
        """Generates images.

        Args:
            images: of the persons, uint8 [B, H, W, 3] of `image_size`; any number from
                1 on, for they are taken a few at a time.
            poses: to put them in, float32 [B, 18, 3]: x, y in pixels, confidence.
            truncated: see `ranges.to_pixels`.

        Returns:
            `coarse`, and with stage 2 `refined`, uint8 [B, H, W, 3].
        """
        some = partial(self._run_some, truncated=truncated)
        return in_parts(some, images, poses, image_size=self.image_size)

    def _run_some(
        self, images: np.ndarray, poses: np.ndarray, *, truncated: bool
    ) -> Images:
        made = self._run(tf.constant(images), tf.constant(poses), truncated=truncated)
        return {name: image.numpy() for name, image in made.items()}

    def _generate(
        self, images: tf.Tensor, poses: tf.Tensor, *, truncated: bool
    ) -> dict[str, tf.Tensor]:
        source, heatmaps = ranges.to_signed(images), self._draw(poses)
        made = generate(self.networks, source, heatmaps, keypoints=poses)
        made.pop("difference", None)
        return {
            name: ranges.to_pixels(image, truncated=truncated)
            for name, image in made.items()
        }


def in_parts(
    generate_some: Callable[[np.ndarray, np.ndarray], Images],
    images: np.ndarray,
    poses: np.ndarray,
    *,
    image_size: tuple[int, int],
    size: int = _BATCH,
) -> Images:
    """Generates images a few at a time.

    Args:
        generate_some: makes images, by name, of at most `size` images and poses.
        images: uint8 [B, H, W, 3], B at least 1.
        poses: [B, 18, 3].
        image_size: height and width that the images must have.
        size: of a part.

    Returns:
        What `generate_some` gives, joined.

    Raises:
        ValueError: images or poses of other shapes.
    """
    if images.shape[1:] != (*image_size, 3) or not len(images):
        raise ValueError(f"images {images.shape}, needed [B, {image_size}, 3]")
    if poses.shape != (len(images), 18, 3):
        raise ValueError(f"poses {poses.shape}, needed [{len(images)}, 18, 3]")
    poses = poses.astype(np.float32)
    parts = [
        generate_some(images[start : start + size], poses[start : start + size])
        for start in range(0, len(images), size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
