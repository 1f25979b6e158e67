"""The landmarks of MediaPipe's pose landmarker (BlazePose), saved as JSON.

A person is a list of 33 landmarks. A landmark is an object with `x`, `y` and mostly
`visibility`, or a list x, y, z, visibility; x and y are shares of the image's width and
height. A file holds a list of people or one person, as it is or under one of `_KEYS`:
`pose_landmarks` in Python, `poseLandmarks` and `landmarks` in JavaScript, and within
them `landmark` from the older solution. It may also name the image and its size, as
`image`, `width` and `height`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.poses.formats import people
from preprocessing.poses.formats.people import Parsed, Person
from preprocessing.poses.formats.scales import NORMALIZED
from preprocessing.system.errors import InputError

COUNT = 33
_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark")
_POSE_KEYS = set(_KEYS[:2])


def matches(value: object) -> bool:
    """True if parsed JSON looks like MediaPipe's landmarks of one image."""
    found = _people(_landmarks(value))
    if found is None or value == []:
        return False
    # The other keys are also those of faces, hands and objects.
    named = isinstance(value, dict) and not _POSE_KEYS.isdisjoint(value)
    return named or all(len(person) == COUNT for person in found)


def parse(path: Path, value: Any) -> Parsed:
    """Reads the people of one image from JSON that `matches`.

    Raises:
        InputError: a landmark is malformed.
    """
    fields = value if isinstance(value, dict) else {}
    image = fields["image"] if isinstance(fields.get("image"), str) else None
    found = [
        _person(f"{path}: person {index}", landmarks)
        for index, landmarks in enumerate(_people(_landmarks(value)) or [])
    ]
    size = people.declared_size(fields, "height", "width")
    return Parsed({image: found}, sizes={image: size} if size else {}, scale=NORMALIZED)


def _landmarks(value: object) -> object:
    """Returns what is under the keys of `_KEYS`, or `value` itself."""
    while isinstance(value, dict):
        key = next((key for key in _KEYS if key in value), None)
        if key is None:
            break
        value = value[key]
    return value


def _people(landmarks: object) -> list[list] | None:
    """Returns people as lists of landmarks; None if it is neither."""
    if not isinstance(landmarks, list):
        return None
    if landmarks and all(map(_is_landmark, landmarks)):
        return [landmarks]
    unwrapped = [_landmarks(person) for person in landmarks]
    if all(
        isinstance(person, list) and person and all(map(_is_landmark, person))
        for person in unwrapped
    ):
        return unwrapped  # type: ignore[return-value]
    return None


def _is_landmark(value: object) -> bool:
    if isinstance(value, dict):
        return "x" in value and "y" in value
    return (
        isinstance(value, list)
        and 2 <= len(value) <= 5
        and not any(isinstance(part, (list, dict)) for part in value)
    )


def _person(where: str, landmarks: list) -> Person:
    if len(landmarks) != COUNT:
        raise InputError(f"{where}: {len(landmarks)} landmarks; MediaPipe has {COUNT}")
    rows = []
    for index, landmark in enumerate(landmarks):
        place = f"{where}: landmark {index}"
        if isinstance(landmark, dict):
            landmark = [
                landmark["x"],
                landmark["y"],
                0,
                landmark.get("visibility", landmark.get("presence", 1)),
            ]
        x, y, *others = people.numbers(place, landmark)
        # Of three numbers the third is z, the depth.
        rows.append([x, y, others[1] if len(others) > 1 else 1])
    return Person(where, np.array(rows, np.float64))
