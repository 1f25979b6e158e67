"""Generated images, and their files: images, sheets, animated GIFs and videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pg2_tf.posing import photo
from pg2_tf.posing.photo import Person
from pg2_tf.posing.retargeting import Target
from preprocessing.images import drawing, image_files, video
from preprocessing.system import files
from preprocessing.system.errors import InputError

MOVING = (".gif", ".mp4")
# Frames of a sequence that a sheet shows.
_FRAMES_SHOWN = 6
# Longest side of GIFs and videos, in pixels.
_LONGEST = 1280


class Result(NamedTuple):
    """Generated images of a person in a pose or a sequence of poses.

    Attributes:
        person: The person in the photo.
        target: The target poses.
        poses: The target poses in pixels of the images, float32 [N, 18, 3].
        images: `coarse`, and for stage 2 `refined`, uint8 [N, H, W, 3].
        factor: Factor by which the poses were scaled down to fit: 1 or less.
    """

    person: Person
    target: Target
    poses: np.ndarray
    images: dict[str, np.ndarray]
    factor: float = 1.0

    @property
    def generated(self) -> np.ndarray:
        """Images of the last stage, uint8 [N, H, W, 3]."""
        return self.images.get("refined", self.images["coarse"])

    def intermediate(self, frame: int) -> dict[str, np.ndarray]:
        """Returns a frame's intermediate images by name, uint8 [H, W, 3].

        `coarse`, and `difference` (half of refined minus coarse, plus 128). Empty for
        a model of stage 1.
        """
        if "refined" not in self.images:
            return {}
        coarse = self.images["coarse"][frame]
        change = (self.images["refined"][frame].astype(int) - coarse) // 2
        return {"coarse": coarse, "difference": (128 + change).astype(np.uint8)}

    def shown(self, frame: int, *, paste_back: bool = False) -> np.ndarray:
        """Returns a frame, or with `paste_back` the photo that contains it."""
        image = self.generated[frame]
        return photo.paste_back(self.person, image) if paste_back else image


class Clip(list):
    """The frames of a sequence, PIL images.

    Args:
        frames: PIL images of the same size.
        frames_per_second: Speed of the clip.
    """

    def __init__(self, frames: Sequence[Any], *, frames_per_second: float):
        super().__init__(frames)
        self.frames_per_second = frames_per_second

    def save(self, path: str | Path) -> None:
        """Writes the clip as an animated GIF (`.gif`) or a VP9 video (`.mp4`).

        Raises:
            InputError: The path has another suffix, or OpenCV cannot write videos.
        """
        if Path(path).suffix.lower() not in MOVING:
            raise InputError(f"{path}: save a clip as .gif or .mp4")
        frames = [np.asarray(frame) for frame in self]
        _write_clip(Path(path), frames, self.frames_per_second)


class _Row(NamedTuple):
    """A row of the sheet: the crop, the pose, and generated images by name."""

    source: np.ndarray
    pose: np.ndarray
    made: dict[str, np.ndarray]


class Writer:
    """Writes results one by one. Only the images of the sheet stay in memory.

    Args:
        out: A `.png` file for one image or a sheet of several; a `.gif` or `.mp4` file
            for one sequence; otherwise a folder for images and sheet.
        photos: Number of photos.
        targets: Targets of every photo.
        intermediate: Whether to write skeleton, coarse image and difference.
        pasted: Whether to put the images back into their photos.

    Raises:
        InputError: `out` is a file that cannot hold these results.
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
        self._moves = any(target.is_sequence for target in targets)
        self._rows: list[_Row] = []
        self._count = 0
        if self._suffix in MOVING and not (self._alone and self._moves):
            raise InputError(
                f"--out={out}: a {self._suffix} file holds one photo in one sequence "
                "of poses (a video or a folder of frames); use a folder"
            )
        if self._suffix in MOVING and intermediate:
            raise InputError(f"--out={out}: --save_intermediate requires a folder")

    def add(self, result: Result) -> None:
        """Writes a result, and keeps its images for the sheet."""
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
                    result.poses[frame],
                    self._columns(result, frame),
                )
                for frame in _spread(len(result.poses))
            ]
        self._count += 1

    def close(self) -> None:
        """Writes the sheet, if the output has one."""
        if not self._has_sheet:
            return
        names = self._rows[0].made
        sheet = drawing.pose_sheet(
            [row.source for row in self._rows],
            [row.pose for row in self._rows],
            {name: [row.made[name] for row in self._rows] for name in names},
        )
        path = self._out if self._suffix == ".png" else self._out / "sheet.png"
        files.write_bytes(path, image_files.encode_png(sheet))

    @property
    def _has_sheet(self) -> bool:
        if self._suffix == ".png":
            return self._moves or not self._alone
        return self._suffix not in MOVING

    def _write_in_folder(self, result: Result) -> None:
        name = f"{Path(result.person.name).stem}_" * self._several
        place = self._out / f"{self._count:03d}_{name}{result.target.name}"
        if not result.target.is_sequence:
            self._write_frame(place.with_name(f"{place.name}.png"), result, 0)
            return
        for frame in range(len(result.poses)):
            self._write_frame(place / f"{frame:04d}.png", result, frame)
        for suffix in MOVING:
            self._write_moving(place.with_name(place.name + suffix), result)

    def _write_frame(self, path: Path, result: Result, frame: int) -> None:
        written = {"": result.shown(frame, paste_back=self._pasted)}
        if self._intermediate:
            size = result.person.fit.new_size
            skeleton = drawing.draw_pose(result.poses[frame], size=size, scale=1)
            written["_skeleton"] = skeleton
            for name, image in result.intermediate(frame).items():
                written[f"_{name}"] = image
        for suffix, image in written.items():
            place = path.with_name(path.stem + suffix + path.suffix)
            files.write_bytes(place, image_files.encode_png(image))

    def _write_moving(self, path: Path, result: Result) -> None:
        frames = [
            _shrunk(result.shown(frame, paste_back=self._pasted))
            for frame in range(len(result.poses))
        ]
        _write_clip(path, frames, result.target.frames_per_second)

    def _columns(self, result: Result, frame: int) -> dict[str, np.ndarray]:
        before = result.intermediate(frame) if self._intermediate else {}
        return {**before, "generated": result.generated[frame]}


def _write_clip(path: Path, frames: list[np.ndarray], rate: float) -> None:
    write = video.write_gif if path.suffix.lower() == ".gif" else video.write_mp4
    files.write_bytes(path, write(frames, frames_per_second=rate))


def _spread(count: int) -> list[int]:
    shown = min(count, _FRAMES_SHOWN)
    return np.linspace(0, count - 1, shown).round().astype(int).tolist()


def _shrunk(image: np.ndarray) -> np.ndarray:
    """Returns the image, at most 1,280 pixels wide and high."""
    factor = _LONGEST / max(image.shape[:2])
    if factor >= 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return image_files.resize(image, (height, width))
