"""Writes what is scored into folders, for other programs and for people to look at."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pg2_tf.evaluation.batches import Batch, Scored
from preprocessing.images import image_files as images
from preprocessing.poses import pose_files as poses
from preprocessing.system import files
from preprocessing.system.errors import InputError


class Folders:
    """A folder for each kind of image: those scored, `target` and `mask`.

    The image of a pair has one name in all, see `image_name`, so that `evaluate
    --generated --target --mask` scores them again.

    Args:
        scored: the images.
        place: the folder of the folders.
    """

    def __init__(self, scored: Scored, place: Path):
        self._place = place
        self._names = [image_name(row.values()) for row in scored.rows()]

    def write(self, start: int, batch: Batch) -> None:
        """Writes the images of the pairs from position `start` on.

        Raises:
            InputError: two pairs have one name.
        """
        if len(set(self._names)) < len(self._names):
            raise InputError(f"{self._place}: two pairs would get one name there")
        kinds = {**batch.images, "target": batch.targets}
        if batch.masks is not None:
            kinds["mask"] = np.repeat(255 * batch.masks[..., None], 3, axis=3)
        for kind, pictures in kinds.items():
            for name, picture in zip(self._names[start:], pictures, strict=False):
                content = images.encode_png(picture)
                files.write_bytes(self._place / kind / f"{name}.png", content)


def image_name(names: Iterable[str]) -> str:
    """Returns what the image of a pair is called, without suffix: `FROM_to_TO`.

    Args:
        names: of source and target; they stand without suffix, `/` as `__`.
    """
    return "_to_".join(poses.default_key(name).replace("/", "__") for name in names)
