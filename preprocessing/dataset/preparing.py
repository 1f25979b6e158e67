"""From an image as its source has it to a record, with notes of what was changed."""

from dataclasses import dataclass, replace

import numpy as np

from preprocessing.dataset import records
from preprocessing.images import framing as fitting
from preprocessing.poses import detections
from preprocessing.poses import keypoints as kp
from preprocessing.poses.detections import Detection
from preprocessing.sources.samples import Notes, Sample
from preprocessing.system.errors import InputError

_TAKEN = {
    "confident": "the most confident",
    "largest": "the largest",
    "central": "the one nearest the centre",
}


@dataclass(frozen=True)
class Preparation:
    """How images are prepared.

    Attributes:
        size: height and width they are brought to.
        fit: how, where proportions differ; one of `fitting.MODES`.
        person: who is meant where there are several; one of `detections.POLICIES`.
        min_confidence: keypoints with less count as not found.
        pose_size: height and width of the images that the poses were found in, where
            they are not the images at hand.
    """

    size: tuple[int, int]
    fit: str
    person: str
    min_confidence: float = 0.0
    pose_size: tuple[int, int] | None = None


def prepare(
    sample: Sample, found: Detection | None, preparation: Preparation
) -> tuple[records.Record | None, Notes]:
    """Reads an image, fits it and its pose into the wanted size, and encodes both.

    Args:
        sample: to read.
        found: the people in it, where an annotation names it.
        preparation: how.

    Returns:
        The record, or None where the image cannot be read; and notes.
    """
    notes, size = Notes(), preparation.size
    try:
        image, fitted = fitting.fit_jpeg(
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
    if found and preparation.pose_size:
        found = replace(found, size=None)
    if found and found.size and found.is_scaled_to(fitted.size):
        declared = "{}x{}".format(*found.size)
        notes.add(
            f"images of another size than the {declared} that their poses' file "
            "declares: poses scaled",
            sample.name,
        )
    pose = _pose(found, fitted, preparation) if found else kp.missing_pose()
    if found and len(found.people) > 1:
        taken = _TAKEN[preparation.person]
        notes.add(f"images with several people: {taken} was taken", sample.name)
    return records.encode(sample.name, sample.identity, image, pose, size=size), notes


def _pose(
    found: Detection, fitted: fitting.Fit, preparation: Preparation
) -> np.ndarray:
    """Returns the pose of the person who is meant, in pixels of the fitted image."""
    pose_size = preparation.pose_size or fitted.size
    chosen = detections.choose(found, pose_size, policy=preparation.person)
    if chosen is None:
        return kp.missing_pose()
    pose = fitting.reframe(chosen, pose_size, fitted.size)
    pose[pose[:, 2] < preparation.min_confidence] = 0
    return fitting.fit_pose(pose, fitted)


def _framed(fitted: fitting.Fit) -> str:
    if fitted.framed == fitted.size:
        return ""
    cut = fitted.top < 0 or fitted.left < 0
    return f", {'cropped' if cut else 'padded'} to these proportions"
