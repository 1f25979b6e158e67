"""The data sets that `preprocessing.build` can read from files."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from preprocessing import poses
from preprocessing.samples import Notes, Sample
from preprocessing.sources import deepfashion, folder, market1501


class Source(NamedTuple):
    """How a data set is read.

    Attributes:
        samples: yields its images.
        size: height and width of its images as the paper uses them, in pixels.
        key: what the name of an image is looked up by in annotations and pairs.
    """

    samples: Callable[[Path, Notes], Iterator[Sample]]
    size: tuple[int, int]
    key: Callable[[str], str] = poses.default_key


SOURCES = {
    "market1501": Source(market1501.samples, (128, 64)),
    "deepfashion": Source(deepfashion.samples, (256, 256), deepfashion.key),
    "folder": Source(folder.samples, (256, 256)),
}
SYNTHETIC = "synthetic"
