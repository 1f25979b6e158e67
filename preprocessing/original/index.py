"""What the authors' TFRecords hold: each image once, and which are flipped copies.

The released converter writes, into one file, first the pairs of flipped images and
then those of the images themselves, under the same names and with nothing that marks
them (`_convert_dataset_one_pair_rec_withFlip`). So the file falls into two parts, and
where the second begins follows from all of this:

  - of two different images of one name the later is the image itself, and the other,
    which must be its mirror image, the flipped copy;
  - each pair in the list `p_pairs_<split>.p` was written once at most, so at least
    the records beyond their number are flipped; and `p_pairs_<split>_flip.p` says how
    many are so at most.

In a file whose parts do not fit together in this way nobody can tell, and it is an
error.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from preprocessing.images import image_files as images
from preprocessing.original import records
from preprocessing.original.records import StoredImage, StoredPair
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.system.errors import InputError

_COUNT_FILE = "tf_record_pair_num.txt"
_SPLIT = re.compile(r"(?:^|_)(train|test)(?:_|$)")
# In grey levels, 0 to 255. Market-1501 and DeepFashion images mirrored and encoded
# again, even at JPEG quality 30, differ by 8 or less, other images by 20 or more.
_MIRROR_DIFFERENCE = 15


@dataclass
class Copy:
    """An image in a file, flipped or not.

    Attributes:
        digest: Checksum of the image's bytes and pose.
        offset, length: where its bytes lie in the file.
        pose: float32 [18, 3], in pixels of the image.
        first, last: the records in which it is.
    """

    digest: bytes
    offset: int
    length: int
    pose: np.ndarray
    first: int
    last: int


@dataclass(frozen=True)
class Index:
    """What a file holds.

    Attributes:
        path: Path of the file.
        split: "train" or "test", or None where neither the file's name nor its
            folder's says so.
        copies: of each name, one or two, in the order of the file.
        pairs: names of source and target of each record, None for negative pairs.
        begin: the first record that is not flipped, and the last one that it might be.
    """

    path: Path
    split: str | None
    copies: dict[str, list[Copy]]
    pairs: list[tuple[str, str] | None]
    begin: tuple[int, int]

    def unflipped(self, name: str) -> Copy | None:
        """Returns the image itself; None where the file has its flipped copy only."""
        last = self.copies[name][-1]
        return last if last.last >= self.begin[0] else None

    def is_doubtful(self, name: str) -> bool:
        """True for an image between the two parts that might belong to either."""
        (copy, *others), (begin, end) = self.copies[name], self.begin
        return not others and 0 < begin <= copy.first and copy.last < end

    def unflipped_pairs(self) -> list[tuple[str, str]]:
        """Returns names of source and target of the positive pairs not flipped."""
        return [pair for pair in self.pairs[self.begin[0] :] if pair]


def scan(path: Path) -> Index:
    """Reads through a file, once for as long as it stays the same.

    Raises:
        InputError: as `records.read`; the file does not hold as many records
            as the converter said, or flipped copies cannot be told from images.
    """
    status = path.stat()
    copies, pairs = _read_through(path, status.st_size, status.st_mtime_ns)
    _check_count(path, len(pairs))
    split = _split(path)
    begin = _second_part(path, split, list(copies.values()), len(pairs))
    return Index(path, split, copies, pairs, begin)


# Images and pairs are asked for one after the other, and a file can have 100 GB.
@lru_cache(maxsize=64)
def _read_through(
    path: Path, size: int, time: int
) -> tuple[dict[str, list[Copy]], list[tuple[str, str] | None]]:
    copies: dict[str, list[Copy]] = {}
    pairs: list[tuple[str, str] | None] = []
    for number, pair in enumerate(records.read(path)):
        for image in (pair.source, pair.target):
            _enter(copies.setdefault(image.name, []), image, pair, number, path)
        names = pair.source.name, pair.target.name
        pairs.append(names if pair.same_person else None)
    return copies, pairs


def read_bytes(path: Path, offset: int, length: int) -> bytes:
    """Returns part of a file."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _enter(
    copies: list[Copy], image: StoredImage, pair: StoredPair, number: int, path: Path
) -> None:
    """Adds an image to the copies of its name, or its record to one of them."""
    content = image.content
    digest = hashlib.blake2b(content + image.pose.tobytes(), digest_size=16).digest()
    for copy in copies:
        if copy.digest == digest:
            copy.last = number
            return
    place = f"{path}: record {number}: {image.name}"
    if len(copies) == 2:
        raise InputError(f"{place}: a third image or pose of this name")
    if copies:
        first = read_bytes(path, copies[0].offset, copies[0].length)
        if not _are_mirrored(first, content, place):
            raise InputError(
                f"{place}: neither the image and pose of this name in record "
                f"{copies[0].first} nor its flipped copy"
            )
    offset = pair.find(image)
    copies.append(Copy(digest, offset, len(content), image.pose, number, number))


def _are_mirrored(first: bytes, second: bytes, place: str) -> bool:
    one, other = (images.decode(c, name=place).astype(int) for c in (first, second))
    if one.shape != other.shape:
        return False
    return float(np.abs(one - other[:, ::-1]).mean()) <= _MIRROR_DIFFERENCE


def _check_count(path: Path, count: int) -> None:
    """Compares with what the converter noted about the only file of a folder."""
    noted = path.with_name(_COUNT_FILE)
    if not noted.exists() or len(list(path.parent.glob(f"*{path.suffix}"))) > 1:
        return
    match = re.fullmatch(rb"cnt:(\d{1,12})\s*", noted.read_bytes())
    if not match:
        raise InputError(f"{noted}: expected cnt: and a number")
    if int(match[1]) != count:
        raise InputError(
            f"{path}: {count} records, {noted.name} says {int(match[1])}; the file is "
            "not whole"
        )


def _split(path: Path) -> str | None:
    for part in (path.stem, path.parent.name):
        if match := _SPLIT.search(part):
            return match[1]
    return None


def _second_part(
    path: Path, split: str | None, copies: Sequence[list[Copy]], count: int
) -> tuple[int, int]:
    """Returns between which two records the part begins that is not flipped."""
    both = [of_name for of_name in copies if len(of_name) == 2]
    earliest = max((flipped.last + 1 for flipped, _ in both), default=0)
    latest = min((image.first for _, image in both), default=count)
    if earliest > latest:
        raise InputError(
            f"{path}: its records are not those of flipped images and then those of "
            "the images, as the released code writes them, so that flipped copies "
            "cannot be told from images"
        )
    listed = path.with_name(f"p_pairs_{split}.p")
    flipped = path.with_name(f"p_pairs_{split}_flip.p")
    if listed.exists():
        earliest = max(earliest, count - len(pickles.read_pairs(listed)))
    if flipped.exists():
        latest = min(latest, len(pickles.read_pairs(flipped)))
    if earliest > latest:
        raise InputError(
            f"{listed}: lists fewer pairs than {path.name} holds, without those of "
            "flipped copies; take the list away if it is of other records"
        )
    return earliest, latest
