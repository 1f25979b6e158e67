"""The JSON that AlphaPose writes.

By default a list of results like COCO's, with images by name. With `--format cmu` or
`--format open` an object with an OpenPose-like entry for each image; the one file for
each image that it writes besides is like OpenPose's. Those are right for its models of
COCO's 17 keypoints only: of Halpe's it writes the top of the head as the neck.
"""

from pathlib import Path
from typing import Any

from preprocessing.poses.formats import coco, openpose
from preprocessing.poses.formats.people import Parsed
from preprocessing.system import files


def matches(value: object) -> bool:
    """True if parsed JSON looks like AlphaPose's of many images."""
    if isinstance(value, dict):
        return bool(value) and all(map(openpose.matches, value.values()))
    named = not isinstance(files.first(value).get("image_id"), int)
    return named and coco.is_results(value)


def parse(path: Path, value: Any) -> Parsed:
    """Reads the people of each image from JSON that `matches`.

    Raises:
        InputError: an entry is malformed.
    """
    if isinstance(value, dict):
        return Parsed(
            {
                image: openpose.people(f"{path}: {files.shown(image)}", entry)
                for image, entry in value.items()
            }
        )
    return coco.results(path, value)
