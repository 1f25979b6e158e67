"""COCO's JSON: annotation files, and lists of results.

An annotation file has `images` (`id`, `file_name`) and `annotations` (`image_id`,
`keypoints` of x, y, v; 0 is not labelled, 1 hidden, 2 visible). If its images have
`width` and `height`, the keypoints are in pixels of that size. A list of results has
`image_id`, `keypoints` of x, y, confidence, and `score`, one entry a person; OpenPose's
`--write_coco_json` and MMPose's and Detectron2's test programs write it. Its numbers
are named by the `images` of another file, which may be without annotations.
"""

from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.poses.formats import people
from preprocessing.poses.formats.people import Parsed, Person
from preprocessing.system import files
from preprocessing.system.errors import InputError


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
        InputError: an image, an annotation or a result is malformed.
    """
    return _annotated(path, value) if isinstance(value, dict) else results(path, value)


def results(path: Path, value: list) -> Parsed:
    """Reads a list of results; entries of one image are gathered.

    Raises:
        InputError: an entry is malformed.
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
    # Captions and boxes of COCO say nothing of poses, not even that nobody is there.
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
            raise InputError(f"{where}: file_name is {files.shown(name)}, no name")
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
