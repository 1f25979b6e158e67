"""The JSON that OpenPose writes, one file for each image: `<image>_keypoints.json`.

Reads the keys of every version: `people` with `pose_keypoints_2d` (since 1.1) or
`pose_keypoints` (1.0), and `bodies` with `joints` (before). Ignores faces and hands,
and people without body keypoints.

ControlNet, DWPose and the pose editors of ComfyUI write the same in pixels of a canvas,
with `canvas_width` and `canvas_height`, and mostly in a list of one image.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats.people import Parsed, Person, declared_size, person
from preprocessing.system import files
from preprocessing.system.errors import InputError

SUFFIX = "_keypoints.json"
_PEOPLE = ("people", "bodies")
_BODY = ("pose_keypoints_2d", "pose_keypoints", "joints")
_OTHERS = ("face_keypoints", "hand_left_keypoints", "hand_right_keypoints")


def matches(value: object) -> bool:
    """True if parsed JSON looks like an OpenPose file of one image."""
    people = _people(_of_list(value))
    return people == [] or any(
        key.startswith((*_BODY, *_OTHERS)) for key in files.first(people)
    )


def parse(path: Path, value: object) -> Parsed:
    """Reads the people of one image from JSON that `matches`.

    Raises:
        InputError: A person is malformed, or the list is of several images.
    """
    if isinstance(value, list) and len(value) > 1:
        raise InputError(
            f"{path}: poses of {len(value)} images; give one file for each"
        )
    fields = _of_list(value)
    size = declared_size(fields, "canvas_height", "canvas_width")
    return Parsed({None: people(str(path), fields)}, sizes={None: size} if size else {})


def people(where: str, value: object) -> list[Person]:
    """Reads the people of one image; `where` names it in messages.

    Raises:
        InputError: A person is malformed.
    """
    found = _people(value)
    if found is None:
        raise InputError(f"{where} has no list `{_PEOPLE[0]}`")
    persons = []
    for index, entry in enumerate(found):
        place = f"{where}: person {index}"
        fields = files.as_object(place, entry)
        values = next((fields[key] for key in _BODY if key in fields), None)
        if values is None and not any(key.startswith(_OTHERS) for key in fields):
            raise InputError(f"{place} has neither `{_BODY[0]}` nor `{_BODY[1]}`")
        if values is not None and values != []:
            persons.append(person(place, values))
    return persons


def write_json(path: str | Path, pose: np.ndarray) -> None:
    """Writes a person's pose, float [18, 3], as OpenPose (COCO-18) would.

    A pose without keypoints gives a file without people.
    """
    values = [round(float(value), 3) for value in np.asarray(pose).reshape(-1)]
    people = [{"pose_keypoints_2d": values}] if kp.found(np.asarray(pose)).any() else []
    files.write_text(path, json.dumps({"version": 1.3, "people": people}) + "\n")


def _of_list(value: object) -> Any:
    """Returns the first element of a list, or the value itself if it is no list."""
    return value[0] if isinstance(value, list) and value else value


def _people(value: object) -> list | None:
    fields = value if isinstance(value, dict) else {}
    found = next((fields[key] for key in _PEOPLE if key in fields), None)
    return found if isinstance(found, list) else None
