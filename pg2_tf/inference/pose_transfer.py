"""Loads the generators of a run folder."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from pg2_tf.data import ranges
from pg2_tf.inference.inputs import (
    Images,
    check_images,
    check_poses,
    generate_in_batches,
)
from pg2_tf.machine.precision import AUTO, generation_precision
from pg2_tf.model.config import RunConfig
from pg2_tf.model.networks import Networks, build_networks, generate
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.runs.checkpoint_files import step_of
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import load_weights


class PoseTransfer:
    """Trained generators, which generate images of people in poses.

    Args:
        networks: `generator1`, and for stage 2 `generator2`.
        config: Configuration of the run.
        stage: Training stage of the networks, 1 or 2.
        step: Training step of the networks.
        precision: Precision of the layers, `float32` or `bfloat16`.
    """

    def __init__(
        self,
        networks: Networks,
        config: RunConfig,
        *,
        stage: int,
        step: int,
        precision: str = "float32",
    ):
        self.networks = networks
        self.config = config
        self.stage = stage
        self.step = step
        self.precision = precision
        self._draw = PoseHeatmaps(config.model.image_size)
        self._run, self._run_stage1, self._run_stage2 = (
            tf.function(function, reduce_retracing=True, autograph=False)
            for function in (self._generate, self._coarse, self._refined)
        )

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
            run_dir: Run folder.
            stage: 1 or 2. Default: the last trained stage.
            precision: `float32`, `bfloat16`, or `auto` to measure both and use the
                faster one.
            weights: One of `weights_flag.WEIGHTS`. `auto`: the moving averages if
                the stage was trained with them, otherwise the last weights.

        Raises:
            InputError: The folder is not a run folder, or has no readable checkpoint
                with these weights.
        """
        folder = RunFolder(run_dir)
        config = folder.require_config()
        place = folder.stage(stage) if stage else folder.latest_stage()
        if precision == AUTO:
            precision = generation_precision(config.model, stage=place.number)
        networks = build_networks(
            config.model, stage=place.number, precision=precision
        )._replace(discriminator=None)
        path = load_weights(networks, place, weights=weights)
        return cls(
            networks,
            config,
            stage=place.number,
            step=step_of(path),
            precision=precision,
        )

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
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
            images: Source images, uint8 [B, H, W, 3] of `image_size`, B at least 1.
            poses: Target poses, float32 [B, 18, 3]: x, y in pixels, confidence.
            truncated: Whether to truncate grey levels instead of rounding them; see
                `ranges.to_pixels`.

        Returns:
            `coarse`, and with stage 2 `refined`, uint8 [B, H, W, 3].

        Raises:
            ValueError: Images or poses have another type, shape or range.
        """
        generate_some = partial(self._generate_arrays, truncated=truncated)
        return generate_in_batches(
            generate_some, images, poses, image_size=self.image_size
        )

    def generate_by_stage(
        self, images: np.ndarray, poses: np.ndarray
    ) -> Iterator[Images]:
        """Generates a batch of images, and yields the images of stage I first.

        Args:
            images: Source images, uint8 [B, H, W, 3] of `image_size`.
            poses: Target poses, float32 [B, 18, 3]: x, y in pixels, confidence.

        Yields:
            `coarse`; for stage 2 then `coarse` and `refined`, uint8 [B, H, W, 3].

        Raises:
            ValueError: Images or poses have another type, shape or range.
        """
        images = check_images(images, self.image_size)
        poses = check_poses(poses, (len(images), 18, 3), image_size=self.image_size)
        if self.stage == 1:
            yield self._generate_arrays(images, poses, truncated=False)
            return
        source, coarse = self._run_stage1(tf.constant(images), tf.constant(poses))
        made = {"coarse": ranges.to_pixels(coarse).numpy()}
        yield made
        refined = self._run_stage2(source, coarse)
        yield {**made, "refined": ranges.to_pixels(refined).numpy()}

    def _coarse(
        self, images: tf.Tensor, poses: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        source, heatmaps = ranges.to_signed(images), self._draw(poses)
        first = self.networks._replace(generator2=None)
        return source, generate(first, source, heatmaps, keypoints=poses)["coarse"]

    def _refined(self, source: tf.Tensor, coarse: tf.Tensor) -> tf.Tensor:
        assert self.networks.generator2 is not None
        inputs = {"coarse": coarse, "source": source}
        return coarse + self.networks.generator2(inputs)

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
