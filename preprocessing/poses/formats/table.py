"""The formats of files of poses: recognised, or as told, and read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.poses.detections import Detection, detection
from preprocessing.poses.formats import (
    alphapose,
    annotation_csv,
    coco,
    mediapipe,
    mmpose,
    openpose,
    orders,
    scales,
)
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.poses.formats.people import Parsed
from preprocessing.system import files
from preprocessing.system.errors import InputError
from preprocessing.system.files import UnknownFormatError

AUTO, CSV, PEAKS = "auto", "csv", "peaks"
_PICKLES = (".p", ".pkl")


class JsonFormat(NamedTuple):
    """A format of JSON.

    Attributes:
        title: how a report names it.
        matches: whether parsed JSON looks like it, from a glance.
        parse: reads parsed JSON that does; the path is for messages.
    """

    title: str
    matches: Callable[[object], bool]
    parse: Callable[[Path, Any], Parsed]


# Those that look like two formats are of the first.
JSON_FORMATS = {
    "openpose": JsonFormat("OpenPose JSON", openpose.matches, openpose.parse),
    "mmpose": JsonFormat("MMPose JSON", mmpose.matches, mmpose.parse),
    "alphapose": JsonFormat("AlphaPose JSON", alphapose.matches, alphapose.parse),
    "coco": JsonFormat("COCO JSON", coco.matches, coco.parse),
    "mediapipe": JsonFormat("MediaPipe JSON", mediapipe.matches, mediapipe.parse),
}
FORMATS = (AUTO, *JSON_FORMATS, CSV, PEAKS)


@dataclass(frozen=True)
class PoseOptions:
    """What is said of files of poses, rather than recognised.

    Attributes:
        format: one of `FORMATS`.
        order: a key of `orders.ORDERS`, or `auto`.
        scale: one of `scales.SCALES`.

    Raises:
        InputError: it is none of them.
    """

    format: str = AUTO
    order: str = AUTO
    scale: str = AUTO

    def __post_init__(self) -> None:
        for what, value, allowed in (
            ("format", self.format, FORMATS),
            ("order", self.order, (AUTO, *orders.ORDERS)),
            ("scale", self.scale, scales.SCALES),
        ):
            if value not in allowed:
                raise InputError(
                    f"{what} of poses: {value!r}; allowed are {', '.join(allowed)}"
                )


class Contents(NamedTuple):
    """What is in a file of poses.

    Attributes:
        kind: format, order and scale, as a report names them.
        images: what was found in each image; the keys are as in `Parsed`.
        names: as in `Parsed`.
        sizes: as in `Parsed`.
    """

    kind: str
    images: dict[str | int | None, Detection]
    names: dict[int, str]
    sizes: dict[str | int | None, tuple[int, int]]


def read(path: Path, options: PoseOptions) -> Contents:
    """Reads all poses in a file.

    Without a forced format JSON is told from its content, the released code's pickles
    from their suffix, and anything else is an annotation CSV.

    Raises:
        UnknownFormatError: JSON that is none of the formats, or not the forced one.
        InputError: the file cannot be read, or something in it is malformed or is not
            as `options` say; the message names the file and the entry.
    """
    suffix = path.suffix.lower()
    if options.format == PEAKS or (options.format == AUTO and suffix in _PICKLES):
        return _read_peaks(path, options)
    if options.format == CSV or (options.format == AUTO and suffix != ".json"):
        return _settle(path, "annotation CSV", annotation_csv.parse(path), options)
    value = files.read_json(path)
    found = _recognise(path, value, options)
    return _settle(path, found.title, found.parse(path, value), options)


def _recognise(path: Path, value: object, options: PoseOptions) -> JsonFormat:
    allowed = [JSON_FORMATS[n] for n in JSON_FORMATS if options.format in (AUTO, n)]
    for candidate in allowed:
        if candidate.matches(value):
            return candidate
    titles = " or ".join(candidate.title for candidate in allowed)
    raise UnknownFormatError(f"{path}: no {titles}")


def _settle(path: Path, title: str, parsed: Parsed, options: PoseOptions) -> Contents:
    used: dict[str, None] = {}
    confidence = True
    poses: dict[str | int | None, list[np.ndarray]] = {}
    for image, people in parsed.images.items():
        poses[image] = []
        for person in people:
            order = orders.recognise(person.where, len(person.keypoints), options.order)
            used[order.title] = None
            confidence &= person.has_confidence
            poses[image].append(orders.to_coco_18(person.keypoints, order))
    everybody = np.array(
        [pose for people in poses.values() for pose in people], np.float32
    ).reshape(-1, kp.NUM_KEYPOINTS, 3)
    places = everybody[kp.found(everybody)][:, :2]
    usual = options.scale == AUTO and parsed.scale == scales.NORMALIZED
    wanted = parsed.scale if usual and scales.may_be_shares(places) else options.scale
    normalized = scales.is_normalized(path, places, wanted)
    scale = scales.NORMALIZED if normalized else scales.PIXELS
    kind = [title, " and ".join(used), scale] if len(places) else [title, "nobody"]
    if not confidence:
        kind.append("without confidence (0, 0 and negative: not found)")
    images = {
        image: detection(
            people,
            _scores(parsed, image),
            normalized=normalized,
            size=parsed.sizes.get(image),
        )
        for image, people in poses.items()
    }
    return Contents(", ".join(kind), images, parsed.names, parsed.sizes)


def _scores(parsed: Parsed, image: str | int | None) -> list[float] | None:
    scores = [person.score for person in parsed.images[image]]
    known = [score for score in scores if score is not None]
    return known if len(known) == len(scores) else None


def _read_peaks(path: Path, options: PoseOptions) -> Contents:
    order, scale = orders.ORDERS["coco18"], scales.PIXELS
    if options.order not in (AUTO, "coco18") or options.scale not in (AUTO, scale):
        raise InputError(
            f"{path}: the released code's pickles are {order.title} in {scale}"
        )
    kind = f"released code's pickle, {order.title}, {scale}"
    return Contents(kind, dict(pickles.read_peaks(path).items()), {}, {})
