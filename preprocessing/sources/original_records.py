"""Reads the TFRecords that the authors' released converter writes.

Each pair is a tf.train.Example. Its features, for source (0) and target (1):

    image_name_0, image_name_1            file names
    image_raw_0, image_raw_1              the files' bytes
    pose_peaks_0_rcv, pose_peaks_1_rcv    54 floats: row, column, visible of 18 joints
    image_height, image_width             of the images in pixels
    label                                 1: a pair of one person, 0: of two

Market-1501 (datasets/convert_market.py), DeepFashion (convert_DF.py) and images of
one's own (convert_RCV.py) all have these. They differ in the others, which are drawn
from the joints or belong to other work, and make up nearly all of the bytes: they are
not parsed.

The files are read with TensorFlow, which checks the checksums of every record.
"""

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.system.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

SUFFIX = ".tfrecord"
# Around each Example: length and checksum of the length before it, checksum after it.
_BEFORE, _AFTER = 12, 4
_KINDS = {
    "image_name_0": "string",
    "image_name_1": "string",
    "image_raw_0": "string",
    "image_raw_1": "string",
    "pose_peaks_0_rcv": "float32",
    "pose_peaks_1_rcv": "float32",
    "image_height": "int64",
    "image_width": "int64",
    "label": "int64",
}
_COUNTS = {"pose_peaks_0_rcv": 54, "pose_peaks_1_rcv": 54}
_COUNT_FILE = "tf_record_pair_num.txt"
_SPLIT = re.compile(r"(?:^|_)(train|test)(?:_|$)")
# In grey levels, 0 to 255. Market-1501 and DeepFashion images mirrored and encoded
# again, even at JPEG quality 30, differ by 8 or less, other images by 20 or more.
_MIRROR_DIFFERENCE = 15


@dataclass(frozen=True)
class StoredImage:
    """One image of a pair.

    Attributes:
        name: Name of the image file.
        content: The bytes of that file.
        pose: float32 [18, 3], in pixels of the image.
    """

    name: str
    content: bytes
    pose: np.ndarray


@dataclass(frozen=True)
class StoredPair:
    """One record.

    Attributes:
        source, target: The images.
        size: Height and width of the images in pixels, as the record has them.
        same_person: Whether it is a positive pair.
        start: Position of the first byte of the Example in the file.
        example: These bytes.
    """

    source: StoredImage
    target: StoredImage
    size: tuple[int, int]
    same_person: bool
    start: int
    example: bytes

    def find(self, image: StoredImage) -> int:
        """Returns the position in the file of the bytes of one of the two images."""
        return self.start + self.example.index(image.content)


def read(path: Path) -> Iterator[StoredPair]:
    """Yields the pairs of a file, in its order.

    Raises:
        InputError: The file cannot be read or is damaged, or a record lacks a feature
            or has one of another kind; the message names the file and the record.
    """
    # Imported here, so that sources can be listed without TensorFlow.
    import tensorflow as tf

    records = tf.data.TFRecordDataset(str(path))
    parsed = records.map(_parse, num_parallel_calls=tf.data.AUTOTUNE)
    number = end = 0
    try:
        for values in parsed.as_numpy_iterator():
            example = values.pop("example")
            yield _pair(values, example, end + _BEFORE, f"{path}: record {number}")
            end += _BEFORE + len(example) + _AFTER
            number += 1
    except tf.errors.DataLossError as error:
        raise InputError(f"{path}: damaged at record {number}") from error
    # UnicodeDecodeError: TensorFlow's message quotes bytes that are not text.
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: record {number} is not a tf.train.Example with the features of "
            f"the released code ({', '.join(_KINDS)})"
        ) from error
    except tf.errors.OpError as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__})") from error
    # TensorFlow takes a few bytes less than a length for the end of the file.
    if end != path.stat().st_size:
        raise InputError(f"{path}: damaged at record {number}: it is cut off")


