"""The formats of pose files: recognises the format, and reads the file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.poses.detections import Detection, detection
from preprocessing.poses.formats import annotation_csv, estimators, openpose, people
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.poses.formats.people import NORMALIZED, Parsed
from preprocessing.system import files
from preprocessing.system.errors import InputError
from preprocessing.system.files import UnknownFormatError

PIXELS = "pixels"
SCALES = ("auto", PIXELS, NORMALIZED)
_LARGEST_SHARE = 1.5
# Limit for coordinates that the user declares as shares of the image.
_LARGEST_FORCED = 10.0


def may_be_shares(places: np.ndarray) -> bool:
    """True if coordinates, float [N, 2], are small enough for shares of an image."""
    return float(np.abs(places).max(initial=0)) <= _LARGEST_FORCED


def is_normalized(path: object, places: np.ndarray, scale: str = "auto") -> bool:
    """True if coordinates are shares of width and height, False if pixels.

    Args:
        path: Path of the file, for messages.
        places: x and y of every keypoint found in the file, float [N, 2].
        scale: One of `SCALES`.

    Raises:
        InputError: They are from -1 to 1, or too large for the shares that `scale`
            says they are.
    """
    if scale == PIXELS:
        return False
    furthest = float(np.abs(places).max(initial=0))
    if scale == NORMALIZED:
        if furthest > _LARGEST_FORCED:
            raise InputError(
                f"{path}: coordinates up to {furthest:.0f} are not {NORMALIZED}, which "
                "would be 0 to 1"
            )
        return True
    if len(places) < 2 or furthest > _LARGEST_SHARE or (places % 1 == 0).all():
        return False
    if (places < 0).any():
        raise InputError(
            f"{path}: coordinates from {places.min():.2f} to {places.max():.2f} look "
            "like OpenPose's --keypoint_scale=4; run it with 0 (pixels) or 3 (0 to 1), "
            f"or say that they are {PIXELS} or {NORMALIZED}"
        )
    return True


AUTO, CSV, PEAKS = "auto", "csv", "peaks"
_PICKLES = (".p", ".pkl")


class JsonFormat(NamedTuple):
    """A JSON format.

    Attributes:
        title: Name in reports.
        matches: Whether parsed JSON looks like it, from a glance.
        parse: Reads parsed JSON that does; the path is for messages.
    """

    title: str
    matches: Callable[[object], bool]
    parse: Callable[[Path, Any], Parsed]


# The first format that matches is used.
JSON_FORMATS = {
    "openpose": JsonFormat("OpenPose JSON", openpose.matches, openpose.parse),
    "mmpose": JsonFormat(
        "MMPose JSON", estimators.matches_mmpose, estimators.parse_mmpose
    ),
    "alphapose": JsonFormat(
        "AlphaPose JSON", estimators.matches_alphapose, estimators.parse_alphapose
    ),
    "coco": JsonFormat("COCO JSON", estimators.matches, estimators.parse),
    "mediapipe": JsonFormat(
        "MediaPipe JSON", estimators.matches_mediapipe, estimators.parse_mediapipe
    ),
}
FORMATS = (AUTO, *JSON_FORMATS, CSV, PEAKS)


@dataclass(frozen=True)
class PoseOptions:
    """Format, order and scale of files of poses, if they are not to be recognised.

    Attributes:
        format: One of `FORMATS`.
        order: A key of `people.ORDERS`, or `auto`.
        scale: One of `SCALES`.

    Raises:
        InputError: An option is not allowed.
    """

    format: str = AUTO
    order: str = AUTO
    scale: str = AUTO

    def __post_init__(self) -> None:
        for what, value, allowed in (
            ("format", self.format, FORMATS),
            ("order", self.order, (AUTO, *people.ORDERS)),
            ("scale", self.scale, SCALES),
        ):
            if value not in allowed:
                raise InputError(
                    f"{what} of poses: {value!r}; allowed are {', '.join(allowed)}"
                )


class Contents(NamedTuple):
    """The contents of a file of poses.

    Attributes:
        kind: Format, order and scale, as a report names them.
        images: People found in each image; the keys are those of `Parsed`.
        names: As in `Parsed`.
        sizes: As in `Parsed`.
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
        InputError: The file cannot be read, or something in it is malformed or is not
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
    """Converts keypoints to COCO-18 and chooses their scale."""
    used: dict[str, None] = {}
    poses: dict[str | int | None, list[np.ndarray]] = {}
    for image, persons in parsed.images.items():
        poses[image] = []
        for person in persons:
            order = people.recognise(person.where, len(person.keypoints), options.order)
            used[order.title] = None
            poses[image].append(people.to_coco_18(person.keypoints, order))
    everybody = np.array(
        [pose for found in poses.values() for pose in found], np.float32
    ).reshape(-1, kp.NUM_KEYPOINTS, 3)
    places = everybody[kp.found(everybody)][:, :2]
    scale = options.scale
    if scale == AUTO and parsed.scale == NORMALIZED and may_be_shares(places):
        scale = NORMALIZED
    normalized = is_normalized(path, places, scale)
    images = {
        image: detection(
            found,
            _scores(parsed, image),
            normalized=normalized,
            size=parsed.sizes.get(image),
        )
        for image, found in poses.items()
    }
    kind = [title, "nobody"]
    if len(places):
        kind = [title, " and ".join(used), NORMALIZED if normalized else PIXELS]
    if not all(p.has_confidence for found in parsed.images.values() for p in found):
        kind.append("without confidence (0, 0 and negative: not found)")
    return Contents(", ".join(kind), images, parsed.names, parsed.sizes)


def _scores(parsed: Parsed, image: str | int | None) -> list[float] | None:
    scores = [person.score for person in parsed.images[image]]
    known = [score for score in scores if score is not None]
    return known if len(known) == len(scores) else None


def _read_peaks(path: Path, options: PoseOptions) -> Contents:
    order, scale = people.ORDERS["coco18"], PIXELS
    if options.order not in (AUTO, "coco18") or options.scale not in (AUTO, scale):
        raise InputError(
            f"{path}: the released code's pickles are {order.title} in {scale}"
        )
    kind = f"released code's pickle, {order.title}, {scale}"
    return Contents(kind, dict(pickles.read_peaks(path).items()), {}, {})
