"""Draws a person's head: face, ears, hair and hat."""

from itertools import pairwise

import numpy as np

from preprocessing.synthetic.looks import Person
from preprocessing.synthetic.shapes import Canvas, Segment
from preprocessing.synthetic.skeleton import Skeleton

# The hairline's height at the ears, and how much lower it is at the nape than there
# (and higher at the forehead); in head radii, down is positive.
_HAIRLINES = {
    "crop": (-0.16, 0.5),
    "short": (0.0, 0.6),
    "bob": (0.3, 0.95),
    "long": (0.3, 0.95),
    "ponytail": (-0.02, 0.62),
    "bun": (-0.02, 0.62),
}
_HAIR_VOLUME = {"crop": 1.04, "short": 1.09, "bob": 1.14, "long": 1.12}
# How far loose hair hangs below the head's middle, in head radii, and its half
# width and depth.
_LOOSE = {"bob": (1.1, 1.05, 0.85), "long": (2.5, 1.0, 0.6)}


def draw_loose_hair(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
    """Draws the hair that hangs behind the head, for styles that have it."""
    if person.hair_style not in _LOOSE:
        return
    drop, wide, deep = _LOOSE[person.hair_style]
    head, radii = skeleton.head, skeleton.head_radii
    radius = float(np.hypot(wide * radii[0] * head[0, 0], deep * radii[2] * head[0, 2]))
    top = _behind_head(canvas, skeleton, down=0.1, back=0.4)
    end = _behind_head(canvas, skeleton, down=drop - 0.4, back=0.5)
    canvas.limb([Segment(top, end, radius, 0.92 * radius, person.hair)], shade=0.86)


def draw_tied_hair(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
    """Draws a ponytail or a bun, for styles that have it."""
    if person.hair_style == "ponytail":
        tie = _behind_head(canvas, skeleton, down=-0.15, back=1.15)
        tip = _behind_head(canvas, skeleton, down=1.75, back=1.4)
        canvas.limb([Segment(tie, tip, 0.024, 0.012, person.hair)], shade=0.9)
    elif person.hair_style == "bun":
        middle = _behind_head(canvas, skeleton, down=-0.55, back=1.05)
        canvas.limb([Segment(middle, middle, 0.03, 0.03, person.hair)], shade=0.9)


def draw_head(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
    """Draws the head without the loose hair."""
    centre = canvas.at(skeleton.joints["head"])
    head, radii = skeleton.head, skeleton.head_radii
    skin, hair = np.array(person.skin, float), np.array(person.hair, float)

    def paint_skin(surface):
        colours = np.broadcast_to(skin, surface.shape)
        if person.beard:
            side, down, forward = surface.T
            beard = (down > 0.42) & (forward > -0.1) & (forward * 0.6 + down > 0.62)
            mouth = (np.abs(side) < 0.3) & (np.abs(down - 0.52) < 0.07)
            colours = np.where((beard & ~mouth)[:, None], hair, colours)
        return colours, np.ones(len(surface), bool)

    def paint_hair(surface):
        level, slope = _HAIRLINES[person.hair_style]
        covered = surface[:, 1] < level - slope * surface[:, 2]
        if person.hair_style in _LOOSE:
            covered |= surface[:, 2] < -0.12
        return np.broadcast_to(hair, surface.shape), covered

    canvas.ellipsoid(centre, head, radii, paint=paint_skin)
    _draw_ears(canvas, person, skeleton)
    _draw_face(canvas, person, skeleton)
    volume = _HAIR_VOLUME.get(person.hair_style, 1.06)
    canvas.ellipsoid(centre, head, radii * volume, paint=paint_hair)
    if person.hat is not None:
        _draw_hat(canvas, person, skeleton)


def _draw_hat(canvas, person, skeleton):
    hat = np.array(person.hat, float)

    def paint(surface):
        brim = surface[:, 1] > -0.52 - 0.12 * surface[:, 2]
        colours = np.where(brim[:, None], 0.75 * hat, hat)
        return colours, surface[:, 1] < -0.3 - 0.12 * surface[:, 2]

    centre = canvas.at(skeleton.joints["head"])
    radii = skeleton.head_radii * np.array([1.14, 1.12, 1.14])
    canvas.ellipsoid(centre, skeleton.head, radii, paint=paint)


def _draw_ears(canvas, person, skeleton):
    for name in ("right_ear", "left_ear"):
        if name in skeleton.joints:
            place = canvas.at(skeleton.joints[name])
            below = place + np.array([0, 0.008 * canvas.unit])
            canvas.limb([Segment(place, below, 0.0125, 0.01, person.skin)], shade=0.93)


def _draw_face(canvas, person, skeleton):
    joints, head, radii = skeleton.joints, skeleton.head, skeleton.head_radii
    dark = tuple(round(0.72 * channel) for channel in person.skin)
    if "nose" in joints:
        nose = canvas.at(joints["nose"])
        bridge = canvas.at(joints["head"] + head @ (radii * np.array([0, -0.1, 0.99])))
        canvas.line(bridge, nose, 0.009, tuple(round(0.9 * c) for c in person.skin))
        canvas.disc(nose, 0.0065, tuple(round(0.84 * c) for c in person.skin))
    for name in ("right_eye", "left_eye"):
        if name in joints:
            eye = canvas.at(joints[name])
            out = np.array([0.009, 0]) * canvas.unit
            canvas.line(eye - 0.55 * out, eye + 0.55 * out, 0.0105, (244, 242, 240))
            canvas.disc(eye, 0.0062, (36, 28, 26))
            lift = np.array([0, 0.0155]) * canvas.unit
            brow = tuple(round(0.8 * channel) for channel in person.hair)
            canvas.line(eye - out - lift, eye + out - lift, 0.0045, brow)
    corners = [
        head @ (radii * 0.99 * np.array([side, 0.52, np.sqrt(0.73 - side**2)]))
        for side in (-0.27, 0, 0.27)
    ]
    seen = [canvas.at(joints["head"] + place) for place in corners if place[2] < 0.004]
    lips = (dark[0], round(0.75 * dark[1]), round(0.75 * dark[2]))
    for start, end in pairwise(seen):
        canvas.line(start, end, 0.0075, lips)


def _behind_head(canvas, skeleton, *, down, back):
    """Returns a canvas place in the head's plane of symmetry, in head radii."""
    offset = skeleton.head @ (skeleton.head_radii * np.array([0, down, -back]))
    return canvas.at(skeleton.joints["head"] + offset)
