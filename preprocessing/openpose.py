"""Reads the JSON that OpenPose writes, one file for each image.

Understood are the keys of every version (`pose_keypoints`, `pose_keypoints_2d`) and
the body models COCO (18 keypoints) and BODY_25, told apart by their number.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from preprocessing import files
from preprocessing import keypoints as kp
from preprocessing.errors import InputError

SUFFIX = "_keypoints.json"
_KEYS = ("pose_keypoints_2d", "pose_keypoints")


class Detection(NamedTuple):
    """What an estimator found in one image.

    Attributes:
        pose: float32 [18, 3] of the person chosen, or None where nobody was found.
        people: how many people were found.
    """

    pose: np.ndarray | None
    people: int


def read_json(path: str | Path) -> Detection:
    """Reads the pose of the person with the highest mean confidence.

    The mean is over all 18 keypoints, those not found counting 0.

    Raises:
        InputError: the file cannot be read, is no OpenPose JSON, or holds another
            body model; the message names it.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise InputError(f"{path}: no OpenPose JSON: it has no list `people`")
    poses = [_person(path, index, person) for index, person in enumerate(people)]
    poses = [pose for pose in poses if kp.found(pose).any()]
    if not poses:
        return Detection(None, 0)
    best = max(poses, key=lambda pose: float(pose[:, 2].mean()))
    return Detection(best, len(poses))


def write_json(path: str | Path, pose: np.ndarray) -> None:
    """Writes one person's pose, float [18, 3], as OpenPose (COCO-18) would."""
    values = [round(float(value), 3) for value in np.asarray(pose).reshape(-1)]
    content = {"version": 1.3, "people": [{"pose_keypoints_2d": values}]}
    files.write_text(path, json.dumps(content) + "\n")


def _person(path: str | Path, index: int, person: object) -> np.ndarray:
    fields = person if isinstance(person, dict) else {}
    values = next((fields[key] for key in _KEYS if key in fields), None)
    where = f"{path}: person {index}"
    if not isinstance(values, list):
        raise InputError(f"{where} has neither `{_KEYS[0]}` nor `{_KEYS[1]}`")
    if not all(kp.is_number(value) for value in values):
        raise InputError(f"{where}: its keypoints are not all numbers")
    if len(values) == 3 * 18:
        return kp.clean(np.reshape(values, (18, 3)))
    if len(values) == 3 * 25:
        return kp.clean(np.reshape(values, (25, 3))[list(kp.FROM_BODY_25)])
    if len(values) == 3 * 15:
        raise InputError(
            f"{where} has 15 keypoints, OpenPose's MPI model: it has no eyes and "
            "ears; run OpenPose with --model_pose COCO or BODY_25"
        )
    raise InputError(
        f"{where} has {len(values)} numbers; allowed are 54 (COCO, 18 keypoints) "
        "and 75 (BODY_25)"
    )
