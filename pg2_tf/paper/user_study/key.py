"""The key of a user study: what each image of its page really is."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from preprocessing.system import content
from preprocessing.system.errors import InputError

SUFFIX = ".key.json"


class Shown(NamedTuple):
    """An image of a study.

    Attributes:
        image: its name in the page, which says nothing of what it is.
        file: the file it was read from.
        real: whether it is a photograph; else it was generated.
    """

    image: str
    file: str
    real: bool


@dataclass(frozen=True)
class Part:
    """What one participant judges: the images of one method among real ones.

    Attributes:
        part: its number, from 1 on.
        method: the method's name.
        images: in the order in which they are shown.
    """

    part: int
    method: str
    images: list[Shown]


@dataclass(frozen=True)
class Key:
    """A study's key.

    Attributes:
        study: checksum of the page's contents, which every answer carries.
        title: of the page.
        seconds: how long each image is shown.
        practice: how many images at the start of each part do not count.
        seed: of the drawing.
        parts: one for each method.
    """

    study: str
    title: str
    seconds: float
    practice: int
    seed: int
    parts: list[Part]

    def to_json(self) -> dict[str, Any]:
        """Returns what `read` reads."""
        parts = [
            {**asdict(part), "images": [shown._asdict() for shown in part.images]}
            for part in self.parts
        ]
        return {**asdict(self), "parts": parts}


def path_of(page: Path) -> Path:
    """Returns where the key of a page lies: `study.key.json` beside `study.html`."""
    return page.with_name(page.stem + SUFFIX)


def read(path: str | Path) -> Key:
    """Reads the key of a study.

    Raises:
        InputError: it cannot be read, or is no such key.
    """
    fields = content.as_object(f"{path}: the key", content.read_json(Path(path)))
    try:
        parts = [
            Part(**{**part, "images": [Shown(**shown) for shown in part["images"]]})
            for part in fields["parts"]
        ]
        key = Key(**{**fields, "parts": parts})
        _check(key)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not the key of a user study ({error}); give the {SUFFIX} that "
            "was written beside the page"
        ) from error
    return key


def _check(key: Key) -> None:
    if not isinstance(key.practice, int) or key.practice < 0 or not key.parts:
        raise ValueError("without practice or parts")
    for part in key.parts:
        if {shown.real for shown in part.images[key.practice :]} != {False, True}:
            raise ValueError(f"part {part.part} has no real or no generated image")
