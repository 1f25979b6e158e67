"""The data sets that `preprocessing.build` can read, and those it draws."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from preprocessing.poses import pose_files as poses
from preprocessing.sources import (
    deepfashion,
    folder,
    market1501,
    synthetic,
    video,
)
from preprocessing.sources import (
    original as authors,
)
from preprocessing.sources.samples import Sample


class Source(NamedTuple):
    """How a data set is read.

    Attributes:
        samples: Yields its images; called with the folder and the notes (drawn ones
            with `size` and `seed`), and with those of `options` that were given.
        size: Height and width of its images as the paper uses them, in pixels, or a
            function that finds them from the folder.
        options: Names of further keyword arguments of `samples`.
        drawn: Whether there is no folder, because the images are drawn.
        filmed: Whether the images are crops of frames; `samples` takes their `size`
            and an `estimator` of poses.
        own_poses: Whether the source itself knows the poses.
        listed_pairs: Returns the pairs that lie with the images, from the folder.
        key: Function from an image name to its key in annotations and pair lists.
        expected: Counts of the whole data set by split, one line each for the report.
        pose_size: Says from all poses, float32 [P, 18, 3] of each image, which height
            and width the images had that they were found in; None: those at hand.
    """

    samples: Callable[..., Iterator[Sample]]
    size: tuple[int, int] | Callable[[Path], tuple[int, int]]
    options: tuple[str, ...] = ()
    drawn: bool = False
    filmed: bool = False
    own_poses: bool = False
    listed_pairs: Callable[[Path], list[tuple[str, str]]] | None = None
    key: Callable[[str], str] = poses.default_key
    expected: Mapping[str, str] = {}
    pose_size: Callable[[Sequence[np.ndarray]], tuple[int, int] | None] | None = None

    def default_size(self, root: Path | None) -> tuple[int, int]:
        """Returns height and width of its images; `root` is None for drawn ones."""
        if isinstance(self.size, tuple):
            return self.size
        if root is None:
            raise ValueError("the size of the images depends on a folder")
        return self.size(root)


SOURCES = {
    "market1501": Source(
        market1501.samples,
        (128, 64),
        options=("folders",),
        expected=market1501.EXPECTED,
    ),
    "deepfashion": Source(
        deepfashion.samples,
        (256, 256),
        options=("identity", "split", "lists"),
        key=deepfashion.key,
        expected=deepfashion.EXPECTED,
        pose_size=deepfashion.pose_size,
    ),
    "folder": Source(folder.samples, (256, 256)),
    "video": Source(
        video.samples,
        (128, 64),
        options=("frames_per_video",),
        filmed=True,
        own_poses=True,
    ),
    "authors": Source(
        authors.samples,
        authors.image_size,
        own_poses=True,
        listed_pairs=authors.listed_pairs,
    ),
    "synthetic": Source(
        synthetic.samples,
        (128, 64),
        options=(
            "identities",
            "images_per_identity",
            "missing",
            "occlusion",
            "same_background",
        ),
        drawn=True,
        own_poses=True,
    ),
}
