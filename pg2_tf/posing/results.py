"""Writes what became of photos: images, sheets, animated GIFs and videos."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pg2_tf.posing.photo import Person, Transferred, paste_back
from pg2_tf.posing.target_poses import Target
from preprocessing.images import drawing as pictures
from preprocessing.images import image_files as images
from preprocessing.images import video
from preprocessing.system import files
from preprocessing.system.errors import InputError

MOVING = (".gif", ".mp4")
# Of a sequence, so many frames stand in a sheet.
_FRAMES_SHOWN = 6
_LONGEST = 1280


class Result(NamedTuple):
    """A person of a photo in a target's pose or poses.

    Attributes:
        photo: the photo's name.
        person: in it.
        target: what was asked for.
        made: what came.
    """

    photo: str
    person: Person
    target: Target
    made: Transferred


class _Row(NamedTuple):
    """A row of the sheet: the crop, the pose, and images by their names."""

    source: np.ndarray
    pose: np.ndarray
    made: dict[str, np.ndarray]


class Writer:
    """Writes results as they come, so that none but the sheet's are kept.

    Args:
        out: a `.png`: the image of one result, or a sheet of several; a `.gif` or
            `.mp4`: of one sequence; otherwise a folder for images and sheet.
        photos: how many photos there are.
        targets: what each of them is put into.
        intermediate: whether skeleton, coarse image and difference are kept.
        pasted: whether the images are put back into their photos.

    Raises:
        InputError: `out` cannot hold what is to come.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        photos: int,
        targets: Sequence[Target],
        intermediate: bool = False,
        pasted: bool = False,
    ):
        self._out = Path(out)
        self._suffix = self._out.suffix.lower()
        self._intermediate = intermediate
        self._pasted = pasted
        self._several = photos > 1
        self._alone = photos * len(targets) == 1
        self._moves = any(target.frames_per_second > 0 for target in targets)
        self._rows: list[_Row] = []
        self._count = 0
        if self._suffix in MOVING and not (self._alone and self._moves):
            raise InputError(
                f"--out={out}: a {self._suffix} takes one photo and one sequence of "
                "poses (a video or a folder of frames); give a folder"
            )
        if self._suffix in MOVING and intermediate:
            raise InputError(f"--out={out}: --save_intermediate needs a folder")

    def add(self, result: Result) -> None:
        """Writes a result, or what is to be seen of it in the sheet at the end."""
        if self._suffix in MOVING:
            self._write_moving(self._out, result)
        elif self._suffix != ".png":
            self._write_in_folder(result)
        elif self._alone and not self._moves:
            self._write_frame(self._out, result, 0)
        if self._has_sheet:
            self._rows += [
                _Row(
                    result.person.crop,
                    result.made.poses[frame],
                    self._columns(result.made, frame),
                )
                for frame in _spread(len(result.made.poses))
            ]
        self._count += 1

    def close(self) -> None:
        """Writes the sheet, where there is one."""
        if not self._has_sheet:
            return
        names = self._rows[0].made
        sheet = pictures.pose_sheet(
            [row.source for row in self._rows],
            [row.pose for row in self._rows],
            {name: [row.made[name] for row in self._rows] for name in names},
        )
        path = self._out if self._suffix == ".png" else self._out / "sheet.png"
        files.write_bytes(path, images.encode_png(sheet))

    @property
    def _has_sheet(self) -> bool:
        if self._suffix == ".png":
            return self._moves or not self._alone
        return self._suffix not in MOVING

    def _write_in_folder(self, result: Result) -> None:
        photo = f"{result.photo}_" * self._several
        place = self._out / f"{self._count:03d}_{photo}{result.target.name}"
        if result.target.frames_per_second == 0:
            self._write_frame(place.with_name(f"{place.name}.png"), result, 0)
            return
        for frame in range(len(result.made.poses)):
            self._write_frame(place / f"{frame:04d}.png", result, frame)
        for suffix in MOVING:
            self._write_moving(place.with_name(place.name + suffix), result)

    def _write_frame(self, path: Path, result: Result, frame: int) -> None:
        pictures_of = {"": self._shown(result)(frame)}
        if self._intermediate:
            made, size = result.made, result.person.fitted.new_size
            skeleton = pictures.draw_pose(made.poses[frame], size=size, scale=1)
            pictures_of["_skeleton"] = skeleton
            for name, image in made.intermediate(frame).items():
                pictures_of[f"_{name}"] = image
        for suffix, picture in pictures_of.items():
            place = path.with_name(path.stem + suffix + path.suffix)
            files.write_bytes(place, images.encode_png(picture))

    def _shown(self, result: Result) -> Callable[[int], np.ndarray]:
        generated = result.made.generated
        if not self._pasted:
            return lambda frame: generated[frame]
        return lambda frame: paste_back(result.person, generated[frame])

    def _write_moving(self, path: Path, result: Result) -> None:
        shown = self._shown(result)
        frames = [_shrunk(shown(i)) for i in range(len(result.made.poses))]
        rate = result.target.frames_per_second
        write = video.write_gif if path.suffix.lower() == ".gif" else video.write_mp4
        files.write_bytes(path, write(frames, frames_per_second=rate))

    def _columns(self, made: Transferred, frame: int) -> dict[str, np.ndarray]:
        before = made.intermediate(frame) if self._intermediate else {}
        return {**before, "generated": made.generated[frame]}


def _spread(count: int) -> list[int]:
    shown = min(count, _FRAMES_SHOWN)
    return np.linspace(0, count - 1, shown).round().astype(int).tolist()


def _shrunk(image: np.ndarray) -> np.ndarray:
    """Returns an image that is at most 1,280 pixels wide and high."""
    factor = _LONGEST / max(image.shape[:2])
    if factor >= 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return images.resize(image, (height, width))
