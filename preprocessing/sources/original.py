"""The TFRecords that the authors released or that their converter writes.

`Market_train_data/Market1501_train_00000-of-00001.tfrecord`, `DF_test_data/...`: every
image is in them once for each of its pairs, and in the training records once more
flipped. Here each image is yielded once, and no flipped copy.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.sources import original_records
from preprocessing.sources.original_records import Index
from preprocessing.sources.samples import Notes, Sample, from_file
from preprocessing.system.errors import InputError

_FLIPPED = "flipped copies left out"
_ONLY_FLIPPED = "images left out of which there is a flipped copy only"
_DOUBTFUL = "images that might be flipped copies (between these and the others)"


def samples(root: Path, notes: Notes) -> Iterator[Sample]:
    """Yields every image in the records below `root`, with its keypoints.

    The identity is the name up to its first `_`, as in the released code.

    Args:
        root: A folder with `*.tfrecord`, at any depth.
        notes: Collects notes about images that are left out.

    Raises:
        InputError: There are no records, they are damaged or not those of the released
            code, flipped copies cannot be told from images (see `original_records`), or
            files hold different images of one name or one image in both splits.
    """
    seen: dict[str, tuple[bytes, Index]] = {}
    for index in _indices(root):
        for name, copies in index.copies.items():
            if len(copies) > 1:
                notes.add(_FLIPPED, name)
            image = index.unflipped(name)
            if image is None:
                notes.add(_ONLY_FLIPPED, name)
                continue
            if index.is_doubtful(name):
                notes.add(_DOUBTFUL, name)
            digest, first = seen.setdefault(name, (image.digest, index))
            if first is not index:
                if (digest, first.split) == (image.digest, index.split):
                    continue
                what = "image or pose" if digest != image.digest else "split"
                raise InputError(
                    f"{index.path}: another {what} of {name} than in {first.path}"
                )
            read = partial(
                original_records.read_bytes, index.path, image.offset, image.length
            )
            sample = from_file(
                index.path,
                name=name,
                identity=name.split("_")[0],
                split=index.split,
                pose=image.pose,
            )
            yield replace(sample, read=read)


def listed_pairs(root: Path) -> list[tuple[str, str]]:
    """Returns the pairs that the authors trained or tested on.

    These are the positive pairs that records hold, without those of flipped copies,
    in the order of `p_pairs_<split>.p` where that list lies beside the records. The
    list itself has more: also pairs without poses, and for Market-1501's test all
    pairs, of which the records have 12,800.

    Args:
        root: See `samples`.

    Returns:
        The names of source and target of each.

    Raises:
        InputError: See `samples`; or the list lacks a pair that the records hold.
    """
    stored: dict[tuple[Path, str | None], dict[tuple[str, str], None]]
    stored = defaultdict(dict)
    for index in _indices(root):
        found = stored[index.path.parent, index.split]
        found.update(dict.fromkeys(index.unflipped_pairs()))
    pairs: dict[tuple[str, str], None] = {}
    for (folder, split), found in stored.items():
        path = folder / f"p_pairs_{split}.p"
        pairs.update(_in_order(path, found) if path.exists() else found)
    return list(pairs)


def image_size(root: Path) -> tuple[int, int]:
    """Returns height and width of the images, as the first record has them.

    Raises:
        InputError: There are no records, or the first is damaged or not of the
            released code.
    """
    paths = _paths(root)
    for pair in original_records.read(paths[0]):
        return pair.size
    raise InputError(f"{paths[0]}: holds no record")


def _in_order(
    path: Path, found: dict[tuple[str, str], None]
) -> dict[tuple[str, str], None]:
    listed = dict.fromkeys(pickles.read_pairs(path))
    for source, target in found:
        if (source, target) not in listed:
            raise InputError(
                f"{path}: does not list {source}, {target}, which the records beside "
                "it hold; take the list away if it is of other records"
            )
    return {pair: None for pair in listed if pair in found}


def _indices(root: Path) -> Iterator[Index]:
    return map(original_records.scan, _paths(root))


def _paths(root: Path) -> list[Path]:
    paths = sorted(root.rglob(f"*{original_records.SUFFIX}"))
    if not paths:
        raise InputError(f"{root}: holds no *{original_records.SUFFIX}")
    return paths
