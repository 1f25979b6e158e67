"""Writes what became of photos: images, sheets, animated GIFs and videos."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pg2_tf.photo import Person, Transferred, paste_back
from preprocessing import files, images, pictures, video
from preprocessing.errors import InputError
from preprocessing.target_poses import Target

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


class Writer:
    """Writes results.

    Args:
        out: a `.png`: the image of one result, or a sheet of several; a `.gif` or
            `.mp4`: of one sequence; otherwise a folder.
        intermediate: whether skeleton, coarse image and difference are kept.
        pasted: whether the images are put back into their photos.
    """

    def __init__(self, out: str | Path, *, intermediate: bool, pasted: bool):
        self.out = Path(out)
        self._intermediate = intermediate
        self._pasted = pasted
        self._suffix = self.out.suffix.lower()

    def check(self, *, photos: int, targets: Sequence[Target]) -> None:
        """Raises `InputError` where `out` cannot hold what is to come."""
        if self._suffix not in MOVING:
            return
        if photos > 1 or len(targets) > 1 or targets[0].frames_per_second == 0:
            raise InputError(
                f"--out={self.out}: a {self._suffix} takes one photo and one sequence "
                "of poses (a video or a folder of frames); give a folder"
            )
        if self._intermediate:
            raise InputError(f"--out={self.out}: --save_intermediate needs a folder")

    def write(self, results: Sequence[Result]) -> None:
        """Writes results, at least one."""
        first = results[0]
        if self._suffix in MOVING:
            self._write_moving(self.out, first)
        elif self._suffix != ".png":
            self._write_folder(results)
        elif len(results) > 1 or first.target.frames_per_second > 0:
            files.write_bytes(self.out, images.encode_png(self._sheet(results)))
        else:
            self._write_frame(self.out, first, 0)

    def _write_folder(self, results: Sequence[Result]) -> None:
        several = len({result.photo for result in results}) > 1
        for number, result in enumerate(results):
            photo = f"{result.photo}_" * several
            place = self.out / f"{number:03d}_{photo}{result.target.name}"
            if result.target.frames_per_second == 0:
                self._write_frame(place.with_name(f"{place.name}.png"), result, 0)
                continue
            for frame in range(len(result.made.poses)):
                self._write_frame(place / f"{frame:04d}.png", result, frame)
            for suffix in MOVING:
                self._write_moving(place.with_name(place.name + suffix), result)
        files.write_bytes(
            self.out / "sheet.png", images.encode_png(self._sheet(results))
        )

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

    def _sheet(self, results: Sequence[Result]) -> np.ndarray:
        rows = [
            (result, frame)
            for result in results
            for frame in _spread(len(result.made.poses))
        ]
        columns = [self._columns(result.made, frame) for result, frame in rows]
        others = {name: [row[name] for row in columns] for name in columns[0]}
        return pictures.pose_sheet(
            [result.person.crop for result, _ in rows],
            [result.made.poses[frame] for result, frame in rows],
            others,
        )

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
