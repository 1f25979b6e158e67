"""Finds the poses in an image in files of poses, whatever form they came in."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from preprocessing.poses.collection import Collection, Entry
from preprocessing.poses.detections import Detection
from preprocessing.poses.formats import table
from preprocessing.poses.formats.table import AUTO, FORMATS, SCALES, PoseOptions
from preprocessing.system.errors import InputError
from preprocessing.system.files import shown

__all__ = ["FORMATS", "SCALES", "PoseOptions", "Poses", "default_key", "read_one"]

_RECOGNISED = PoseOptions()
_SHOWN = 3


def default_key(name: str) -> str:
    """Returns how a name is looked up: without its suffix."""
    path = PurePosixPath(name)
    return str(path.parent / path.stem)


def read_one(path: str | Path, options: PoseOptions = _RECOGNISED) -> Detection:
    """Reads a file that holds the poses in one image, in any format.

    Raises:
        InputError: as `formats.table.read`, or it is not of exactly one image.
    """
    images = table.read(Path(path), options).images
    if len(images) != 1:
        raise InputError(f"{path}: poses of {len(images):,} images, not of one")
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
        paths: files of poses, and folders of them; a folder is searched with all
            folders in it.
        key: function from a name to the text that names are compared by.
        options: format, order and scale, if they are not to be recognised.
        images: names of all images. Images whose names differ in their suffix alone
            then get a pose only if its file names it with the suffix.

    Raises:
        InputError: a path is missing, malformed or of no known format; no file holds a
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
            InputError: the file is malformed, or one pose could be of two images.
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
        """Returns lines on what was read so far; see `Collection.describe`."""
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
        """Returns the poses whose names are that of an image but for the suffix."""
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
        """Returns the candidate that is of this image and of no other."""
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
