"""The images that a model generates for pairs of a data set."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pg2_tf.data import pipeline, ranges
from pg2_tf.data.dataset import Split, read_split
from pg2_tf.data.pipeline import PairSource
from pg2_tf.evaluation.measures import Batch
from pg2_tf.evaluation.protocols import Protocol
from pg2_tf.inference.loading import Model
from pg2_tf.inference.pose_transfer import PoseTransfer
from preprocessing.images import drawing as pictures
from preprocessing.system import files
from preprocessing.system.errors import InputError

# The baseline that every model must beat: the source image itself.
COPY = "source"
_AT_ONCE = 64


def all_images(
    data_dir: str | Path, split: str, *, size: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Yields all images of a split, uint8 [B, H, W, 3] each, with progress."""
    encoded = read_split(data_dir, split, image_size=size).images.value()
    starts = range(0, len(encoded), _AT_ONCE)
    for start in tqdm(starts, desc="reference images", unit=" batches"):
        yield pipeline.decode(encoded[start : start + _AT_ONCE], size).numpy()


class ModelImages:
    """A model's images for pairs of a split, and the source image as a baseline.

    Args:
        model: Model to score.
        split: Data split with the pairs.
        positions: Positions of the scored pairs among the split's pairs.
        protocol: Defines how masks are drawn and values become grey levels.
        checksum: Checksum of the model, see `model_checksum`.

    Raises:
        InputError: The protocol truncates values, and the model is an export, which
            returns rounded ones.
    """

    has_masks = has_poses = True

    def __init__(
        self,
        model: Model,
        split: Split,
        positions: Sequence[int],
        *,
        protocol: Protocol,
        checksum: str,
    ):
        if protocol.truncates and not isinstance(model, PoseTransfer):
            raise InputError(
                "--protocol: this protocol truncates values, an exported model rounds "
                "them; evaluate the run folder"
            )
        self.image_names = (COPY, "coarse", "refined")[: 1 + model.stage]
        self.size = split.image_size
        self._model = model
        self._split = split
        self._pairs = split.pairs[np.asarray(positions, np.int64)]
        self._positions = np.asarray(positions, np.int64)
        self._source = PairSource(split)
        self._protocol = protocol
        self._checksum = checksum

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self._positions)

    def rows(self) -> list[dict[str, str]]:
        """Returns the names of source and target of each pair."""
        names = self._split.names
        return [{"from": names[a], "to": names[b]} for a, b in self._pairs.tolist()]

    def batch(self, start: int, end: int) -> Batch:
        """Generates the pairs at positions `start` to `end`."""
        gathered = self._source.gather(tf.constant(self._positions[start:end]))
        given = {name: value.numpy() for name, value in gathered.items()}
        source, targets = given["source"], given["target"]
        if self._protocol.truncates:
            # The released code scores saved files: its targets passed [-1, 1] as well.
            source, targets = (
                ranges.to_pixels(ranges.to_signed(image), truncated=True).numpy()
                for image in (source, targets)
            )
        made = self._generate(given["source"], given["keypoints"])
        return Batch(
            images={COPY: source, **made},
            targets=targets,
            masks=self._masks(start, end),
            poses=given["keypoints"],
        )

    def describe(self) -> dict[str, Any]:
        """Returns the model, and checksums of its weights and of the pairs' data."""
        record: dict[str, Any] = {
            "stage": self._model.stage,
            "model_checksum": self._checksum,
            "pairs_checksum": self._data_checksum(),
        }
        if not isinstance(self._model, PoseTransfer):
            return {**record, "model": self._model.describe}
        config = self._model.config
        return {
            **record,
            "step": self._model.step,
            "model": dataclasses.asdict(config.model),
            "variant": config.variant,
            "profile": config.profile,
        }

    def sheet(self, positions: list[int]) -> np.ndarray:
        """Returns a picture of pairs: source, target pose, generated images, target."""
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

    def _generate(self, source: np.ndarray, poses: np.ndarray) -> dict[str, np.ndarray]:
        if isinstance(self._model, PoseTransfer):
            return self._model(source, poses, truncated=self._protocol.truncates)
        return self._model(source, poses)

    def _masks(self, start: int, end: int) -> np.ndarray:
        column = 0 if self._protocol.mask_of == "source" else 1
        draw = self._protocol.draw_mask
        return np.stack(
            [
                draw(self._split.keypoints[image], size=self.size)
                for image in self._pairs[start:end, column]
            ]
        )

    def _data_checksum(self) -> str:
        """Returns a checksum of names, JPEG bytes and poses of the pairs' images."""
        digest = hashlib.sha256(self._pairs.tobytes())
        images = self._split.images.numpy()
        for image in np.unique(self._pairs).tolist():
            name = self._split.names[image].encode("utf-8", "surrogateescape")
            digest.update(hashlib.sha256(name).digest())
            digest.update(hashlib.sha256(images[image]).digest())
            digest.update(self._split.keypoints[image].tobytes())
        return digest.hexdigest()


def model_checksum(model: Model, path: Path) -> str:
    """Returns a SHA-256 of a model's weights, or of the files of an export.

    Args:
        model: The loaded model.
        path: Run folder or export it was loaded from.
    """
    if path.is_file():
        return files.sha256(path)
    digest = hashlib.sha256()
    if isinstance(model, PoseTransfer):
        for network in model.networks:
            for weight in network.weights if network is not None else ():
                value = np.ascontiguousarray(weight.numpy())
                digest.update(f"{weight.path} {value.dtype} {value.shape}\n".encode())
                digest.update(value.tobytes())
        return digest.hexdigest()
    for place in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{place.relative_to(path).as_posix()}\n".encode())
        digest.update(bytes.fromhex(files.sha256(place)))
    return digest.hexdigest()
