"""Drawn people: the same person in many poses, with exact keypoints.

Everything is drawn here from random numbers, so the pictures are free of rights.
"""

import cv2
import numpy as np

from preprocessing.people.backgrounds import (
    Background,
    paint_background,
    random_background,
)
from preprocessing.people.body import draw_person
from preprocessing.people.looks import Person
from preprocessing.people.poses import FACINGS, BodyPose, random_body_pose
from preprocessing.people.shapes import Canvas
from preprocessing.people.skeleton import body_keypoints, place_in_picture, pose_body
from preprocessing.people.wardrobe import random_person

__all__ = [
    "FACINGS",
    "Background",
    "BodyPose",
    "Person",
    "draw",
    "locate",
    "paint_background",
    "random_background",
    "random_body_pose",
    "random_person",
]


def draw(
    person: Person,
    body_pose: BodyPose,
    *,
    size: tuple[int, int],
    background: Background,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a person in a pose before a background.

    Args:
        person: What the person looks like.
        body_pose: The pose, and its place in the picture.
        size: Height and width of the picture in pixels.
        background: What is behind the person.

    Returns:
        The picture, uint8 [height, width, 3] RGB, and its keypoints, float32
        [18, 3]: the exact joints with confidence 1, also where the body itself
        covers them; those of the face that point away are zeros.
    """
    skeleton = pose_body(person.proportions, body_pose)
    scale, origin = place_in_picture(skeleton, body_pose, size=size)
    canvas = Canvas(
        paint_background(background, size=size),
        factor=4 if size[0] <= 64 else 3,
        scale=scale,
        origin=origin,
    )
    draw_person(canvas, person, skeleton)
    image = cv2.resize(canvas.image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return image, body_keypoints(skeleton, scale=scale, origin=origin)


def locate(person: Person, body_pose: BodyPose, *, size: tuple[int, int]) -> np.ndarray:
    """Returns the keypoints alone that `draw` returns, float32 [18, 3]."""
    skeleton = pose_body(person.proportions, body_pose)
    scale, origin = place_in_picture(skeleton, body_pose, size=size)
    return body_keypoints(skeleton, scale=scale, origin=origin)
