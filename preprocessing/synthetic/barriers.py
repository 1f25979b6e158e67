"""Draws what stands in the way: a pole, a wall, a counter, a plant.

Each is drawn as if it came from the picture's left; the places in it are random.
"""

from itertools import pairwise

import numpy as np

from preprocessing.synthetic.flat import (
    LEAVES,
    METALS,
    PAINTS,
    STONES,
    WHITE,
    WOODS,
    Body,
    at,
    box,
    line,
    shaded,
)
from preprocessing.synthetic.patterns import paint_garment
from preprocessing.synthetic.shapes import Canvas
from preprocessing.synthetic.wardrobe import pick, tinted

_BEYOND = 0.05
_FRONDS = 26


def draw_pole(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Draws a post as high as the picture, some with a sign."""
    middle = body.across(rng.uniform(0.3, 0.75))
    radius = rng.uniform(0.015, 0.034) * canvas.unit
    colours = (tinted(rng, pick(rng, METALS)), tinted(rng, pick(rng, METALS)))
    pattern = pick(rng, ("plain", "plain", "band"))
    canvas.tube(
        at(canvas, middle, -_BEYOND),
        at(canvas, middle, 1 + _BEYOND),
        np.array([[0, -radius, radius], [1, -radius, radius]]),
        yaw=0,
        paint=lambda azimuth, level: paint_garment(colours, pattern, azimuth, level),
    )
    if rng.uniform() < 0.5:
        half, tall = rng.uniform(0.06, 0.11), rng.uniform(0.1, 0.18)
        top, paint = rng.uniform(0.08, 0.3), tinted(rng, pick(rng, PAINTS))
        box(canvas, middle - half, top, middle + half, top + tall, WHITE)
        half -= 0.01
        box(canvas, middle - half, top + 0.01, middle + half, top + tall - 0.01, paint)


def draw_wall(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Draws the end of a wall: of bricks or plain, as high as the picture or less."""
    edge = body.across(rng.uniform(0.3, 0.75))
    whole = rng.uniform() < 0.5
    top = -_BEYOND if whole else body.top + rng.uniform(0.1, 0.35)
    colour = tinted(rng, pick(rng, STONES))
    box(canvas, -_BEYOND, top, edge, 1 + _BEYOND, colour)
    if rng.uniform() < 0.6:
        _draw_bricks(canvas, top, edge, colour)
    box(canvas, edge - 0.022, top, edge, 1 + _BEYOND, shaded(colour, 0.72))
    if not whole:
        slab = shaded(colour, 1.1)
        box(canvas, -_BEYOND, top - 0.02, edge + 0.012, top + 0.012, slab)


def draw_counter(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Draws a low wall or a counter across the picture, before the legs."""
    top = body.bottom - rng.uniform(0.2, 0.42)
    wooden = bool(rng.integers(2))
    colour = tinted(rng, pick(rng, WOODS if wooden else STONES))
    end = body.picture + _BEYOND
    box(canvas, -_BEYOND, top, end, 1 + _BEYOND, colour)
    if wooden:
        plank = rng.uniform(0.05, 0.09)
        for column in np.arange(rng.uniform(-plank, 0), end, plank):
            gap = shaded(colour, 0.72)
            line(canvas, (column, top), (column, 1 + _BEYOND), 0.006, gap)
    else:
        _draw_bricks(canvas, top, end, colour)
    box(canvas, -_BEYOND, top - 0.012, end, top + 0.02, shaded(colour, 1.18))
    box(canvas, -_BEYOND, top + 0.02, end, top + 0.028, shaded(colour, 0.6))


def draw_plant(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Draws a bush, or a plant in a pot."""
    potted = bool(rng.integers(2))
    down = body.bottom + 0.03 - 0.12 * potted
    foot = np.array([body.across(rng.uniform(0.1, 0.6)), down])
    height, colour = rng.uniform(0.38, 0.62), tinted(rng, pick(rng, LEAVES))
    for _ in range(_FRONDS):
        turn, length = rng.normal(0, 0.55), height * rng.uniform(0.5, 1)
        tip = foot + length * np.array([np.sin(turn), -np.cos(turn)])
        bow = 0.45 * foot + 0.55 * tip + np.array([0, -0.12 * height])
        _draw_frond(canvas, rng, foot, bow, tip, colour)
    if potted:
        _draw_pot(canvas, foot, tinted(rng, pick(rng, STONES)))


def _draw_bricks(canvas, top, edge, colour):
    mortar, tall, long = shaded(colour, 0.86), 0.045, 0.1
    for number, row in enumerate(np.arange(top, 1 + _BEYOND, tall)):
        line(canvas, (-_BEYOND, row), (edge, row), 0.005, mortar)
        first = edge - long * (1 + 0.5 * (number % 2))
        for column in np.arange(first, -long, -long):
            line(canvas, (column, row), (column, row + tall), 0.005, mortar)


def _draw_frond(canvas, rng, foot, bow, tip, colour):
    """Draws a stem along a quadratic curve, with leaves at both sides."""
    shares = np.linspace(0, 1, 9)
    points = [
        at(canvas, *((1 - t) ** 2 * foot + 2 * t * (1 - t) * bow + t**2 * tip))
        for t in shares
    ]
    for start, end in pairwise(points):
        canvas.line(start, end, 0.007, shaded(colour, 0.8))
    for before, place in pairwise(points[1:]):
        along = (place - before) / max(float(np.hypot(*(place - before))), 1e-6)
        for side in (-1, 1):
            out = 0.75 * along + side * 0.66 * np.array([-along[1], along[0]])
            leaf = place + rng.uniform(0.045, 0.08) * canvas.unit * out
            _draw_leaf(canvas, place, leaf, shaded(colour, rng.uniform(0.78, 1.2)))


def _draw_leaf(canvas, start, end, colour):
    middle = start + 0.45 * (end - start)
    half = 0.24 * np.array([start[1] - end[1], end[0] - start[0]])
    canvas.polygon(np.array([start, middle + half, end, middle - half]), colour)


def _draw_pot(canvas, foot, colour):
    x, y = foot
    corners = [(-0.085, -0.02), (0.085, -0.02), (0.06, 0.13), (-0.06, 0.13)]
    places = [at(canvas, x + right, y + down) for right, down in corners]
    canvas.polygon(np.array(places), colour)
    box(canvas, x - 0.095, y - 0.03, x + 0.095, y + 0.005, shaded(colour, 0.72))
