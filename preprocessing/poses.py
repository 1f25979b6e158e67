"""Finds the pose of an image in annotation files, whatever form they came in."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from preprocessing import annotation_csv, openpose
from preprocessing.errors import InputError
from preprocessing.openpose import Detection


def default_key(name: str) -> str:
    """Returns how a name is looked up: without its suffix."""
    path = PurePosixPath(name)
    return str(path.parent / path.stem)


class Poses:
    """Poses by image name, from annotation CSVs and OpenPose JSON files.

    A name is looked up whole (`anna/01.jpg`) and then by its last part (`01.jpg`).
    JSON files are only read when asked for.

    Args:
        paths: annotation CSVs, OpenPose JSON files, and folders of either; a folder
            is searched with all folders in it.
        key: turns a name into what it is looked up by.

    Raises:
        InputError: a path is missing or malformed, none holds a pose, or two files
            hold the pose of one image.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        key: Callable[[str], str] = default_key,
    ):
        self._key = key
        self._table: dict[str, Callable[[], Detection]] = {}
        self._origin: dict[str, Path] = {}
        self._answered: dict[str, str] = {}
        self.files: list[Path] = []
        for path in map(Path, paths):
            if not path.exists():
                raise InputError(f"{path}: no such file or folder of poses")
            self._add(path)
        if not self._table:
            raise InputError(
                f"{', '.join(map(str, paths))}: no poses found; allowed are "
                f"annotation CSVs and files named <image>{openpose.SUFFIX}"
            )

    def find(self, name: str) -> Detection | None:
        """Returns what is known of an image, or None where nothing names it.

        Raises:
            InputError: the file is malformed, or one pose could be of two images.
        """
        entry = self._table.get(self._key(name))
        if entry is None:
            last = self._key(PurePosixPath(name).name)
            entry = self._table.get(last)
            first = self._answered.setdefault(last, name)
            if entry and first != name:
                raise InputError(
                    f"{self._origin[last]}: the pose of {PurePosixPath(name).name} "
                    f"could be of {first} or of {name}; name images with their folder"
                )
        return entry() if entry else None

    def _add(self, path: Path) -> None:
        if path.is_dir():
            for csv in sorted(path.rglob("*.csv")):
                if _is_annotation(csv):
                    self._add_csv(csv)
            for json in sorted(path.rglob("*" + openpose.SUFFIX)):
                self._add_json(json, json.relative_to(path))
            return
        if path.suffix.lower() == ".json":
            self._add_json(path, Path(path.name))
        else:
            self._add_csv(path)

    def _add_csv(self, path: Path) -> None:
        self.files.append(path)
        for name, pose in annotation_csv.read_csv(path).items():
            people = int(bool(pose[:, 2].any()))
            detection = Detection(pose if people else None, people)
            self._enter(name, path, partial(_same, detection))

    def _add_json(self, path: Path, name: Path) -> None:
        self.files.append(path)
        stem = name.as_posix().removesuffix(openpose.SUFFIX)
        # A suffix keeps the key function from cutting a dot out of the name.
        self._enter(stem + ".jpg", path, partial(openpose.read_json, path))

    def _enter(self, name: str, path: Path, entry: Callable[[], Detection]) -> None:
        key = self._key(name)
        first = self._origin.setdefault(key, path)
        if first != path:
            raise InputError(
                f"{path}: a second pose of {name}; the first is in {first}"
            )
        self._table[key] = entry


def _same(detection: Detection) -> Detection:
    return detection


def _is_annotation(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().replace(" ", "").strip() == annotation_csv.HEADING
