"""The generators of a run folder, ready to generate images."""

from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from pg2_tf.data import ranges
from pg2_tf.inference.inputs import Images, generate_in_batches
from pg2_tf.model.config import RunConfig
from pg2_tf.model.networks import Networks, build_networks, generate
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.runs.checkpoint_files import step_of
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import load_weights


class PoseTransfer:
    """Puts people into poses with trained generators.

    Args:
        networks: `generator1`, and for stage 2 `generator2`.
        config: the run's configuration.
        stage: 1 or 2, the training stage of the networks.
        step: the training step of the networks.
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
            weights: one of `weights_flag.WEIGHTS`. `auto`: the moving averages if
                the stage was trained with them, otherwise the last weights.

        Raises:
            InputError: not a run folder, or no readable checkpoint with such weights.
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
        """A description of the model in one line."""
        return f"run folder, stage {self.stage}, step {self.step:,}"

    def __call__(
        self, images: np.ndarray, poses: np.ndarray, *, truncated: bool = False
    ) -> Images:
        """Generates images.

        Args:
            images: source images, uint8 [B, H, W, 3] of `image_size`, B at least 1.
            poses: target poses, float32 [B, 18, 3]: x, y in pixels, confidence.
            truncated: whether grey levels are truncated instead of rounded; see
                `ranges.to_pixels`.

        Returns:
            `coarse`, and with stage 2 `refined`, uint8 [B, H, W, 3].

        Raises:
            ValueError: images or poses of another type, shape or range.
        """
        generate_some = partial(self._generate_arrays, truncated=truncated)
        return generate_in_batches(
            generate_some, images, poses, image_size=self.image_size
        )

    def _generate_arrays(
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
