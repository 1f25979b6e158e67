"""The key of a user study: which images of its page are real."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from preprocessing.system import files
from preprocessing.system.errors import InputError

SUFFIX = ".key.json"


class Shown(NamedTuple):
    """An image of a study.

    Attributes:
        image: name in the page, which does not tell whether it is real.
        file: file that the image was read from.
        real: True for a photograph, False for a generated image.
    """

    image: str
    file: str
    real: bool


@dataclass(frozen=True)
class Part:
    """The images that one participant judges: one method's images and real ones.

    Attributes:
        part: number of the part, from 1 on.
        method: method name.
        images: images in the order in which they are shown.
    """

    part: int
    method: str
    images: list[Shown]


@dataclass(frozen=True)
class Key:
    """A study's key.

    Attributes:
        study: checksum of the page's contents; every answer carries it.
        title: heading of the page.
        seconds: time that each image is shown.
        practice: number of images at the start of each part that do not count.
        seed: seed of the drawing.
        parts: one part for each method.
    """

    study: str
    title: str
    seconds: float
    practice: int
    seed: int
    parts: list[Part]

    def to_json(self) -> dict[str, Any]:
        """Returns the key as JSON for `read`."""
        parts = [
            {**asdict(part), "images": [shown._asdict() for shown in part.images]}
            for part in self.parts
        ]
        return {**asdict(self), "parts": parts}


def path_of(page: Path) -> Path:
    """Returns the path of a page's key: `study.key.json` beside `study.html`."""
    return page.with_name(page.stem + SUFFIX)


def read(path: str | Path) -> Key:
    """Reads the key of a study.

    Raises:
        InputError: the file cannot be read, or is not a key.
    """
    fields = files.as_object(f"{path}: the key", files.read_json(Path(path)))
    try:
        parts = [
            Part(**{**part, "images": [Shown(**shown) for shown in part["images"]]})
            for part in fields["parts"]
        ]
        key = Key(**{**fields, "parts": parts})
        _check(key)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not the key of a user study ({error}); give the file {SUFFIX} "
            "beside the page"
        ) from error
    return key


def _check(key: Key) -> None:
    if not isinstance(key.practice, int) or key.practice < 0 or not key.parts:
        raise ValueError("without practice or parts")
    for part in key.parts:
        if {shown.real for shown in part.images[key.practice :]} != {False, True}:
            raise ValueError(f"part {part.part} has no real or no generated image")
