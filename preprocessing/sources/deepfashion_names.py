"""The names that an image of DeepFashion In-shop goes by.

In the tree of its owners `img/WOMEN/Tees_Tanks/id_00006655/02_2_side.jpg`; flat, as
the field passes it around, `fashionWOMENTees_Tanksid0000665502_2side.jpg`, where
`fashion` may be spelt `fasion` and any underscore may be left out.
"""

import re
from pathlib import PurePosixPath
from typing import NamedTuple

_VIEW = r"(\d\d)_?(\d)_?([a-z]+)$"
_TREE = re.compile(rf"(?:^|/)((?:WO)?MEN)/(\w+)/id_(\d{{8}})/{_VIEW}")
_FLAT = re.compile(rf"(?:^|/)fash?ion_?((?:WO)?MEN)_?(\w*?)_?id_?(\d{{8}})_?{_VIEW}")


class Name(NamedTuple):
    """The parts of a name; digits as they are written.

    Attributes:
        gender: `WOMEN` or `MEN`.
        category: as `Tees_Tanks`, its underscore as it came.
        item: the item's eight digits.
        colour: the two digits of its colour variant.
        number: of the view, one digit.
        view: `front`, `side`, `back`, `full`, `additional` or `flat`.
    """

    gender: str
    category: str
    item: str
    colour: str
    number: str
    view: str

    @property
    def flat(self) -> str:
        """The flat name, without a suffix."""
        place = f"{self.gender}{self.category}id{self.item}{self.colour}"
        return f"fashion{place}_{self.number}{self.view}"


def parse(name: str) -> Name | None:
    """Takes a name apart, with or without folders and suffix.

    Args:
        name: flat, or a path that ends as one of the tree.

    Returns:
        Its parts, or None where it is no name of the data set.
    """
    path = PurePosixPath(name)
    place = str(path.parent / path.stem)
    match = _FLAT.search(place) or _TREE.search(place)
    return Name(*match.groups()) if match else None


def key(name: str) -> str:
    """Returns what a name is looked up by: the same for all spellings of one image."""
    parts = parse(name)
    stem = parts.flat if parts else PurePosixPath(name).stem
    return stem.replace("fasion", "fashion").replace("_", "").lower()
