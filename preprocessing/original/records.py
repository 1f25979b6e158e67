"""Reads the TFRecords that the authors' released converter writes.

One tf.train.Example a pair, with an image as often as it has pairs. Its features, of
source (0) and target (1):

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

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

SUFFIX = ".tfrecord"
# Around each Example: its length and the checksum of that before, its checksum after.
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


@dataclass(frozen=True)
class StoredImage:
    """One image of a pair.

    Attributes:
        name: Name of the image file.
        content: the bytes of that file.
        pose: float32 [18, 3], in pixels of the image.
    """

    name: str
    content: bytes
    pose: np.ndarray


@dataclass(frozen=True)
class StoredPair:
    """One record.

    Attributes:
        source, target: the images.
        size: height and width of the images in pixels, as the record has them.
        same_person: whether it is a positive pair.
        start: Position of the first byte of the Example in the file.
        example: these bytes.
    """

    source: StoredImage
    target: StoredImage
    size: tuple[int, int]
    same_person: bool
    start: int
    example: bytes

    def find(self, image: StoredImage) -> int:
        """Returns where in the file the bytes of one of the two images start."""
        return self.start + self.example.index(image.content)


def read(path: Path) -> Iterator[StoredPair]:
    """Yields the pairs of a file, in its order.

    Raises:
        InputError: the file cannot be read or is damaged, or a record lacks a feature
            or has one of another kind; the message names the file and the record.
    """
    # Here, so that the sources can be listed without TensorFlow.
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
    # The latter where TensorFlow's message quotes bytes that are no text.
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: record {number} is no tf.train.Example with the features of "
            f"the released code ({', '.join(_KINDS)})"
        ) from error
    except tf.errors.OpError as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__})") from error
    # TensorFlow takes a few bytes that are no whole length for the end of the file.
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
        raise InputError(f"{place}: image_name_{which} is {name!r}, no file name")
    rcv = values[f"pose_peaks_{which}_rcv"].reshape(kp.NUM_KEYPOINTS, 3)
    if not all(kp.is_number(value) for value in rcv.reshape(-1).tolist()):
        raise InputError(f"{place}: pose_peaks_{which}_rcv are not all numbers")
    return StoredImage(
        # Kept once: a name comes back with every pair of its image.
        sys.intern(name),
        values[f"image_raw_{which}"][0],
        kp.clean(rcv[:, [1, 0, 2]]),
    )
