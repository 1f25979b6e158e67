"""Folders of images: any method's images paired by name, and saved images."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pg2_tf.evaluation.measures import Batch
from pg2_tf.evaluation.protocols import Protocol
from preprocessing.images import drawing as pictures
from preprocessing.images import image_files as images
from preprocessing.poses import detections
from preprocessing.poses import pose_files as poses
from preprocessing.poses.pose_files import Poses
from preprocessing.sources.samples import Notes, image_files
from preprocessing.system import files
from preprocessing.system.errors import InputError

GENERATED = "generated"
_SHOWN = 3
_AT_ONCE = 64


class FolderImages:
    """Generated images with their targets, and with masks or poses if available.

    Files of different folders are paired by their relative path without suffix.

    Args:
        generated, target: Folders of images.
        mask: Folder of masks, grey images of 0 and 255 (or 0 and 1). None: masks are
            drawn from the poses, if given.
        pose_files: Pose files of the target images, by image name.
        protocol: Defines how masks are drawn.

    Raises:
        InputError: A folder has no images, or two with the same name apart from the
            suffix; the folders have no name in common; a pair has no mask.
    """

    image_names: tuple[str, ...] = (GENERATED,)

    def __init__(
        self,
        generated: str | Path,
        target: str | Path,
        *,
        mask: str | Path | None = None,
        pose_files: Sequence[str | Path] = (),
        protocol: Protocol,
    ):
        self._folder = Path(generated)
        self._generated, self._targets = by_name(generated), by_name(target)
        self.names = sorted(self._generated.keys() & self._targets.keys())
        if not self.names:
            raise InputError(
                f"{generated}: no image there has the name of one in {target}, such as "
                f"{next(iter(self._targets))}"
            )
        self.unpaired = {
            str(folder): sorted(mine.keys() - set(self.names))
            for folder, mine in (
                (generated, self._generated),
                (target, self._targets),
            )
        }
        self._masks = by_name(mask) if mask else None
        if self._masks is not None:
            self._require(self._masks, f"{mask}: has no mask for")
        self._pose_files = list(pose_files)
        self._poses = Poses(self._pose_files) if pose_files else None
        self._protocol = protocol
        self.has_poses = self._poses is not None
        self.has_masks = self._masks is not None or self.has_poses
        first = images.read(self._targets[self.names[0]])
        self.size = (first.shape[0], first.shape[1])

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self.names)

    def rows(self) -> list[dict[str, str]]:
        """Returns the name of each pair, without suffix."""
        return [{"name": name} for name in self.names]

    def lines(self) -> list[str]:
        """Returns a line for each folder that has images without a counterpart."""
        return [
            f"{folder}: {len(names):,} images without a counterpart, not scored: "
            f"{', '.join(names[:_SHOWN])}{', ...' * (len(names) > _SHOWN)}"
            for folder, names in self.unpaired.items()
            if names
        ]

    def batch(self, start: int, end: int) -> Batch:
        """Reads the pairs at positions `start` to `end`.

        Raises:
            InputError: A file cannot be read or has another size; a mask has more than
                two values; a pose is missing.
        """
        names = self.names[start:end]
        found = self._found(names)
        return Batch(
            images={
                GENERATED: np.stack(
                    [read_sized(self._generated[n], self.size) for n in names]
                )
            },
            targets=np.stack([read_sized(self._targets[n], self.size) for n in names]),
            masks=self._all_masks(names, found),
            poses=found,
        )

    def describe(self) -> dict[str, Any]:
        """Returns the folder, and a checksum of the files' contents and the poses."""
        digest = hashlib.sha256()
        for folder in (self._generated, self._targets, self._masks or {}):
            for name in self.names:
                if name in folder:
                    digest.update(files.sha256(folder[name]).encode())
        if self._poses is not None:
            for start in range(0, len(self), _AT_ONCE):
                found = self._found(self.names[start : start + _AT_ONCE])
                digest.update(b"" if found is None else found.tobytes())
        return {"folder": str(self._folder), "files_checksum": digest.hexdigest()}

    def sheet(self, positions: list[int]) -> np.ndarray:
        """Returns a picture of pairs: generated image and target."""
        batches = [self.batch(position, position + 1) for position in positions]
        columns = {
            GENERATED: [batch.images[GENERATED][0] for batch in batches],
            "target": [batch.targets[0] for batch in batches],
        }
        captions = [self.names[position] for position in positions]
        return pictures.sheet(columns, captions=captions)

    def _all_masks(
        self, names: list[str], found: np.ndarray | None
    ) -> np.ndarray | None:
        if self._masks is not None:
            return np.stack([self._read_mask(self._masks[name]) for name in names])
        if found is None:
            return None
        return np.stack(
            [self._protocol.draw_mask(pose, size=self.size) for pose in found]
        )

    def _read_mask(self, path: Path) -> np.ndarray:
        image = read_sized(path, self.size)
        values = set(np.unique(image).tolist())
        if not (values <= {0, 255} or values <= {0, 1}) or np.ptp(image, axis=2).any():
            raise InputError(
                f"{path}: a mask has the values 0 and 255 (or 0 and 1) alone, this one "
                f"{len(values)} from {min(values)} to {max(values)}; save masks as PNG"
            )
        return (image[..., 0] > 0).astype(np.uint8)

    def _found(self, names: list[str]) -> np.ndarray | None:
        if self._poses is None:
            return None
        found = []
        for name in names:
            target = self._targets[name]
            detection = self._poses.find(f"{name}{target.suffix}")
            pose = detections.choose(detection, self.size) if detection else None
            if pose is None:
                raise InputError(f"{target}: the pose files have no pose of this image")
            found.append(pose)
        return np.stack(found)

    def _require(self, there: dict[str, Path], message: str) -> None:
        lacking = [name for name in self.names if name not in there]
        if lacking:
            more = f" and {len(lacking) - 1:,} others" if len(lacking) > 1 else ""
            raise InputError(f"{message} {lacking[0]}{more}")


