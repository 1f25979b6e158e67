"""Turns images of a source into records, and notes the changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from preprocessing.dataset import records
from preprocessing.images import framing, image_files
from preprocessing.poses import detections
from preprocessing.poses import keypoints as kp
from preprocessing.poses.detections import Detection
from preprocessing.sources.samples import Notes, Sample
from preprocessing.system.errors import InputError

# Images to check before a build, and the shares of joints outside that stop it.
_CHECKED = 200
_MANY = 0.1
_MOST = 0.5
_TAKEN = {
    "confident": "the most confident",
    "largest": "the largest",
    "central": "the one nearest the centre",
}


@dataclass(frozen=True)
class Preparation:
    """Settings of the preparation of images.

    Attributes:
        size: Height and width of the prepared images in pixels.
        fit: Treatment of other proportions, one of `framing.MODES`.
        person: Choice among several people, one of `detections.POLICIES`.
        min_confidence: Keypoints with a lower confidence count as missing.
        pose_size: Height and width of the images that the poses were found in, if
            these are other images.
    """

    size: tuple[int, int]
    fit: str
    person: str
    min_confidence: float = 0.0
    pose_size: tuple[int, int] | None = None


# A record, or None if the image cannot be read; and notes.
Prepared = tuple[records.Record | None, Notes]


def prepare(
    found: tuple[Sample, Detection | None], *, preparation: Preparation
) -> Prepared:
    """Reads an image, resizes it with its pose, and encodes both.

    Args:
        found: Image to read; people in the image, if an annotation names it.
        preparation: Settings of the preparation.

    Returns:
        The record, or None if the image cannot be read; and notes.
    """
    (sample, people), notes, size = found, Notes(), preparation.size
    try:
        image, fitted = framing.fit_jpeg(
            sample.read(), size, name=sample.name, mode=preparation.fit
        )
    except InputError as error:
        notes.add("unreadable images left out", str(error))
        return None, notes
    except OSError as error:
        notes.add("unreadable images left out", f"{sample.name}: {error}")
        return None, notes
    if fitted.size != size:
        came = "{}x{}".format(*fitted.size)
        notes.add(
            f"images resized from {came} to {size[0]}x{size[1]}{_framed(fitted)}",
            sample.name,
        )
    if people and preparation.pose_size:
        people = replace(people, size=None)
    if people and people.size and people.is_scaled_to(fitted.size):
        declared = "{}x{}".format(*people.size)
        notes.add(
            f"images of another size than the {declared} that their poses' file "
            "declares: poses scaled",
            sample.name,
        )
    pose = kp.missing_pose()
    if people:
        placed = pose_in_image(people, fitted.size, preparation)
        if outside := count_outside(placed, fitted.size):
            notes.add("found joints outside their image", sample.name, outside)
        pose = framing.fit_pose(placed, fitted)
    if people and len(people.people) > 1:
        taken = _TAKEN[preparation.person]
        notes.add(f"images with several people: {taken} was taken", sample.name)
    return records.encode(sample.name, sample.identity, image, pose, size=size), notes


def pose_in_image(
    found: Detection, size: tuple[int, int], preparation: Preparation
) -> np.ndarray:
    """Returns the pose of the chosen person in pixels of the image.

    Args:
        found: The people found in the image.
        size: Height and width of the image in pixels.
        preparation: The person to choose, and the size that poses belong to.

    Returns:
        float32 [18, 3]: x, y and confidence; all zeros without a person.
    """
    pose_size = preparation.pose_size or size
    chosen = detections.choose(found, pose_size, policy=preparation.person)
    if chosen is None:
        return kp.missing_pose()
    pose = framing.reframe(chosen, pose_size, size)
    pose[pose[:, 2] < preparation.min_confidence] = 0
    return pose


def count_outside(pose: np.ndarray, size: tuple[int, int]) -> int:
    """Returns the number of found keypoints that lie outside of an image.

    Args:
        pose: Keypoints, float32 [..., 18, 3].
        size: Height and width of the image in pixels.
    """
    inside = kp.found(kp.within(pose, size))
    return int(kp.found(pose).sum() - inside.sum())


def require_poses_inside(
    samples: Sequence[Sample], found: Mapping[str, Detection], preparation: Preparation
) -> None:
    """Checks that poses belong to images of these sizes, on some of the images.

    Args:
        samples: The images.
        found: The people found in each image by its name.
        preparation: The person to choose, and the size that poses belong to.

    Raises:
        InputError: Most found keypoints lie outside their images, or many do and would
            not with x and y swapped. The message names the likely reason.
    """
    posed = [sample for sample in samples if sample.name in found]
    step = max(1, len(posed) // _CHECKED)
    counts, extent = np.zeros(3), np.zeros(2)
    for sample in posed[::step]:
        try:
            image = image_files.decode(sample.read(), name=sample.name)
        except (InputError, OSError):
            continue  # Counted when the shards are written.
        size = image.shape[:2]
        pose = pose_in_image(found[sample.name], size, preparation)
        found_here = kp.found(pose)
        if not found_here.any():
            continue
        swapped = pose[:, [1, 0, 2]]
        outside = (count_outside(pose, size), count_outside(swapped, size))
        counts += (*outside, found_here.sum())
        extent = np.maximum(extent, pose[found_here, 1::-1].max(axis=0))
    if not counts[2]:
        return
    share, share_swapped = counts[:2] / counts[2]
    message = f"{share:.0%} of the found joints lie outside their images; "
    if share > _MANY and share_swapped < share / 4:
        raise InputError(message + "x and y are swapped in the pose files")
    if share > _MOST:
        raise InputError(
            f"{message}they reach {extent[0]:.0f}x{extent[1]:.0f} (height x width): "
            "give the size of the images that they were found in as --pose_size"
        )


def _framed(fitted: framing.Fit) -> str:
    if fitted.framed == fitted.size:
        return ""
    cut = fitted.top < 0 or fitted.left < 0
    return f", {'cropped' if cut else 'padded'} to these proportions"
