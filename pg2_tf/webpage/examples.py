"""Drawn people to begin with, whom no photo shows, and poses to choose from."""

import numpy as np

from pg2_tf.posing import named_poses
from pg2_tf.posing import photo as photos
from pg2_tf.posing.target_poses import Target, named_target
from pg2_tf.webpage.handlers import Found
from preprocessing import synthetic as people
from preprocessing.images import drawing as pictures

_PEOPLE = 4
# Apart from the streams of `sources.synthetic`: nobody a model was trained on.
_STREAM = (0, 0, 4)
_SMALLEST = 256
_LIGHT = 238


def drawn_people(image_size: tuple[int, int]) -> list[Found]:
    """Draws people in the proportions of a model's images."""
    scale = max(1, -(-_SMALLEST // image_size[0]))
    size = (image_size[0] * scale, image_size[1] * scale)
    return [_drawn(number, size, image_size) for number in range(_PEOPLE)]


def poses() -> list[Target]:
    """Returns the poses with a name, then the motions."""
    names = (*named_poses.NAMES, *named_poses.MOTIONS)
    return [target for name in names if (target := named_target(name)) is not None]


def caption(target: Target) -> str:
    """Returns what a pose is called in the gallery."""
    moves = " (moves)" if target.frames_per_second > 0 else ""
    return target.name.replace("-", " ") + moves


def thumbnail(target: Target) -> np.ndarray:
    """Returns the first pose of a target as a picture, uint8 [H, W, 3]."""
    ground = np.full((*target.size, 3), _LIGHT, np.uint8)
    return pictures.draw_pose(target.poses[0], size=target.size, scale=1, image=ground)


def _drawn(number: int, size: tuple[int, int], image_size: tuple[int, int]) -> Found:
    rng = np.random.default_rng([number, *_STREAM])
    person, background = people.random_person(rng), people.random_background(rng)
    body_pose = people.random_body_pose(rng, facing="front")
    photo, pose = people.draw(person, body_pose, size=size, background=background)
    name = f"drawn person {number + 1}"
    found = photos.find_person(photo, image_size, name=name, pose=pose, crop="none")
    return Found(found, [pose], 1)
