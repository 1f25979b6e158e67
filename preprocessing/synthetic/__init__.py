"""Drawn people: the same person in many poses, with exact keypoints.

Everything is drawn here from random numbers, so the pictures are free of rights.
"""

import cv2
import numpy as np

from preprocessing.synthetic.body import draw_person, draw_shadow
from preprocessing.synthetic.looks import Person, random_person
from preprocessing.synthetic.poses import FACINGS, BodyPose, random_body_pose
from preprocessing.synthetic.shapes import Canvas, changed
from preprocessing.synthetic.skeleton import body_keypoints, place_in_picture, pose_body
from preprocessing.synthetic.surroundings import (
    Background,
    Occluder,
    paint_background,
    random_background,
    random_occluder,
    stand_before,
)

__all__ = [
    "FACINGS",
    "Background",
    "BodyPose",
    "Occluder",
    "Person",
    "draw",
    "locate",
    "paint_background",
    "random_background",
    "random_body_pose",
    "random_occluder",
    "random_person",
]


def draw(
    person: Person,
    body_pose: BodyPose,
    *,
    size: tuple[int, int],
    background: Background,
    occluder: Occluder | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a person in a pose before a background.

    Args:
        person: Looks of the person.
        body_pose: The pose, and its place in the picture.
        size: Height and width of the picture in pixels.
        background: Background of the image.
        occluder: Object in front of the person, or None.

    Returns:
        The picture, uint8 [height, width, 3] RGB, and its keypoints, float32
        [18, 3]: the exact joints with confidence 1, also where the body itself
        or the occluder covers them; those of the face that point away are zeros.
    """
    skeleton = pose_body(person.proportions, body_pose)
    scale, origin = place_in_picture(skeleton, body_pose, size=size)
    canvas = Canvas(
        paint_background(background, size=size),
        factor=4 if size[0] <= 64 else 3,
        scale=scale,
        origin=origin,
    )
    draw_shadow(canvas, skeleton)
    ground = canvas.image.copy()
    draw_person(canvas, person, skeleton)
    if occluder is not None:
        stand_before(canvas.image, changed(canvas.image, ground), occluder)
    image = cv2.resize(canvas.image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return image, body_keypoints(skeleton, scale=scale, origin=origin)


def locate(person: Person, body_pose: BodyPose, *, size: tuple[int, int]) -> np.ndarray:
    """Returns the keypoints alone that `draw` returns, float32 [18, 3]."""
    skeleton = pose_body(person.proportions, body_pose)
    scale, origin = place_in_picture(skeleton, body_pose, size=size)
    return body_keypoints(skeleton, scale=scale, origin=origin)
