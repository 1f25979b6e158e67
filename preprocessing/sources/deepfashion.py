"""DeepFashion In-shop (Liu et al., CVPR 2016), as its tree or with flat names."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes, Sample, from_file, image_files
from preprocessing.system.errors import InputError

_VIEW = r"(\d\d)_?(\d)_?([a-z]+)$"
_TREE = re.compile(rf"(?:^|/)((?:WO)?MEN)/(\w+)/id_(\d{{8}})/{_VIEW}")
_FLAT = re.compile(rf"(?:^|/)fash?ion_?((?:WO)?MEN)_?(\w*?)_?id_?(\d{{8}})_?{_VIEW}")
SPLITS = ("auto", "partition", "lists", "seed")
PARTITION = "list_eval_partition.txt"
LISTS = ("train.lst", "test.lst")
_COLUMNS = ["image_name", "item_id", "evaluation_status"]
_STATUS = {"train": "train", "query": "test", "gallery": "test"}
WHOLE = (256, 256)
CROPPED = (256, 176)
FEWEST = 5
_TRUNK = [kp.INDEX["neck"], *kp.TORSO]
# Share and distance of keypoints beyond the border that are tolerated.
_STRAY = 0.001
_BORDER = 4
# Least distance from the middle between the two centres, 128 and 88.
_MIDDLE = (WHOLE[1] + CROPPED[1]) / 4
_CLEARLY = 8
__all__ = ["EXPECTED", "IDENTITIES", "SPLITS", "key", "pose_size", "samples"]
IDENTITIES = ("item_colour", "item")
# Counts of the 52,712 images, by the owners' partition and by PATN's lists.
EXPECTED = {
    "train": "DeepFashion has 25,882 images (owners' partition) or 48,674 (PATN's "
    "lists); the paper has 146,680 pairs",
    "test": "DeepFashion has 26,830 images (owners' partition) or 4,038 (PATN's lists)",
}


class Name(NamedTuple):
    """The parts of a name; digits as they are written.

    Attributes:
        gender: `WOMEN` or `MEN`.
        category: Name such as `Tees_Tanks`, with its underscore.
        item: The item's eight digits.
        colour: The two digits of its colour variant.
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
    """Parses a name, with or without folders and suffix.

    Args:
        name: Flat name, or path that ends like one of the tree.

    Returns:
        Its parts, or None if it is not a name of the data set.
    """
    path = PurePosixPath(name)
    place = str(path.parent / path.stem)
    match = _FLAT.search(place) or _TREE.search(place)
    return Name(*match.groups()) if match else None


def key(name: str) -> str:
    """Returns the lookup key of a name, which is the same for all its spellings."""
    parts = parse(name)
    stem = parts.flat if parts else PurePosixPath(name).stem
    return stem.replace("fasion", "fashion").replace("_", "").lower()


class Listing(NamedTuple):
    """Splits and names from lists.

    Attributes:
        files: The lists.
        splits: "train" or "test" by the key of an image.
        names: The name that a list gives, by the key of an image.
    """

    files: tuple[Path, ...]
    splits: dict[str, str]
    names: dict[str, str]


