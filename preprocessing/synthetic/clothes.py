"""Draws the clothes about the torso: upper garment, waist, skirt, belt, patterns."""

import math

import numpy as np

from preprocessing.synthetic.looks import Person
from preprocessing.synthetic.shapes import Canvas, Colour
from preprocessing.synthetic.skeleton import Skeleton

# Level on the axis from the neck (0) to between the hips (1), and the torso's half
# width and half depth there, in body heights.
_TORSO = np.array(
    [
        (-0.11, 0.032, 0.034),
        (-0.05, 0.055, 0.042),
        (-0.01, 0.078, 0.048),
        (0.05, 0.108, 0.054),
        (0.12, 0.112, 0.058),
        (0.3, 0.106, 0.068),
        (0.62, 0.085, 0.06),
        (0.9, 0.095, 0.066),
        (1.06, 0.101, 0.067),
        (1.25, 0.094, 0.052),
    ]
)
_WAIST = 0.84
_CROTCH = 1.22
_NECKLINE = 0.09


def draw_clothes(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
    """Draws the upper garment, the lower one's waist or skirt, and the belt."""
    if person.upper.tucked:
        _draw_upper(canvas, person, skeleton)
        _draw_lower(canvas, person, skeleton)
    else:
        _draw_lower(canvas, person, skeleton)
        _draw_upper(canvas, person, skeleton)
    if person.belt is not None:
        belt = np.array(person.belt, float)
        _draw_tube(
            canvas,
            person,
            skeleton,
            span=(_WAIST, _WAIST + 0.08),
            paint=lambda azimuth, level: np.broadcast_to(belt, (len(level), 3)),
        )


def _draw_upper(canvas, person, skeleton):
    upper, skin = person.upper, np.array(person.skin, float)

    def paint(azimuth, level):
        colours = paint_garment(upper.colours, upper.pattern, azimuth, level)
        high = np.flatnonzero(level < _NECKLINE)
        turn = azimuth[high]
        scoop = _NECKLINE - 0.28 * np.abs(np.sin(turn))
        bare = level[high] < np.where(np.cos(turn) > 0, scoop, -0.07)
        colours[high[bare]] = skin
        return colours

    # What is worn outside must hide the lower garment.
    looseness = 0.0 if upper.tucked else 0.007
    _draw_tube(
        canvas,
        person,
        skeleton,
        span=(-0.11, upper.length),
        paint=paint,
        looseness=looseness,
    )


def _draw_lower(canvas, person, skeleton):
    lower = person.lower
    skirt = lower.kind == "skirt"
    stop = 1 + lower.length * _leg_levels(person)[0] if skirt else _CROTCH
    pattern = lower.pattern if skirt else "plain"

    def paint(azimuth, level):
        within = (level - _WAIST) / (stop - _WAIST)
        return paint_garment(lower.colours, pattern, azimuth, within)

    _draw_tube(
        canvas,
        person,
        skeleton,
        span=(_WAIST, stop),
        paint=paint,
        flare=0.03 if skirt else 0.0,
    )


def _draw_tube(canvas, person, skeleton, *, span, paint, looseness=0.0, flare=0.0):
    """Draws a garment about the torso's axis, over a span of levels.

    `looseness` and `flare` are body heights, added at the waist and at the hem.
    """
    neck, hips = (canvas.at(skeleton.joints[name]) for name in ("neck", "mid_hip"))
    start, stop = span
    inner = _TORSO[(_TORSO[:, 0] > start) & (_TORSO[:, 0] < min(stop, 1.1)), 0]
    levels = [start, *inner] if stop > 1.25 else [start, *inner, stop]
    rows = [_extents(canvas, person, skeleton, level, looseness) for level in levels]
    if stop > 1.25:
        rows.append(_hem(canvas, person, skeleton, stop, looseness + flare))
    frame = skeleton.chest if start < 0 else skeleton.hips
    yaw = np.degrees(np.arctan2(frame[0, 2], -frame[2, 2]))
    canvas.tube(neck, hips, np.array(rows), yaw=yaw, paint=paint)


def _extents(canvas, person, skeleton, level, looseness):
    """Returns a level with the torso's extents there to both sides, [3]."""
    body = person.proportions
    width, depth = (np.interp(level, _TORSO[:, 0], _TORSO[:, i]) for i in (1, 2))
    share = min(max(level, 0.0), 1.0)
    frame = (1 - share) * skeleton.chest + share * skeleton.hips
    width *= (1 - share) * body.shoulders + share * body.hips
    # The shoulders' width is given by the bones, not by the build.
    width *= body.build ** (0.5 * min(max(level / 0.3, 0.0), 1.0))
    half = math.hypot(width * frame[0, 0], depth * body.build**0.8 * frame[0, 2])
    half = (half + looseness * min(max(2 * level - 0.6, 0.0), 1.0)) * canvas.unit
    return np.array([level, -half, half])


def _leg_levels(person):
    """Returns the levels that a straight thigh and shin span."""
    body = person.proportions
    return 0.245 * body.legs / (0.285 * body.torso), 0.81 * body.legs / body.torso


def _hem(canvas, person, skeleton, level, room):
    """Returns the level of a hem over the legs, and its extents to both sides, [3]."""
    neck, hips = (canvas.at(skeleton.joints[name]) for name in ("neck", "mid_hip"))
    axis = hips - neck
    across = np.array([axis[1], -axis[0]]) / np.hypot(*axis)
    thigh, shin = _leg_levels(person)
    upper = min((level - 1) / thigh, 1.0)
    lower = max((level - 1 - thigh) / shin, 0.0)
    seen = []
    for side in ("left", "right"):
        hip, knee, ankle = (
            canvas.at(skeleton.joints[f"{side}_{name}"])
            for name in ("hip", "knee", "ankle")
        )
        place = hip + upper * (knee - hip) + lower * (ankle - knee) - neck
        seen.append((place @ axis / (axis @ axis), place @ across))
    levels, sides = np.array(seen).T
    room = (0.055 * person.proportions.build**0.7 + room) * canvas.unit
    return np.array([max(levels.max(), 1.2), sides.min() - room, sides.max() + room])


def paint_garment(
    colours: tuple[Colour, ...],
    pattern: str,
    azimuth: np.ndarray,
    level: np.ndarray,
) -> np.ndarray:
    """Returns the colours of places on a garment.

    Args:
        colours: Main, second and third colour, RGB 0-255.
        pattern: One of `looks.PATTERNS`, or "hem".
        azimuth: float [m], radians towards the person's left; 0 is the front.
        level: float [m], 0 at the top (the neck) and 1 at the lower end (the hips).

    Returns:
        float [m, 3].
    """
    palette = np.array(colours, float)
    return palette[_index(pattern, azimuth, level)]


def _index(pattern, azimuth, level):
    if pattern == "stripes":
        return (np.floor(level * 9) % 2).astype(int)
    if pattern == "pinstripes":
        return (np.floor(azimuth * 3.4) % 3 == 0).astype(int)
    if pattern == "checks":
        across, down = azimuth * 2.6 % 1 < 0.35, level * 5 % 1 < 0.35
        return across.astype(int) + down.astype(int)
    if pattern == "dots":
        row = np.floor(level * 6)
        across = (azimuth * 2.2 + 0.5 * (row % 2)) % 1 - 0.5
        down = level * 6 % 1 - 0.5
        return (across**2 + down**2 < 0.09).astype(int)
    if pattern == "band":
        return ((level > 0.34) & (level < 0.58)).astype(int)
    if pattern == "yoke":
        return (level < 0.38).astype(int)
    if pattern == "hem":
        return (level > 0.8).astype(int)
    if pattern == "halves":
        return (np.sin(azimuth) > 0).astype(int)
    forward, sideways = np.cos(azimuth) > 0, np.abs(np.sin(azimuth))
    if pattern == "open jacket":
        return (forward & (sideways < 0.34)).astype(int)
    if pattern == "print":
        here = (level > 0.22) & (level < 0.5) & (sideways < 0.42)
        inner = (level > 0.29) & (level < 0.43) & (sideways < 0.25)
        return (forward & here).astype(int) + (forward & inner)
    return np.zeros(len(level), int)