class SavedImages:
    """Writes scored images: a folder for each name, and `target` and `mask`.

    All images of a pair have the same file name, see `image_name`, so that `evaluate
    --generated --target --mask` can score them again.

    Args:
        rows: Names of each pair.
        place: Folder of the folders. Images that an evaluation with another
            fingerprint wrote there are deleted.
        fingerprint: Checksum of everything that the images depend on.

    Raises:
        InputError: Two pairs have the same name, or the folder holds files that no
            evaluation wrote.
    """

    def __init__(
        self, rows: Sequence[dict[str, str]], place: Path, *, fingerprint: str
    ):
        self._place = place
        self._names = [image_name(row.values()) for row in rows]
        if len(set(self._names)) < len(self._names):
            raise InputError(f"{place}: two pairs would have the same image name")
        mark = place / ".fingerprint"
        if place.exists() and not mark.exists() and any(place.iterdir()):
            raise InputError(
                f"{place}: holds files that this evaluation did not write; remove them "
                "or give another --out"
            )
        if mark.exists() and mark.read_bytes() != fingerprint.encode():
            print(f"{place}: replacing the images of another evaluation")
            shutil.rmtree(place)
        files.write_text(mark, fingerprint)

    def write(self, start: int, batch: Batch) -> None:
        """Writes the images of a batch that begins at position `start`."""
        kinds = {**batch.images, "target": batch.targets}
        if batch.masks is not None:
            kinds["mask"] = np.repeat(255 * batch.masks[..., None], 3, axis=3)
        for kind, shown in kinds.items():
            for name, picture in zip(self._names[start:], shown, strict=False):
                content = images.encode_png(picture)
                files.write_bytes(self._place / kind / f"{name}.png", content)


def image_name(names: Iterable[str]) -> str:
    """Returns the file name of a pair's image, without suffix: `FROM_to_TO`.

    Args:
        names: Names of source and target image; suffixes are dropped, `/` becomes `__`.
    """
    return "_to_".join(poses.default_key(name).replace("/", "__") for name in names)


def all_images(folder: str | Path, *, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yields all images of a folder, uint8 [B, H, W, 3] each, with progress.

    Raises:
        InputError: An image cannot be read, or does not have `size`.
    """
    paths = list(by_name(folder).values())
    starts = range(0, len(paths), _AT_ONCE)
    for start in tqdm(starts, desc="reference images", unit=" batches"):
        some = paths[start : start + _AT_ONCE]
        yield np.stack([read_sized(path, size) for path in some])


def read_sized(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Reads an image that must have `size`, uint8 [H, W, 3].

    Raises:
        InputError: The image cannot be read, or has another size.
    """
    image = images.read(path)
    if image.shape[:2] != size:
        raise InputError(
            f"{path}: is {image.shape[0]}x{image.shape[1]}, the other images are "
            f"{size[0]}x{size[1]} (height x width); all need one size"
        )
    return image


def by_name(folder: str | Path) -> dict[str, Path]:
    """Returns the images of a folder by relative path without suffix, sorted.

    Raises:
        InputError: The folder is missing, has no image, or two with the same name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for path in image_files(folder, Notes()):
        name = poses.default_key(path.relative_to(folder).as_posix())
        if name in found:
            raise InputError(
                f"{path}: {found[name].name} has the same name without suffix, by "
                "which images are paired; rename one"
            )
        found[name] = path
    if not found:
        allowed = ", ".join(images.SUFFIXES)
        raise InputError(f"{folder}: has no images; allowed are {allowed}")
    return found
