"""Reads the pickles that the authors' released code reads and writes.

    all_peaks_dic_Market-1501_train.p   keypoints that OpenPose found, by image name
    subsets_dic_Market-1501_train.p     the keypoints of each person
    p_pairs_train.p                     pairs of images of one person

A file whose name ends in `_Flip.p` is about mirrored images with the same names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.poses.detections import Detection, detection
from preprocessing.system import safe_pickle
from preprocessing.system.errors import InputError

_PEAKS, _SUBSETS = "all_peaks_dic", "subsets_dic"


def is_peaks_file(path: Path) -> bool:
    """True if a name is that of a file of peaks in images that are not mirrored."""
    name = path.name
    return (
        name.startswith(_PEAKS) and name.endswith(".p") and "_flip" not in name.lower()
    )


def read_peaks(path: str | Path) -> dict[str, Detection]:
    """Reads the people that OpenPose found in the images of a data set.

    Which peaks are one person's stands in the file `subsets_dic_*.p` beside, so it
    must be there. The person with the highest score has the pose that the released
    converter gave its Market-1501 records (datasets/convert_market.py,
    `_get_valid_peaks`). That of DeepFashion (convert_DF.py) makes the same choice but
    then returns all peaks, so that its records mix people where several were found;
    this is not repeated here.

    Args:
        path: `all_peaks_dic_*.p`: for each image name 18 lists of peaks
            (x, y, confidence, id), in pixels.

    Returns:
        The people in each image, with OpenPose's score (not normalised: it grows with
        the number of joints). Where peaks were found but nobody put together, the
        first peak of each joint is taken for one person of score 0, as the released
        code does.

    Raises:
        InputError: A file is missing, no such pickle, or holds no entry for an image;
            the message names file and image.
    """
    path = Path(path)
    if not path.name.startswith(_PEAKS):
        raise InputError(f"{path}: peaks are in files named {_PEAKS}_*.p")
    beside = path.with_name(path.name.replace(_PEAKS, _SUBSETS, 1))
    if path.exists() and not beside.exists():
        raise InputError(
            f"{path}: needs {beside.name} beside it, which says which peaks are one "
            "person's"
        )
    peaks, subsets = _read_dict(path), _read_dict(beside)
    found = {}
    for name, joints in peaks.items():
        if name not in subsets:
            raise InputError(f"{beside}: no entry for {name}, which {path.name} has")
        found[name] = _people(
            _joints(joints, f"{path}: {name}"),
            _persons(subsets[name], f"{beside}: {name}"),
        )
    return found


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Reads a list of pairs, `p_pairs_*.p`.

    Returns:
        The names of source and target of each.

    Raises:
        InputError: The file is no such pickle, or lists the negative pairs
            (`n_pairs_*.p`: two different persons), which the released code never
            trains on.
    """
    path = Path(path)
    if path.name.startswith("n_pairs"):
        raise InputError(
            f"{path}: lists negative pairs, of two different persons; those of one "
            "person are in p_pairs_*.p"
        )
    pairs = safe_pickle.load(path)
    if not isinstance(pairs, (list, tuple)):
        raise InputError(f"{path}: holds {type(pairs).__name__}, not a list of pairs")
    for number, pair in enumerate(pairs):
        if not _is_list(pair, 2) or not all(map(_is_name, pair)):
            raise InputError(f"{path}: entry {number} is not a pair of image names")
    return [(source, target) for source, target in pairs]


def _read_dict(path: Path) -> dict[str, Any]:
    content = safe_pickle.load(path)
    if not isinstance(content, dict) or not all(map(_is_name, content)):
        raise InputError(f"{path}: holds no dict of image names")
    if not content:
        raise InputError(f"{path}: holds no image")
    return content


def _joints(joints: Any, place: str) -> list[list[tuple]]:
    """Returns the peaks of each joint: x, y, confidence, id."""
    if not _is_list(joints, kp.NUM_KEYPOINTS):
        raise InputError(f"{place}: not {kp.NUM_KEYPOINTS} lists of peaks")
    for peaks in joints:
        if not isinstance(peaks, (list, tuple)) or not all(map(_is_peak, peaks)):
            raise InputError(f"{place}: a peak is not (x, y, confidence, id)")
    return joints


def _is_peak(peak: Any) -> bool:
    return _is_list(peak, 4) and all(
        kp.is_number(value.item() if isinstance(value, np.generic) else value)
        for value in peak
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _is_list(value: Any, length: int) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == length


def _persons(subsets: Any, place: str) -> np.ndarray:
    """Returns the persons, float [P, 20]: ids of 18 joints, score, number found."""
    width = kp.NUM_KEYPOINTS + 2
    if not isinstance(subsets, np.ndarray) or subsets.dtype.kind not in "iuf":
        raise InputError(f"{place}: not an array of numbers")
    if subsets.size and (subsets.ndim != 2 or subsets.shape[1] != width):
        shape = list(subsets.shape)
        raise InputError(f"{place}: an array {shape}, needed is [persons, {width}]")
    if not np.isfinite(subsets).all():
        raise InputError(f"{place}: not all numbers are finite")
    return subsets.reshape(-1, width)


def _people(joints: Sequence[Sequence[tuple]], persons: np.ndarray) -> Detection:
    if not len(persons):
        return detection([_pose([peaks[:1] for peaks in joints])], [0.0])
    poses = []
    for person in persons.tolist():
        ids = person[: kp.NUM_KEYPOINTS]
        poses.append(_pose([[p for p in peaks if p[3] in ids] for peaks in joints]))
    return detection(poses, persons[:, -2].tolist())


def _pose(joints: Sequence[Sequence[tuple]]) -> np.ndarray:
    """Returns the pose of one person, whose peaks `joints` has for each joint."""
    pose = kp.missing_pose()
    for joint, peaks in enumerate(joints):
        if peaks:
            # Of several, the last, as the released code takes it.
            pose[joint] = peaks[-1][:3]
    return pose
