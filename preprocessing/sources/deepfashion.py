"""DeepFashion In-shop (Liu et al., CVPR 2016), as its tree or as flat names.

The tree is `img/WOMEN/Denim/id_00000029/02_1_front.jpg`; the flat name of that image
is `fashionWOMENDenimid0000002902_1front.jpg`. The identity is the item.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from preprocessing.errors import InputError
from preprocessing.images import SUFFIXES
from preprocessing.samples import Notes, Sample

_FLAT = re.compile(r"fash?ion(?:WO)?MEN\w*?id(\d{8})(\d\d)_(\d)(\w+)$")
_ITEM = re.compile(r"id_(\d{8})$")
_VIEW = re.compile(r"(\d\d)_(\d)_(\w+)$")


def key(name: str) -> str:
    """Returns a name's lookup key: `fasion`, underscores and suffix do not matter."""
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return stem.replace("fasion", "fashion").replace("_", "").lower()


def samples(root: Path, notes: Notes) -> Iterator[Sample]:
    """Yields every image below `root` whose path or name is one of the data set's.

    Args:
        root: the folder that holds the tree or the flat images, at any depth.
        notes: takes what is left out.

    Raises:
        InputError: two images have one name.
    """
    seen: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        parts = _from_name(path) or _from_tree(path)
        if parts is None:
            notes.add("images with other names passed over", path.name)
            continue
        name, identity = parts
        if key(name) in seen:
            raise InputError(f"{path}: the same image as {seen[key(name)]}")
        seen[key(name)] = path
        yield Sample(name=name, identity=identity, read=path.read_bytes)


def _from_name(path: Path) -> tuple[str, str] | None:
    match = _FLAT.match(path.stem)
    return (path.name, f"id_{match[1]}") if match else None


def _from_tree(path: Path) -> tuple[str, str] | None:
    item, view = _ITEM.match(path.parent.name), _VIEW.match(path.stem)
    if not item or not view or len(path.parts) < 4:
        return None
    gender, category = path.parts[-4], path.parts[-3]
    # The flat names of the field: `fashion`, the path, one underscore left.
    name = f"fashion{gender}{category}id{item[1]}{view[1]}_{view[2]}{view[3]}"
    return name + path.suffix, path.parent.name
