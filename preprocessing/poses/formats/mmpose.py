"""The JSON that MMPose writes of an image.

Its inferencer writes a list of people as `<image>.json`, its demo programs write
`results_<image>.json` with that list as `instance_info`. A person has `keypoints` of
[x, y], `keypoint_scores` and mostly `bbox_score`. Of a video either has a list of
frames, which are no images that one could look up.
"""

from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.poses.formats import people
from preprocessing.poses.formats.people import Parsed, Person
from preprocessing.system import files
from preprocessing.system.errors import InputError

_PREFIX = "results_"


def matches(value: object) -> bool:
    """True if parsed JSON looks like MMPose's; an empty list is nobody."""
    if isinstance(value, dict):
        return isinstance(value.get("instance_info"), list)
    fields = files.first(value)
    return value == [] or "keypoint_scores" in fields or "instances" in fields


def parse(path: Path, value: Any) -> Parsed:
    """Reads the people of one image from JSON that `matches`.

    A person's score is that of the box times the mean of the keypoints', as MMPose
    itself ranks people.

    Raises:
        InputError: a person is malformed, or the file is of a video.
    """
    image, instances = None, value
    if isinstance(value, dict):
        instances = value["instance_info"]
        if path.name.startswith(_PREFIX):
            image = path.name.removeprefix(_PREFIX)
    if "instances" in files.first(instances):
        raise InputError(
            f"{path}: MMPose's result of a video; run it on the frames as images"
        )
    people = [
        _person(f"{path}: person {index}", instance)
        for index, instance in enumerate(instances)
    ]
    return Parsed({image: people})


def _person(where: str, instance: object) -> Person:
    fields = files.as_object(where, instance)
    places = fields.get("keypoints")
    if not isinstance(places, list):
        raise InputError(f"{where} has no list of keypoints")
    sure = people.numbers(where, fields.get("keypoint_scores"))
    pairs = [people.numbers(where, place) for place in places]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"{where}: its keypoints are not all [x, y]")
    if len(sure) != len(pairs) or not sure:
        raise InputError(f"{where}: {len(pairs)} keypoints, {len(sure)} scores")
    keypoints = np.column_stack([np.array(pairs, np.float64), sure])
    box = people.score(where, fields, "bbox_score")
    return Person(where, keypoints, (1 if box is None else box) * float(np.mean(sure)))
