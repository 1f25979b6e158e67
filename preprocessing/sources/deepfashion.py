"""DeepFashion In-shop (Liu et al., CVPR 2016), as its tree or as flat names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from preprocessing.sources.deepfashion_names import Name, key, parse
from preprocessing.sources.deepfashion_poses import pose_size
from preprocessing.sources.deepfashion_splits import SPLITS, Listing, find_listing
from preprocessing.sources.samples import Notes, Sample, from_file
from preprocessing.sources.walking import image_files
from preprocessing.system.errors import InputError

__all__ = ["EXPECTED", "IDENTITIES", "SPLITS", "key", "pose_size", "samples"]

IDENTITIES = ("item_colour", "item")
# Counts of the 52,712 images, by the owners' partition and by PATN's lists.
EXPECTED = {
    "train": "DeepFashion has 25,882 images (owners' partition) or 48,674 (PATN's "
    "lists); the paper has 146,680 pairs",
    "test": "DeepFashion has 26,830 images (owners' partition) or 4,038 (PATN's lists)",
}


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
        root: the folder that holds the tree or the flat images, at any depth. Of
            `img` and `img_highres` side by side, `img` is taken.
        notes: takes what is left out, and where the split is from.
        identity: `item_colour` (`id_00006655_02`, the default): pairs show one garment
            in one colour, as in the paper. `item` (`id_00006655`): pairs may show it in
            different colours, so that the target's colour cannot be learnt.
        split: where train and test are from: `partition` (the owners'
            `list_eval_partition.txt`; query and gallery are the test split), `lists`
            (PATN's `train.lst` and `test.lst`), `seed` (the builder draws identities)
            or `auto` (the first of these that is there).
        lists: the paths of the training and of the test list, wherever they lie.

    Raises:
        InputError: an image is there twice, or a list is missing or unusable.
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
        notes.say(f"{folder}: passed over; the images are those of img beside it")
        return False

    images: dict[Path, Name] = {}
    first: dict[str, Path] = {}
    for path in image_files(root, notes, enter=enter):
        parts = parse(path.absolute().as_posix())
        if parts is None:
            notes.add("images with other names passed over", path.name)
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
    """Says where the split is from, and who stands on both sides of it."""
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