def find_listing(
    root: Path, *, split: str = "auto", lists: Sequence[str | Path] | None = None
) -> Listing | None:
    """Reads the lists of a split.

    Searches `root`, two levels of folders below it and, if `root` is the folder `img`,
    the folder that holds it; the nearest lists are used.

    Args:
        root: The folder of the images.
        split: `partition` or `lists` for that kind; `auto` for the partition if there
            is one, else the lists if there are both; `seed` for none.
        lists: Paths of the training and of the test list, instead of a search.

    Returns:
        Splits and names, or None if no list is used.

    Raises:
        InputError: The chosen kind is missing, or a list is unusable.
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


def pose_size(people: Sequence[np.ndarray]) -> tuple[int, int] | None:
    """Finds the height and width of the images in which poses were found.

    Keypoints beyond column 176 are only in whole images; else the middle of the trunks
    must be clearly nearer one centre. Measured on 12,000 random choices of real poses,
    whole and cropped: of 5 poses none was decided wrongly and up to 6 % not at all, of
    10 up to 0.3 % not at all, of 20 all were decided. Fewer than 5 are not enough.

    Args:
        people: The poses of each image, float [P, 18, 3].

    Returns:
        `WHOLE` or `CROPPED` (height, width), or None if the poses reach beyond both,
        so that their images had another size, or if there are none.

    Raises:
        InputError: The poses fit either size; the message asks for `--pose_size`.
    """
    shape = (-1, kp.NUM_KEYPOINTS, 3)
    poses = np.concatenate(
        [np.zeros((0, 18, 3)), *(np.reshape(p, shape) for p in people)]
    )
    found = kp.found(poses)
    places = poses[found][:, :2]
    if not len(places) or _beyond(places, WHOLE):
        return None
    trunk = found & np.isin(np.arange(kp.NUM_KEYPOINTS), _TRUNK)
    centres = [
        x[seen].mean()
        for x, seen in zip(poses[..., 0], trunk, strict=True)
        if seen.any()
    ]
    off = float(np.median(centres)) - _MIDDLE if len(centres) >= FEWEST else 0.0
    if _beyond(places, CROPPED) and off > -_CLEARLY:
        return WHOLE
    if abs(off) < _CLEARLY or _beyond(places, CROPPED):
        raise InputError(
            f"{len(poses)} poses of DeepFashion do not tell in which images they were "
            "found: give --pose_size=256x256, or 256x176 for images cut to 176 columns"
        )
    return WHOLE if off > 0 else CROPPED


def _beyond(places: np.ndarray, size: tuple[int, int]) -> bool:
    """True if more than stray places, [N, 2], lie beyond an image of this size."""
    limit = np.array(size[::-1]) - 1 + _BORDER
    return bool((places > limit).any(axis=1).mean() > _STRAY)


def samples(
    root: Path,
    notes: Notes,
    *,
    identity: str = "item_colour",
    split: str = "auto",
    lists: Sequence[str | Path] | None = None,
) -> Iterator[Sample]:
    """Yields every image below `root` whose path or name is one of the data set's.

    Args:
        root: The folder that holds the tree or the flat images, at any depth. Of
            `img` and `img_highres` side by side, `img` is taken.
        notes: Collects notes about left-out images and the origin of the split.
        identity: `item_colour` (`id_00006655_02`, the default): pairs show one garment
            in one colour, as in the paper. `item` (`id_00006655`): pairs may show it in
            different colours, so that the target's colour cannot be learnt.
        split: Origin of train and test: `partition` (the owners'
            `list_eval_partition.txt`; query and gallery are the test split), `lists`
            (PATN's `train.lst` and `test.lst`), `seed` (the builder draws identities)
            or `auto` (the first of these that is there).
        lists: Paths of the training and of the test list.

    Raises:
        InputError: An image occurs twice, or a list is missing or unusable.
    """
    if identity not in IDENTITIES:
        raise InputError(f"identity={identity}: allowed are {', '.join(IDENTITIES)}")
    listing = find_listing(root, split=split, lists=lists)
    images = _images(root, notes)
    if listing is None:
        notes.say("split: by identity, drawn with the seed")
    else:
        images = _listed(images, listing, notes)
        _say_split(images, listing, notes)
    for path, parts in images.items():
        item = f"id_{parts.item}"
        yield from_file(
            path,
            name=path.name if parse(path.name) else parts.flat + path.suffix,
            identity=item if identity == "item" else f"{item}_{parts.colour}",
            split=listing.splits[key(parts.flat)] if listing else None,
            group=item,
        )


def _images(root: Path, notes: Notes) -> dict[Path, Name]:
    """Returns the images of the data set below `root`."""

    def enter(folder: Path) -> bool:
        if folder.name != "img_highres" or not folder.with_name("img").is_dir():
            return True
        notes.say(f"{folder}: skipped; the images are those of img beside it")
        return False

    images: dict[Path, Name] = {}
    first: dict[str, Path] = {}
    for path in image_files(root, notes, enter=enter):
        parts = parse(path.absolute().as_posix())
        if parts is None:
            notes.add("images with other names skipped", path.name)
            continue
        known = first.setdefault(key(parts.flat), path)
        if known != path:
            raise InputError(f"{path}: the same image as {known}")
        images[path] = parts
    return images


def _listed(
    images: dict[Path, Name], listing: Listing, notes: Notes
) -> dict[Path, Name]:
    """Returns the images that the lists name."""
    kept, missing = {}, dict(listing.names)
    for path, parts in images.items():
        if missing.pop(key(parts.flat), None):
            kept[path] = parts
        else:
            notes.add("images that no list names left out", path.name)
    for name in missing.values():
        notes.add("listed images that are not there", name)
    return kept


def _say_split(images: dict[Path, Name], listing: Listing, notes: Notes) -> None:
    """Notes the origin of the split, and identities in both of its sides."""
    sides: dict[str, dict[str, set]] = {
        split: {"items": set(), "items in a colour": set()}
        for split in ("train", "test")
    }
    for parts in images.values():
        side = sides[listing.splits[key(parts.flat)]]
        side["items"].add(parts.item)
        side["items in a colour"].add((parts.item, parts.colour))
    shared = [
        f"{len(tested & sides['train'][what]):,} of {len(tested):,} {what}"
        for what, tested in sides["test"].items()
    ]
    notes.say(
        f"split: {' and '.join(map(str, listing.files))}; of the test split, "
        f"{' and '.join(shared)} are in the training split too"
    )
