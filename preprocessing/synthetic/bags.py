"""Draws a person's backpack or bag."""

import numpy as np

from preprocessing.synthetic.looks import Person
from preprocessing.synthetic.shapes import Canvas, Segment
from preprocessing.synthetic.skeleton import Skeleton

_STRAP = 0.017


def draw_backpack(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
    """Draws the backpack, if there is one, without its straps."""
    if person.backpack is None:
        return
    chest, neck = skeleton.chest, skeleton.joints["neck"]
    half = float(np.hypot(0.082 * chest[0, 0], 0.05 * chest[0, 2]))
    length = 0.1 - 0.8 * half
    middle = neck + 0.125 * chest[:, 1] - 0.1 * chest[:, 2]
    top, bottom = (canvas.at(middle + t * length * chest[:, 1]) for t in (-1, 1))
    canvas.limb([Segment(top, bottom, half, half, person.backpack)])
    if chest[2, 2] > 0.3:
        pocket = tuple(round(0.8 * channel) for channel in person.backpack)
        left, right = (
            canvas.at(middle + 0.045 * chest[:, 1] + side * 0.035 * chest[:, 0])
            for side in (-1, 1)
        )
        canvas.line(left, right, 0.055, pocket)


def draw_straps(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
    """Draws the straps of a backpack or bag over the clothes."""
    chest, neck = skeleton.chest, skeleton.joints["neck"]
    if person.backpack is not None:
        dark = tuple(round(0.75 * channel) for channel in person.backpack)
        for side in (-1, 1):
            places = ((0.058, -0.01, 0.02), (0.062, 0.06, 0.062), (0.088, 0.16, 0.04))
            moved = [chest @ (np.array(place) * (side, 1, 1)) for place in places]
            if moved[1][2] < 0.0:
                points = [canvas.at(neck + place) for place in moved]
                canvas.line(points[0], points[1], _STRAP, dark)
                canvas.line(points[1], points[2], _STRAP, dark)
    if person.bag is not None:
        dark = tuple(round(0.75 * channel) for channel in person.bag)
        surface = -0.05 * np.sign(chest[2, 2])
        top = neck + chest @ np.array([-0.062, -0.008, 0.4 * surface])
        middle = neck + chest @ np.array([0.01, 0.14, surface])
        bottom = skeleton.hips @ np.array([0.1, 0.02, 0.6 * surface])
        points = [canvas.at(place) for place in (top, middle, bottom)]
        canvas.line(points[0], points[1], _STRAP, dark)
        canvas.line(points[1], points[2], _STRAP, dark)


def draw_bag(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
    """Draws the bag at the left hip, if there is one, without its strap."""
    if person.bag is None:
        return
    hips = skeleton.hips
    middle = hips @ np.array([0.112, 0.05, -0.01])
    half = float(np.hypot(0.024 * hips[0, 0], 0.06 * hips[0, 2]))
    radius = min(half, 0.03)
    down = np.array([0, 0.03 * canvas.unit])
    right = np.array([canvas.unit * (half - radius), 0])
    corners = [
        canvas.at(middle) + t * right + s * down for t in (-1, 1) for s in (-1, 1)
    ]
    canvas.limb(
        [
            Segment(corners[i], corners[j], radius, radius, person.bag)
            for i, j in ((0, 1), (2, 3), (0, 2), (1, 3))
        ]
    )
