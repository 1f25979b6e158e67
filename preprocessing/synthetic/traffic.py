"""Draws what comes and goes: a bicycle, a suitcase, another person.

Each is drawn as if it came from the picture's left; the places in it are random.
"""

import numpy as np

from preprocessing.synthetic.body import draw_person
from preprocessing.synthetic.flat import CHROME, PAINTS, RUBBER, Body, at, line, shaded
from preprocessing.synthetic.poses import random_body_pose
from preprocessing.synthetic.shapes import Canvas, Segment
from preprocessing.synthetic.skeleton import pose_body
from preprocessing.synthetic.wardrobe import pick, random_person, tinted

# Places on a bicycle, forwards from the rear hub and upwards, in wheel radii.
_BICYCLE = {
    "rear": (0, 0),
    "front": (2.9, 0),
    "crank": (1.15, -0.1),
    "seat": (0.75, 1.35),
    "head": (2.45, 1.45),
    "bar": (2.3, 1.95),
    "grip": (1.95, 1.9),
    "saddle": (0.68, 1.65),
    "saddle's back": (0.4, 1.7),
    "saddle's nose": (0.98, 1.68),
}
_TUBES = (
    ("rear", "crank"),
    ("rear", "seat"),
    ("crank", "seat"),
    ("crank", "head"),
    ("seat", "head"),
    ("head", "front"),
)
_SPOKES = 6


def draw_bicycle(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Draws a parked bicycle from its side."""
    radius, paint = rng.uniform(0.135, 0.16), tinted(rng, pick(rng, PAINTS))
    ahead = pick(rng, (-1, 1))
    hub = body.across(0.5) - ahead * rng.uniform(0.1, 0.32)
    ground = min(body.bottom + 0.03, 1.02)
    places = {
        name: at(canvas, hub + ahead * radius * x, ground - radius * (1 + y))
        for name, (x, y) in _BICYCLE.items()
    }
    for wheel in ("rear", "front"):
        _draw_wheel(canvas, places[wheel], radius, rng.uniform(0, 0.5))

    def tube(names, start_radius, end_radius, colour):
        ends = [(places[start], places[end]) for start, end in names]
        canvas.limb([Segment(a, b, start_radius, end_radius, colour) for a, b in ends])

    tube(_TUBES, 0.011, 0.011, paint)
    canvas.ring(places["crank"], 0.035, 0.012, RUBBER)
    tube([("head", "bar"), ("seat", "saddle")], 0.009, 0.009, CHROME)
    tube([("bar", "grip")], 0.011, 0.012, RUBBER)
    tube([("saddle's back", "saddle's nose")], 0.018, 0.01, RUBBER)


def draw_suitcase(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Draws a suitcase on wheels with its handle out."""
    wide, tall = rng.uniform(0.15, 0.22), rng.uniform(0.24, 0.32)
    left = body.across(rng.uniform(0.3, 0.6)) - wide / 2
    bottom, paint = min(body.bottom + 0.02, 0.98), tinted(rng, pick(rng, PAINTS))
    top, grip, corner = bottom - tall, bottom - tall - 0.13, 0.025
    for share in (0.3, 0.7):
        column = left + share * wide
        line(canvas, (column, grip), (column, top), 0.009, CHROME)
    line(canvas, (left + 0.26 * wide, grip), (left + 0.74 * wide, grip), 0.024, RUBBER)
    for share in (0.15, 0.85):
        canvas.disc(at(canvas, left + share * wide, bottom), 0.016, RUBBER)
    columns = (left + corner, left + wide - corner)
    bars = [
        (at(canvas, x, top + corner), at(canvas, x, bottom - corner))
        for x in np.linspace(*columns, 6)
    ]
    canvas.limb([Segment(upper, lower, corner, corner, paint) for upper, lower in bars])
    for x in np.linspace(*columns, 4):
        rib = shaded(paint, 0.72)
        line(canvas, (x, top + corner), (x, bottom - corner), 0.007, rib)


def draw_passer_by(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Draws another person, a little nearer to the viewer."""
    person, body_pose = random_person(rng), random_body_pose(rng)
    tall = (body.bottom - body.top) * rng.uniform(1.05, 1.25)
    hips = at(canvas, body.across(rng.uniform(0.0, 0.4)), body.top + 0.52 * tall)
    nearer = Canvas(canvas.image, factor=1, scale=tall * canvas.unit, origin=hips)
    draw_person(nearer, person, pose_body(person.proportions, body_pose))
    canvas.image[:] = nearer.image


def _draw_wheel(canvas, hub, radius, turn):
    canvas.ring(hub, radius, 0.02, RUBBER)
    canvas.ring(hub, radius - 0.014, 0.008, (178, 180, 182))
    for angle in turn + np.arange(_SPOKES) * np.pi / _SPOKES:
        spoke = 0.9 * radius * canvas.unit * np.array([np.cos(angle), np.sin(angle)])
        canvas.line(hub - spoke, hub + spoke, 0.003, CHROME)
