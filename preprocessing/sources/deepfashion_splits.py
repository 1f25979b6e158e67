"""Names and splits of DeepFashion In-shop.

In the tree of its owners an image is `img/WOMEN/Tees_Tanks/id_00006655/02_2_side.jpg`;
the flat name of other projects is `fashionWOMENTees_Tanksid0000665502_2side.jpg`, where
`fashion` may be spelled `fasion` and underscores may be missing. The owners define the
split in `list_eval_partition.txt`, PATN in `train.lst` and `test.lst`.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from preprocessing.system.errors import InputError

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
        number: Number of the view, one digit.
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


SPLITS = ("auto", "partition", "lists", "seed")
PARTITION = "list_eval_partition.txt"
LISTS = ("train.lst", "test.lst")
_COLUMNS = ["image_name", "item_id", "evaluation_status"]
_STATUS = {"train": "train", "query": "test", "gallery": "test"}


class Listing(NamedTuple):
    """What lists say of the images.

    Attributes:
        files: the lists.
        splits: "train" or "test" by the key of an image.
        names: the name that a list gives, by the key of an image.
    """

    files: tuple[Path, ...]
    splits: dict[str, str]
    names: dict[str, str]


def find_listing(
    root: Path, *, split: str = "auto", lists: Sequence[str | Path] | None = None
) -> Listing | None:
    """Reads the lists that are there, or that are asked for.

    They are searched for in `root`, in the two levels of folders below it, and, where
    `root` is the folder `img` itself, beside it; the nearest are taken.

    Args:
        root: the folder of the images.
        split: `partition` or `lists` for that kind; `auto` for the partition where
            there is one, else the lists where there are both; `seed` for none.
        lists: the paths of the training and of the test list, in place of a search.

    Returns:
        What they say, or None where no list is to be used.

    Raises:
        InputError: the kind asked for is not there, or a list is unusable.
    """
    if split not in SPLITS:
        raise InputError(f"split={split}: allowed are {', '.join(SPLITS)}")
    if lists is not None:
        if split not in ("auto", "lists"):
            raise InputError(f"split={split}: takes no lists; split=lists does")
        if len(lists) != len(LISTS):
            raise InputError(
                f"lists={','.join(map(str, lists))}: two paths are needed, of the "
                "training and of the test list"
            )
        return _read_lists([Path(path) for path in lists])
    if split in ("auto", "partition") and (files := _nearest(root, [PARTITION])):
        return _read_partition(files[0])
    if split in ("auto", "lists") and (files := _nearest(root, LISTS)):
        return _read_lists(files)
    if split in ("partition", "lists"):
        wanted = PARTITION if split == "partition" else " with ".join(LISTS)
        raise InputError(
            f"split={split}: no {wanted} in {root}, nor in the two levels below it"
        )
    return None


def _nearest(root: Path, names: Sequence[str]) -> list[Path] | None:
    """Returns the files of these names in the nearest folder that holds them all."""
    for folder in _places(root):
        files = [folder / name for name in names]
        if all(file.is_file() for file in files):
            return files
    return None


def _places(root: Path) -> Iterator[Path]:
    # The owners ship Anno, Eval and Img/img; some keep the lists beside `img`.
    yield root
    root = root.resolve()
    for pattern in ("*/", "*/*/"):
        yield from sorted(path for path in root.glob(pattern) if path.is_dir())
    while root.name.lower() == "img":
        root = root.parent
        yield from (root, root / "Eval", root / "Anno")


def _read_partition(path: Path) -> Listing:
    lines = _lines(path)
    if len(lines) < 2 or not lines[0].isdecimal() or lines[1].split() != _COLUMNS:
        raise InputError(
            f"{path}: no partition of DeepFashion In-shop: it begins with the number "
            f"of images and a row `{' '.join(_COLUMNS)}`"
        )
    if int(lines[0]) != len(lines) - 2:
        raise InputError(
            f"{path}: announces {int(lines[0]):,} images and lists {len(lines) - 2:,}"
        )
    listing = Listing((path,), {}, {})
    for number, line in enumerate(lines[2:], start=3):
        fields = line.split()
        if len(fields) != 3 or fields[2] not in _STATUS:
            raise InputError(
                f"{path}, row {number}: expected an image, its item and one of "
                f"{', '.join(_STATUS)}; got {line[:80]!r}"
            )
        _enter(listing, f"{path}, row {number}", fields[0], _STATUS[fields[2]])
    return listing


def _read_lists(paths: Sequence[Path]) -> Listing:
    listing = Listing(tuple(paths), {}, {})
    for path, split in zip(paths, ("train", "test"), strict=True):
        for number, line in enumerate(_lines(path), start=1):
            _enter(listing, f"{path}, row {number}", line.strip(), split)
    return listing


def _enter(listing: Listing, where: str, name: str, split: str) -> None:
    if parse(name) is None:
        raise InputError(f"{where}: no image name of DeepFashion: {name[:80]!r}")
    if listing.splits.setdefault(key(name), split) != split:
        raise InputError(f"{where}: {name} is listed for training and for testing")
    listing.names[key(name)] = name


def _lines(path: Path) -> list[str]:
    """Returns the lines of a text file without the empty ones at its end."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error.reason})") from error
    if not text.strip():
        raise InputError(f"{path}: names no image")
    return text.rstrip().splitlines()
