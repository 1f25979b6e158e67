"""Checks a data set: every file, every record, every pair, every count."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from preprocessing.dataset import reading, records
from preprocessing.dataset.reading import StoredImage
from preprocessing.images import image_files as images
from preprocessing.images.heatmaps import draw_heatmaps, draw_mask
from preprocessing.poses import keypoints as kp
from preprocessing.system import files
from preprocessing.system.errors import InputError


class Seen(NamedTuple):
    """What is remembered of an image: its name, identity and number of keypoints."""

    name: str
    identity: str
    joints: int


def find_problems(data_dir: str | Path) -> list[str]:
    """Reads a whole data set and compares it with its manifest and with itself.

    Returns:
        A line for each problem, which names the file and the record; none where the
        data set is as the builder makes it.

    Raises:
        InputError: The manifest cannot be used.
    """
    manifest = records.read_manifest(data_dir)
    check = _Check(Path(data_dir), tuple(manifest["image_size"]))
    total = sum(split["images"] for split in manifest["splits"].values())
    with tqdm(total=total, desc="check", unit=" images", leave=False) as progress:
        for name, split in manifest["splits"].items():
            check.split(name, split, progress)
    return check.problems


def record_problems(stored: StoredImage) -> Iterator[str]:
    """Yields what is wrong with an image, its keypoints, heatmaps and mask."""
    place = f"{stored.place} ({stored.name})"
    try:
        size = images.decode(stored.image, name=place).shape[:2]
        if size != stored.size:
            yield f"{place}: its image is {_text(size)}, not {_text(stored.size)}"
        elif not images.is_upright_jpeg(stored.image):
            yield f"{place}: its image is no JPEG, or one to be turned by its EXIF"
    except InputError as error:
        yield str(error)
    unsound = list(_pose_problems(stored.pose))
    yield from (f"{place}: {problem}" for problem in unsound)
    if not unsound:
        yield from _drawing_problems(stored, place)


def pair_problems(pairs: np.ndarray, seen: Mapping[int, Seen]) -> Iterator[str]:
    """Yields what is wrong with the pairs of a shard.

    Args:
        pairs: int32 [P, 2], positions in the shard.
        seen: The images at these positions, as far as they can be read.
    """
    rows: dict[tuple[int, int], int] = {}
    for row, (start, end) in enumerate(pairs.tolist()):
        first = rows.setdefault((start, end), row)
        if first != row:
            yield f"row {row} is the same pair as row {first}"
        elif start in seen and end in seen:
            yield from _pair_problems(row, seen[start], seen[end])


def _text(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


def _pose_problems(pose: np.ndarray) -> Iterator[str]:
    wild = np.array([not all(map(kp.is_number, place)) for place in pose.tolist()])
    if wild.any():
        yield f"no place in any image: {_keypoint_names(wild)}"
    ghosts = ~kp.found(pose) & pose.any(axis=1)
    if ghosts.any():
        yield f"not found, and yet not zeros: {_keypoint_names(ghosts)}"


def _keypoint_names(chosen: np.ndarray) -> str:
    return ", ".join(kp.NAMES[index] for index in np.flatnonzero(chosen))


def _drawing_problems(stored: StoredImage, place: str) -> Iterator[str]:
    heatmaps = np.moveaxis(draw_heatmaps(stored.pose, size=stored.size), -1, 0)
    mask = draw_mask(stored.pose, size=stored.size)
    for what, unpack, drawn in (
        ("heatmaps are not those", stored.unpack_heatmaps, heatmaps),
        ("mask is not that", stored.unpack_mask, mask),
    ):
        try:
            if not np.array_equal(unpack(), drawn):
                yield f"{place}: its {what} of its keypoints"
        except InputError as error:
            yield str(error)


def _pair_problems(row: int, source: Seen, target: Seen) -> Iterator[str]:
    if source.name == target.name:
        yield f"row {row} pairs {source.name} with itself"
    elif source.identity != target.identity:
        yield (
            f"row {row} pairs {source.name} of {source.identity} with {target.name} "
            f"of {target.identity}"
        )
    for name in dict.fromkeys(s.name for s in (source, target) if not s.joints):
        yield f"row {row} needs {name}, which has no pose"


class _Check:
    """Goes through the splits of a data set and collects problems."""

    def __init__(self, data_dir: Path, size: tuple[int, int]):
        self.problems: list[str] = []
        self._data_dir = data_dir
        self._size = size
        self._place_of: dict[str, str] = {}
        self._shard_of: dict[str, str] = {}

    def split(self, name: str, split: dict[str, Any], progress: tqdm) -> None:
        """Checks the shards of a split, then its counts where all could be read."""
        seen: list[Seen] = []
        for shard in split["shards"]:
            in_shard = self._shard(shard, progress)
            self._pairs(shard, in_shard)
            seen += in_shard.values()
        place = f"{self._data_dir / records.MANIFEST}: {name}"
        totals = {
            what: sum(shard[what] for shard in split["shards"])
            for what in ("images", "pairs")
        }
        self._compare(place, split, totals)
        if len(seen) == totals["images"]:
            self._compare(place, split, _counts(seen))

    def _shard(self, shard: dict[str, Any], progress: tqdm) -> dict[int, Seen]:
        path = self._data_dir / shard["file"]
        seen: dict[int, Seen] = {}
        number = -1
        try:
            for number, content in enumerate(reading.read_examples(path)):
                self._record(content, path, number, seen)
                progress.update()
        except InputError as error:
            self.problems.append(str(error))
            return seen
        found = {"images": number + 1, "bytes": path.stat().st_size}
        self._compare(str(path), shard, {**found, "sha256": files.sha256(path)})
        return seen

    def _record(
        self, content: bytes, path: Path, number: int, seen: dict[int, Seen]
    ) -> None:
        place = f"{path}: record {number}"
        try:
            stored = reading.parse(content, size=self._size, place=place)
        except InputError as error:
            self.problems.append(str(error))
            return
        self.problems += record_problems(stored)
        first = self._place_of.setdefault(stored.name, place)
        if first != place:
            self.problems.append(f"{place}: named {stored.name}, as is {first}")
        home = self._shard_of.setdefault(stored.identity, path.name)
        if home != path.name:
            self.problems.append(
                f"{place} ({stored.name}): identity {stored.identity} is in {home} too"
            )
        joints = int(kp.found(stored.pose).sum())
        seen[number] = Seen(stored.name, stored.identity, joints)

    def _pairs(self, shard: dict[str, Any], seen: Mapping[int, Seen]) -> None:
        path = self._data_dir / shard["pairs_file"]
        try:
            pairs = reading.read_pairs(
                path, count=shard["pairs"], num_images=shard["images"]
            )
            self.problems += [f"{path}: {p}" for p in pair_problems(pairs, seen)]
        except InputError as error:
            self.problems.append(str(error))

    def _compare(
        self, place: str, entry: Mapping[str, Any], found: Mapping[str, Any]
    ) -> None:
        """Notes where an entry of the manifest is not what was found."""
        for name, value in found.items():
            said = entry[name]
            same = math.isclose(said, value) if name == "mean_joints" else said == value
            if not same:
                self.problems.append(
                    f"{place}: {name} is {value}, the manifest says {said}"
                )


def _counts(seen: list[Seen]) -> dict[str, Any]:
    joints = [image.joints for image in seen if image.joints]
    return {
        "identities": len({image.identity for image in seen}),
        "images_without_person": len(seen) - len(joints),
        "mean_joints": float(np.mean(joints)) if joints else 0.0,
    }