def _parse(example: "tf.Tensor") -> "dict[str, tf.Tensor]":
    import tensorflow as tf

    features = {
        name: tf.io.FixedLenSequenceFeature([], kind, allow_missing=True)
        for name, kind in _KINDS.items()
    }
    return {"example": example, **tf.io.parse_single_example(example, features)}


def _pair(
    values: dict[str, np.ndarray], example: bytes, start: int, place: str
) -> StoredPair:
    for name, value in values.items():
        needed = _COUNTS.get(name, 1)
        if len(value) != needed:
            raise InputError(
                f"{place}: {len(value)} values of {name}, needed {needed}; the "
                "released code's records have them"
            )
    return StoredPair(
        source=_image(values, "0", place),
        target=_image(values, "1", place),
        size=(int(values["image_height"][0]), int(values["image_width"][0])),
        same_person=bool(values["label"][0]),
        start=start,
        example=example,
    )


def _image(values: dict[str, Any], which: str, place: str) -> StoredImage:
    name = values[f"image_name_{which}"][0].decode(errors="replace")
    if not name or not name.isprintable() or "\ufffd" in name:
        raise InputError(f"{place}: image_name_{which} is {name!r}, not a file name")
    rcv = values[f"pose_peaks_{which}_rcv"].reshape(kp.NUM_KEYPOINTS, 3)
    if not all(kp.is_number(value) for value in rcv.reshape(-1).tolist()):
        raise InputError(
            f"{place}: pose_peaks_{which}_rcv has values that are not coordinates"
        )
    return StoredImage(
        # Interned: a name occurs with every pair of its image.
        sys.intern(name),
        values[f"image_raw_{which}"][0],
        kp.clean(rcv[:, [1, 0, 2]]),
    )


@dataclass
class Copy:
    """An image in a file, flipped or not.

    Attributes:
        digest: Checksum of the image's bytes and pose.
        offset, length: Place of its bytes in the file.
        pose: float32 [18, 3], in pixels of the image.
        first, last: Numbers of its first and last record.
    """

    digest: bytes
    offset: int
    length: int
    pose: np.ndarray
    first: int
    last: int


@dataclass(frozen=True)
class Index:
    """Images and pairs of a file.

    Attributes:
        path: Path of the file.
        split: "train" or "test", or None if neither the name of the file nor that of
            its folder has it.
        copies: Copies of each name, one or two, in the order of the file.
        pairs: Names of source and target of each record, None for negative pairs.
        begin: First record that is not flipped, and the last one that it might be.
    """

    path: Path
    split: str | None
    copies: dict[str, list[Copy]]
    pairs: list[tuple[str, str] | None]
    begin: tuple[int, int]

    def unflipped(self, name: str) -> Copy | None:
        """Returns the image, or None if the file only has its flipped copy."""
        last = self.copies[name][-1]
        return last if last.last >= self.begin[0] else None

    def is_doubtful(self, name: str) -> bool:
        """True for an image between the two parts, which may belong to either."""
        (copy, *others), (begin, end) = self.copies[name], self.begin
        return not others and 0 < begin <= copy.first and copy.last < end

    def unflipped_pairs(self) -> list[tuple[str, str]]:
        """Returns the names of the positive pairs that are not flipped."""
        return [pair for pair in self.pairs[self.begin[0] :] if pair]


def scan(path: Path) -> Index:
    """Reads a file once while it stays the same.

    Raises:
        InputError: See `read`; or the number of records is not that of the converter,
            or flipped copies cannot be told from images.
    """
    status = path.stat()
    copies, pairs = _read_through(path, status.st_size, status.st_mtime_ns)
    _check_count(path, len(pairs))
    split = _split(path)
    begin = _second_part(path, split, list(copies.values()), len(pairs))
    return Index(path, split, copies, pairs, begin)


# Images and pairs are read one after the other, and a file can have 100 GB.
@lru_cache(maxsize=64)
def _read_through(
    path: Path, size: int, time: int
) -> tuple[dict[str, list[Copy]], list[tuple[str, str] | None]]:
    copies: dict[str, list[Copy]] = {}
    pairs: list[tuple[str, str] | None] = []
    for number, pair in enumerate(read(path)):
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
