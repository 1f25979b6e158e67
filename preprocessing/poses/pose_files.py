"""Reads pose files of any format, and finds the poses of an image."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from preprocessing.poses.detections import Detection
from preprocessing.poses.formats import annotation_csv, openpose, table
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.poses.formats.table import (
    AUTO,
    CSV,
    FORMATS,
    JSON_FORMATS,
    PEAKS,
    SCALES,
    PoseOptions,
)
from preprocessing.system.errors import InputError
from preprocessing.system.files import UnknownFormatError, shown

__all__ = ["FORMATS", "SCALES", "PoseOptions", "Poses", "default_key", "read_one"]
_RECOGNISED = PoseOptions()
_SHOWN = 3


class Entry(NamedTuple):
    """The poses in one image.

    Attributes:
        name: Name of the image.
        path: Path of the file with the poses.
        found: People found; None if the file is read later.
        is_named: False if the name is that of the file, and its suffix made up.
    """

    name: str
    path: Path
    found: Detection | None
    is_named: bool = True


class Collection:
    """Pose files, with a count of the poses read.

    Args:
        options: Format, order and scale, if they are not to be recognised.
    """

    def __init__(self, options: PoseOptions):
        self._options = options
        # Each file, and its path below the folder that was given.
        self._files: list[tuple[Path, Path]] = []
        self._contents: dict[Path, table.Contents] = {}
        self._passed_over: list[Path] = []

    def add(self, path: Path) -> None:
        """Adds a file, or all pose files in a folder and its subfolders.

        Raises:
            InputError: There is no such path, a file is malformed, or the path is that
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
            InputError: A numbered image has no name, or several.
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
        """Reads the file of an entry whose `found` is None.

        Raises:
            InputError: It is malformed, or names other images than the one that it is
                named after.
        """
        contents = self._read(path)
        if list(contents.images) != [None]:
            raise InputError(f"{path}: named as of one image, but {contents.kind}")
        return contents.images[None]

    def describe(self) -> list[str]:
        """Returns a line for each format, order and scale that was read.

        Further lines count skipped JSON files and files not yet read.
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
    """True if the name of a file is that of an OpenPose file of one image."""
    return format in (AUTO, "openpose") and path.name.endswith(openpose.SUFFIX)


def _is_candidate(path: Path, format: str) -> bool:
    """True if a file may have the format; JSON files are checked when they are read.

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


def default_key(name: str) -> str:
    """Returns a name without its suffix, for lookup."""
    path = PurePosixPath(name)
    return str(path.parent / path.stem)


def read_one(path: str | Path, options: PoseOptions = _RECOGNISED) -> Detection:
    """Reads a file that holds the poses in one image, in any format.

    Raises:
        InputError: See `formats.table.read`; or the file is not of exactly one image.
    """
    images = table.read(Path(path), options).images
    if len(images) != 1:
        raise InputError(f"{path}: poses of {len(images):,} images; one is needed")
    return next(iter(images.values()))


