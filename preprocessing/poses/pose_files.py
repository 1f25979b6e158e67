"""Finds the poses in an image in files of poses, whatever form they came in."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from preprocessing.poses.detections import Detection
from preprocessing.poses.formats import table
from preprocessing.poses.formats.collection import Collection, Entry
from preprocessing.poses.formats.scales import SCALES
from preprocessing.poses.formats.table import AUTO, FORMATS, PoseOptions
from preprocessing.system.content import shown
from preprocessing.system.errors import InputError

__all__ = ["FORMATS", "SCALES", "PoseOptions", "Poses", "default_key", "read_one"]

_RECOGNISED = PoseOptions()


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

    A name is looked up whole (`anna/01.jpg`) and then by its last part (`01.jpg`). A
    name without a folder is also found in one, where only one folder has it.
    In a folder OpenPose's files are told by their names and only read when asked for,
    other JSON and CSVs by their content; what is none of the formats, or not the one
    forced, is passed over, and so are the released code's poses of mirrored images.

    Args:
        paths: files of poses, and folders of them; a folder is searched with all
            folders in it.
        key: turns a name into what it is looked up by.
        options: what is said of the files rather than recognised.

    Raises:
        InputError: a path is missing, malformed or of no known format; none holds a
            pose; two hold the poses of one image, or one those of two images that the
            key does not tell apart; or a numbered image has no name.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        key: Callable[[str], str] = default_key,
        options: PoseOptions = _RECOGNISED,
    ):
        self._key = key
        self._entries: dict[str, Entry] = {}
        self._nested: dict[str, set[str]] = defaultdict(set)
        self._answered: dict[str, str] = {}
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
                "AlphaPose or MMPose, and all_peaks_dic_*.p"
            )
            raise InputError("; ".join([nothing, *self.describe()]))

    def find(self, name: str) -> Detection | None:
        """Returns what was found in an image, or None where nothing names it.

        Raises:
            InputError: the file is malformed, or one pose could be of two images.
        """
        key = self._key(name)
        last = PurePosixPath(name).name
        if key not in self._entries and last != name:
            key = self._key(last)
            first = self._answered.setdefault(key, name)
            if key in self._entries and first != name:
                raise InputError(
                    f"{self._entries[key].path}: the pose of {last} could be of "
                    f"{first} or of {name}; name images with their folder"
                )
        elif key not in self._entries and key in self._nested:
            nested = sorted(self._nested[key])
            if len(nested) > 1:
                one, other = (self._entries[place].path for place in nested[:2])
                raise InputError(f"{one}: a pose of {name}; another is in {other}")
            key = nested[0]
        entry = self._entries.get(key)
        if entry and entry.found is None:
            entry = entry._replace(found=self._collection.read_waiting(entry.path))
            self._entries[key] = entry
        return entry.found if entry else None

    def describe(self) -> list[str]:
        """Returns lines on what was read so far; see `Collection.describe`."""
        return self._collection.describe()

    def _enter(self, entry: Entry) -> None:
        key = self._key(entry.name)
        self._nested[self._key(PurePosixPath(entry.name).name)].add(key)
        first = self._entries.setdefault(key, entry)
        if (first.path, first.name) != (entry.path, entry.name):
            raise InputError(
                f"{entry.path}: a second pose of {shown(entry.name)}; the first, of "
                f"{shown(first.name)}, is in {first.path}"
            )
