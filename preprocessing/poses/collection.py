"""Gathers the given files of poses, and the poses in them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from preprocessing.poses.detections import Detection
from preprocessing.poses.formats import annotation_csv, openpose, table
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.poses.formats.table import (
    AUTO,
    CSV,
    JSON_FORMATS,
    PEAKS,
    PoseOptions,
)
from preprocessing.system.errors import InputError
from preprocessing.system.files import UnknownFormatError, shown


class Entry(NamedTuple):
    """The poses in one image.

    Attributes:
        name: Name of the image.
        path: Path of the file with the poses.
        found: what was found; None where the file is only read when asked for.
        is_named: False if the name is that of the file, and its suffix made up.
    """

    name: str
    path: Path
    found: Detection | None
    is_named: bool = True


class Collection:
    """Files of poses, and a count of what was read.

    Args:
        options: what is said of the files rather than recognised.
    """

    def __init__(self, options: PoseOptions):
        self._options = options
        # Each file, and its path below the folder that was given.
        self._files: list[tuple[Path, Path]] = []
        self._contents: dict[Path, table.Contents] = {}
        self._passed_over: list[Path] = []

    def add(self, path: Path) -> None:
        """Takes a file, or all files of poses in a folder and the folders in it.

        Raises:
            InputError: there is no such path, a file is malformed, or the path is that
                of a file of no known format.
        """
        if not path.exists():
            raise InputError(f"{path}: no such file or folder of poses")
        if not path.is_dir():
            self._read(path)
            self._files.append((path, Path(path.name)))
            return
        for file in sorted(path.rglob("*")):
            named = _is_named(file, self._options.format)
            if not named and not _is_candidate(file, self._options.format):
                continue
            try:
                if not named:
                    self._read(file)
                self._files.append((file, file.relative_to(path)))
            except UnknownFormatError:
                self._passed_over.append(file)

    def entries(self) -> Iterator[Entry]:
        """Yields the poses in each image, with numbered images named.

        Raises:
            InputError: a numbered image has no name, or several.
        """
        names, sizes = self._names()
        for path, below in self._files:
            own = _own_name(below)
            if path not in self._contents:
                yield Entry(own, path, None, is_named=False)
                continue
            for image, found in self._contents[path].images.items():
                if isinstance(image, int):
                    found = replace(found, size=found.size or sizes.get(image))
                    yield Entry(_name(path, image, names[image]), path, found)
                elif image is None:
                    yield Entry(own, path, found, is_named=False)
                else:
                    yield Entry(image, path, found)

    def read_waiting(self, path: Path) -> Detection:
        """Reads the file of an entry that had not been read.

        Raises:
            InputError: it is malformed, or names other images than the one that it is
                named after.
        """
        contents = self._read(path)
        if list(contents.images) != [None]:
            raise InputError(f"{path}: named as of one image, but {contents.kind}")
        return contents.images[None]

    def describe(self) -> list[str]:
        """Returns what was read so far: a line for each format, order and scale.

        Then come JSON files that were skipped, and those waiting to be read.
        """
        files: Counter[str] = Counter()
        images: Counter[str] = Counter()
        for contents in self._contents.values():
            files[contents.kind] += bool(contents.images)
            images[contents.kind] += len(contents.images)
        lines = [
            f"poses of {_count(number, 'image')} from {_count(files[kind], 'file')}: "
            f"{kind}"
            for kind, number in images.most_common()
            if number
        ]
        wanted = self._options.format
        other = "no poses" if wanted == AUTO else f"not in format {wanted}"
        waiting = [path for path, _ in self._files if path not in self._contents]
        for paths, why in (self._passed_over, other), (waiting, "for other images"):
            if paths:
                count = _count(len(paths), "JSON file")
                lines.append(f"{count} skipped: {why} (e.g. {paths[0].name})")
        return lines

    def _read(self, path: Path) -> table.Contents:
        if path not in self._contents:
            self._contents[path] = table.read(path, self._options)
        return self._contents[path]

    def _names(self) -> tuple[dict[int, set[str]], dict[int, tuple[int, int]]]:
        """Returns the names and the declared sizes of numbered images."""
        names: dict[int, set[str]] = defaultdict(set)
        sizes: dict[int, tuple[int, int]] = {}
        for contents in self._contents.values():
            for number, name in contents.names.items():
                names[number].add(name)
                if number in contents.sizes:
                    sizes[number] = contents.sizes[number]
        return names, sizes


def _name(path: Path, number: int, names: set[str]) -> str:
    if len(names) != 1:
        raise InputError(
            f"{path}: image_id {shown(number)} has {len(names) or 'no'} names in the "
            "files given; give one COCO file whose `images` are those of the results"
        )
    return next(iter(names))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _is_named(path: Path, format: str) -> bool:
    """True for a file that is told by its name to be OpenPose's of one image."""
    return format in (AUTO, "openpose") and path.name.endswith(openpose.SUFFIX)


def _is_candidate(path: Path, format: str) -> bool:
    """True for a file that may be of the format; of JSON only reading it will tell.

    The released code's poses of mirrored images are skipped: those images have
    the names of the others.
    """
    name = path.name
    if name.lower().endswith(".json"):
        return format in (AUTO, *JSON_FORMATS) and path.is_file()
    if name.lower().endswith(".csv"):
        return format in (AUTO, CSV) and annotation_csv.matches(path)
    return format in (AUTO, PEAKS) and pickles.is_peaks_file(path)


def _own_name(path: Path) -> str:
    """Returns the name of the image that a JSON file is named after."""
    name = path.as_posix()
    suffix = openpose.SUFFIX if name.endswith(openpose.SUFFIX) else path.suffix
    # A suffix keeps a key function from cutting a dot out of the name.
    return name.removesuffix(suffix) + ".jpg"