class Poses:
    """Poses by image name, from files in any of the formats of `formats.table`.

    Names are compared in one Unicode normal form, with `/` between folders, and without
    their suffix. If no pose has the whole name (`anna/01.jpg`), one with its last parts
    (`01.jpg`) is taken, or one with further folders before it (`photos/anna/01.jpg`).

    In a folder OpenPose's files are told by their names and only read when asked for,
    other JSON and CSVs by their content; what is none of the formats, or not the one
    forced, is skipped, and so are the released code's poses of mirrored images.

    Args:
        paths: Files of poses, and folders of them; a folder is searched with all
            folders in it.
        key: Function from a name to the text that names are compared by.
        options: Format, order and scale, if they are not to be recognised.
        images: Names of all images. Images whose names differ in their suffix alone
            then get a pose only if its file names it with the suffix.

    Raises:
        InputError: A path is missing, malformed or of no known format; no file holds a
            pose; two hold the poses of one image; or a numbered image has no name.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        key: Callable[[str], str] = default_key,
        options: PoseOptions = _RECOGNISED,
        images: Iterable[str] = (),
    ):
        self._key = key
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        # The keys of entries by the key of their names' last part.
        self._nested: dict[str, set[str]] = defaultdict(set)
        # The suffixes of images by their key, and images that could not be told apart.
        self._suffixes: dict[str, set[str]] = defaultdict(set)
        self._ambiguous: list[str] = []
        self._answered: dict[tuple[Path, str], str] = {}
        for name in images:
            self._suffixes[self._lookup(name)].add(_suffix(name))
        self._collection = Collection(options)
        for path in map(Path, paths):
            self._collection.add(path)
        for entry in self._collection.entries():
            self._enter(entry)
        if not self._entries:
            forced = "" if options.format == AUTO else f" in format {options.format}"
            nothing = (
                f"{', '.join(map(str, paths))}: no poses found{forced}; allowed are "
                "annotation CSVs, JSON of OpenPose (<image>_keypoints.json), COCO, "
                "AlphaPose, MediaPipe or MMPose, and all_peaks_dic_*.p"
            )
            raise InputError("; ".join([nothing, *self.describe()]))

    def find(self, name: str) -> Detection | None:
        """Returns the people found in an image, or None if no pose has its name.

        Raises:
            InputError: The file is malformed, or one pose could be of two images.
        """
        entry = self._choose(name, self._candidates(name))
        if entry is None:
            return None
        first = self._answered.setdefault((entry.path, entry.name), name)
        if first != name:
            raise InputError(
                f"{entry.path}: the pose of {entry.name} could be of {first} or of "
                f"{name}; name images with their folder and suffix"
            )
        if entry.found is None:
            return self._collection.read_waiting(entry.path)
        return entry.found

    def describe(self) -> list[str]:
        """Returns lines about the files read so far; see `Collection.describe`."""
        lines = self._collection.describe()
        if self._ambiguous:
            names = ", ".join(self._ambiguous[:_SHOWN])
            lines.append(
                f"{len(self._ambiguous):,} images left without a pose: their names "
                f"differ only in the suffix, and the pose's has none (e.g. {names})"
            )
        return lines

    def _lookup(self, name: str) -> str:
        return self._key(normal_form(name))

    def _enter(self, entry: Entry) -> None:
        key = self._lookup(entry.name)
        self._nested[self._lookup(_last_part(entry.name))].add(key)
        for first in self._entries[key]:
            if (first.path, first.name) == (entry.path, entry.name):
                return
            both_named = first.is_named and entry.is_named
            if not both_named or _suffix(first.name) == _suffix(entry.name):
                raise InputError(
                    f"{entry.path}: a second pose of {shown(entry.name)}; the first, "
                    f"of {shown(first.name)}, is in {first.path}"
                )
        self._entries[key].append(entry)

    def _candidates(self, name: str) -> list[Entry]:
        """Returns the poses whose names differ from an image's by the suffix alone."""
        key, last = self._lookup(name), self._lookup(_last_part(name))
        if key in self._entries:
            return self._entries[key]
        near = self._nested.get(last, set())
        if shorter := [k for k in near if k == last or key.endswith(f"/{k}")]:
            return self._entries[max(shorter, key=len)]
        longer = sorted(k for k in near if key == last or k.endswith(f"/{key}"))
        if len(longer) > 1:
            one, other = (self._entries[place][0].path for place in longer[:2])
            raise InputError(f"{one}: a pose of {name}; another is in {other}")
        return self._entries[longer[0]] if longer else []

    def _choose(self, name: str, candidates: list[Entry]) -> Entry | None:
        """Returns the candidate that belongs to this image alone."""
        named = {_suffix(entry.name): entry for entry in candidates if entry.is_named}
        if _suffix(name) in named:
            return named[_suffix(name)]
        others = self._suffixes.get(self._lookup(name), set()) - {_suffix(name)}
        if others and len(candidates) > len(named):
            if name not in self._ambiguous:
                self._ambiguous.append(name)
            return None
        left = [
            e for e in candidates if not e.is_named or _suffix(e.name) not in others
        ]
        if len(left) > 1:
            raise InputError(
                f"{left[0].path}: poses of {' and '.join(e.name for e in left)}; which "
                f"one is of {name}?"
            )
        return left[0] if left else None


def normal_form(name: str) -> str:
    """Returns a name in Unicode's composed form, with `/` between its folders.

    macOS stores accents apart from their letters, and tools on Windows write `\\`.
    """
    return unicodedata.normalize("NFC", name).replace("\\", "/")


def _last_part(name: str) -> str:
    return PurePosixPath(normal_form(name)).name


def _suffix(name: str) -> str:
    return PurePosixPath(normal_form(name)).suffix.lower()
