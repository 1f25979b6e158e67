"""The JSON of AlphaPose, MMPose and MediaPipe.

AlphaPose writes by default a list of results like COCO's, with images by name. With
`--format cmu` or `--format open` it writes an object with an OpenPose-like entry for
each image, and besides one OpenPose-like file for each image. Those are right only for
its models of COCO's 17 keypoints: for Halpe's the neck is the top of the head.

MMPose's inferencer writes a list of people as `<image>.json`, its demo programs write
`results_<image>.json` with that list as `instance_info`. A person has `keypoints` of
[x, y], `keypoint_scores` and mostly `bbox_score`. For a video both write a list of
frames, which cannot be matched to images.

MediaPipe (BlazePose) has no file format of its own; programs save its landmarks.
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

from preprocessing.poses.formats import openpose, people
from preprocessing.poses.formats.people import NORMALIZED, Parsed, Person
from preprocessing.system import files
from preprocessing.system.errors import InputError

_MMPOSE_PREFIX = "results_"
_LANDMARKS = 33
_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark")
_POSE_KEYS = set(_KEYS[:2])


def matches(value: object) -> bool:
    """True if parsed JSON looks like either file."""
    if isinstance(value, dict):
        return "file_name" in files.first(value.get("images"))
    return is_results(value)


def is_results(value: object) -> bool:
    """True if parsed JSON looks like a list of results."""
    return {"image_id", "keypoints"} <= files.first(value).keys()


def parse(path: Path, value: Any) -> Parsed:
    """Reads the people of each image from JSON that `matches`.

    Raises:
        InputError: An image, an annotation or a result is malformed.
    """
    return _annotated(path, value) if isinstance(value, dict) else results(path, value)


def results(path: Path, value: list) -> Parsed:
    """Reads a list of results; entries of one image are gathered.

    Raises:
        InputError: An entry is malformed.
    """
    images: dict[str | int | None, list[Person]] = {}
    for index, entry in enumerate(value):
        where = f"{path}: entry {index}"
        fields = files.as_object(where, entry)
        image = _key(where, fields, "image_id")
        score = people.score(where, fields, "score")
        person = people.person(where, fields.get("keypoints"), score)
        images.setdefault(image, []).append(person)
    return Parsed(images)


def _annotated(path: Path, value: dict) -> Parsed:
    names = _names(path, value["images"])
    numbered = {key: name for key, name in names.items() if isinstance(key, int)}
    sizes = _sizes(value["images"], names)
    annotations = value.get("annotations")
    if not isinstance(annotations, list):
        annotations = []
    # COCO files of captions and boxes have no poses.
    if not any(isinstance(a, dict) and "keypoints" in a for a in annotations):
        return Parsed({}, numbered, sizes)
    images: dict[str | int | None, list[Person]] = {n: [] for n in names.values()}
    for index, annotation in enumerate(annotations):
        where = f"{path}: annotation {index}"
        fields = files.as_object(where, annotation)
        if fields.get("keypoints", []) == []:
            continue
        image = _key(where, fields, "image_id")
        if image not in names:
            raise InputError(f"{where}: no image has the id {files.shown(image)}")
        score = people.score(where, fields, "score")
        person = people.person(where, fields["keypoints"], score)
        person.keypoints[:, 2] = np.minimum(person.keypoints[:, 2], 1)
        images[names[image]].append(person)
    return Parsed(images, numbered, sizes)


def _sizes(
    images: list[dict], names: dict[str | int, str]
) -> dict[str | int | None, tuple[int, int]]:
    """Returns the declared sizes of images, by name and by number."""
    sizes: dict[str | int | None, tuple[int, int]] = {}
    for image in images:
        if size := people.declared_size(image, "height", "width"):
            sizes[names[image["id"]]] = size
            if isinstance(image["id"], int):
                sizes[image["id"]] = size
    return sizes


def _names(path: Path, images: list) -> dict[str | int, str]:
    names: dict[str | int, str] = {}
    for index, image in enumerate(images):
        where = f"{path}: image {index}"
        fields = files.as_object(where, image)
        key, name = _key(where, fields, "id"), fields.get("file_name")
        if not isinstance(name, str):
            raise InputError(f"{where}: file_name is {files.shown(name)}, not a name")
        if names.setdefault(key, name) != name:
            raise InputError(f"{where}: a second image of id {files.shown(key)}")
    return names


def _key(where: str, fields: dict, field: str) -> str | int:
    key = fields.get(field)
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise InputError(
            f"{where}: {field} is {files.shown(key)}, neither a name nor a number"
        )
    return key


def matches_alphapose(value: object) -> bool:
    """True if parsed JSON looks like an AlphaPose file of many images."""
    if isinstance(value, dict):
        return bool(value) and all(map(openpose.matches, value.values()))
    named = not isinstance(files.first(value).get("image_id"), int)
    return named and is_results(value)


def parse_alphapose(path: Path, value: Any) -> Parsed:
    """Reads the people of each image from JSON that `matches_alphapose` accepts.

    Raises:
        InputError: An entry is malformed.
    """
    if isinstance(value, dict):
        return Parsed(
            {
                image: openpose.people(f"{path}: {files.shown(image)}", entry)
                for image, entry in value.items()
            }
        )
    return results(path, value)


def matches_mmpose(value: object) -> bool:
    """True if parsed JSON looks like an MMPose file; an empty list has no people."""
    if isinstance(value, dict):
        return isinstance(value.get("instance_info"), list)
    fields = files.first(value)
    return value == [] or "keypoint_scores" in fields or "instances" in fields


def parse_mmpose(path: Path, value: Any) -> Parsed:
    """Reads the people of one image from JSON that `matches_mmpose` accepts.

    A person's score is that of the box times the mean of the keypoints', as MMPose
    itself ranks people.

    Raises:
        InputError: A person is malformed, or the file is of a video.
    """
    image, instances = None, value
    if isinstance(value, dict):
        instances = value["instance_info"]
        if path.name.startswith(_MMPOSE_PREFIX):
            image = path.name.removeprefix(_MMPOSE_PREFIX)
    if "instances" in files.first(instances):
        raise InputError(
            f"{path}: an MMPose result of a video; run MMPose on the frames as images"
        )
    people = [
        _mmpose_person(f"{path}: person {index}", instance)
        for index, instance in enumerate(instances)
    ]
    return Parsed({image: people})


def _mmpose_person(where: str, instance: object) -> Person:
    fields = files.as_object(where, instance)
    places = fields.get("keypoints")
    if not isinstance(places, list):
        raise InputError(f"{where} has no list of keypoints")
    sure = people.numbers(where, fields.get("keypoint_scores"))
    pairs = [people.numbers(where, place) for place in places]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"{where}: some keypoints are not [x, y]")
    if len(sure) != len(pairs) or not sure:
        raise InputError(f"{where}: {len(pairs)} keypoints, {len(sure)} scores")
    keypoints = np.column_stack([np.array(pairs, np.float64), sure])
    box = people.score(where, fields, "bbox_score")
    return Person(where, keypoints, (1 if box is None else box) * float(np.mean(sure)))


def matches_mediapipe(value: object) -> bool:
    """True if parsed JSON looks like MediaPipe's landmarks of one image."""
    found = _mediapipe_people(_landmarks(value))
    if found is None or value == []:
        return False
    # The other keys are also those of faces, hands and objects.
    named = isinstance(value, dict) and not _POSE_KEYS.isdisjoint(value)
    return named or all(len(person) == _LANDMARKS for person in found)


def parse_mediapipe(path: Path, value: Any) -> Parsed:
    """Reads the people of one image from JSON that `matches_mediapipe` accepts.

    Raises:
        InputError: A landmark is malformed.
    """
    fields = value if isinstance(value, dict) else {}
    image = fields["image"] if isinstance(fields.get("image"), str) else None
    found = [
        _mediapipe_person(f"{path}: person {index}", landmarks)
        for index, landmarks in enumerate(_mediapipe_people(_landmarks(value)) or [])
    ]
    size = people.declared_size(fields, "height", "width")
    return Parsed({image: found}, sizes={image: size} if size else {}, scale=NORMALIZED)


def _landmarks(value: object) -> object:
    """Returns the value under a key of `_KEYS`, or `value` itself."""
    while isinstance(value, dict):
        key = next((key for key in _KEYS if key in value), None)
        if key is None:
            break
        value = value[key]
    return value


def _mediapipe_people(landmarks: object) -> list[list] | None:
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


def _mediapipe_person(where: str, landmarks: list) -> Person:
    if len(landmarks) != _LANDMARKS:
        raise InputError(
            f"{where}: {len(landmarks)} landmarks; MediaPipe has {_LANDMARKS}"
        )
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
