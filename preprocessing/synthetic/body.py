"""Draws a person's body and bags, part by part from the farthest to the nearest."""

from itertools import pairwise

import numpy as np

from preprocessing.synthetic.clothes import draw_clothes
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
_STRAP = 0.017
# An arm's part is drawn behind the torso, before it, or before the head as well,
# by how far its middle lies behind the shoulders' middle.
_LAYERS = (0.03, -0.06)
_FAR_SHADE = 0.84
_SLEEVE_STRIPES = 4


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


def draw_person(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
    """Draws the whole person on the canvas, without the shadow."""
    front = skeleton.chest[2, 2] < 0
    face = skeleton.head[2, 2] < 0.1
    bag_is_far = skeleton.hips[2, 0] > 0.3
    _draw_arms(canvas, person, skeleton, layer=2)
    if bag_is_far:
        _draw_bag(canvas, person, skeleton)
    if front:
        _draw_backpack(canvas, person, skeleton)
    if face:
        draw_tied_hair(canvas, person, skeleton)
    if front:
        draw_loose_hair(canvas, person, skeleton)
    _draw_legs(canvas, person, skeleton)
    neck = Segment(
        canvas.at(skeleton.joints["neck"] - 0.012 * skeleton.chest[:, 2]),
        canvas.at(skeleton.joints["head"] - 0.012 * skeleton.head[:, 2]),
        0.033,
        0.03,
        person.skin,
    )
    canvas.limb([neck], shade=0.87)
    draw_clothes(canvas, person, skeleton)
    _draw_straps(canvas, person, skeleton)
    if not bag_is_far:
        _draw_bag(canvas, person, skeleton)
    if not front:
        _draw_backpack(canvas, person, skeleton)
    _draw_arms(canvas, person, skeleton, layer=1)
    if not front:
        draw_loose_hair(canvas, person, skeleton)
    draw_head(canvas, person, skeleton)
    if not face:
        draw_tied_hair(canvas, person, skeleton)
    _draw_arms(canvas, person, skeleton, layer=0)


def draw_shadow(canvas: Canvas, skeleton: Skeleton) -> None:
    """Draws the shadow on the ground between the feet."""
    feet = np.array(
        [
            canvas.at(skeleton.joints[f"{side}_{part}"])
            for side in ("left", "right")
            for part in ("heel", "toe")
        ]
    )
    low, high = feet.min(axis=0), feet.max(axis=0)
    middle = np.array([(low[0] + high[0]) / 2, high[1] + 0.012 * canvas.unit])
    canvas.shadow(middle, (high[0] - low[0]) / 2 / canvas.unit + 0.06, 0.022)


def _draw_arms(canvas, person, skeleton, *, layer):
    """Draws those parts of both arms that belong to a layer, the farther first."""
    middle = skeleton.joints["neck"][2]
    parts = []
    for side in ("left", "right"):
        places = [
            skeleton.joints[f"{side}_{joint}"] for joint in ("shoulder", "elbow")
        ] + [skeleton.joints[f"{side}_wrist"]]
        for part, pair in enumerate(pairwise(places)):
            depth = (pair[0][2] + pair[1][2]) / 2 - middle
            if sum(depth <= limit for limit in _LAYERS) == 2 - layer:
                parts.append((depth, side, part))
    shade = _FAR_SHADE if layer == 2 else 1.0
    for side in sorted({side for _, side, _ in parts}, key=_depth_of(parts)):
        chosen = [part for _, other, part in parts if other == side]
        segments, stripes = [], []
        for part in chosen:
            more, bands = _arm_part(canvas, person, skeleton, side=side, part=part)
            segments += more
            stripes += bands
        canvas.limb(segments, shade=shade)
        for segment, begin, end in stripes:
            canvas.band(segment, begin, end, shade=shade)


def _depth_of(parts):
    return lambda side: -np.mean([depth for depth, other, _ in parts if other == side])


def _arm_part(canvas, person, skeleton, *, side, part):
    """Returns the segments and stripes of an upper arm (0) or a forearm (1)."""
    build = person.proportions.build
    names = (("shoulder", "elbow"), ("elbow", "wrist"))[part]
    start, end = (canvas.at(skeleton.joints[f"{side}_{name}"]) for name in names)
    radii = np.array(((0.03, 0.025), (0.025, 0.018))[part]) * build**0.5
    segments = [Segment(start, end, *radii, person.skin)]
    if part:
        hand = canvas.at(skeleton.joints[f"{side}_hand"])
        segments.append(Segment(end, hand, 0.0185, 0.015, person.skin))
    covered = min(max(person.upper.sleeve - part, 0.0), 1.0)
    if not covered:
        return segments, []
    main, second = person.upper.colours[:2]
    other = person.upper.plain_sleeves or person.upper.pattern == "yoke"
    other = other or (person.upper.pattern == "halves" and side == "left")
    cuff = start + covered * (end - start)
    cuff_radius = radii[0] + covered * (radii[1] - radii[0]) + 0.004
    sleeve = Segment(
        start, cuff, radii[0] + 0.004, cuff_radius, second if other else main
    )
    stripes = []
    if person.upper.pattern == "stripes":
        count = max(1, round(_SLEEVE_STRIPES * covered))
        striped = sleeve._replace(colour=second)
        step = 1 / count
        stripes = [(striped, (i + 0.5) * step, (i + 1) * step) for i in range(count)]
    return [*segments, sleeve], stripes


def _draw_legs(canvas, person, skeleton):
    """Draws both legs with their shoes, the farther one first."""
    joints = skeleton.joints
    depth = {
        side: joints[f"{side}_knee"][2] + joints[f"{side}_ankle"][2]
        for side in ("left", "right")
    }
    far, near = sorted(depth, key=depth.get, reverse=True)
    apart = depth[far] - depth[near] > 0.06
    for side, shade in ((far, _FAR_SHADE if apart else 1.0), (near, 1.0)):
        segments = _leg_segments(canvas, person, skeleton, side=side)
        shoe = _shoe_segments(canvas, person, skeleton, side=side)
        shin_first = joints[f"{side}_ankle"][2] > joints[f"{side}_hip"][2] + 0.05
        order = segments[::-1] if shin_first else segments
        canvas.limb(shoe, shade=shade)
        canvas.limb([piece for part in order for piece in part], shade=shade)
        if person.shaft:
            canvas.limb([_shaft(canvas, person, skeleton, side=side)], shade=shade)


def _leg_segments(canvas, person, skeleton, *, side):
    """Returns the segments of the thigh and those of the shin."""
    build = person.proportions.build**0.7
    hip, knee, ankle = (
        canvas.at(skeleton.joints[f"{side}_{name}"])
        for name in ("hip", "knee", "ankle")
    )
    bare = person.legwear or person.skin
    lower = person.lower
    parts = []
    limits = ((hip, knee, 0.05, 0.035), (knee, ankle, 0.035, 0.021))
    for part, (start, end, start_radius, end_radius) in enumerate(limits):
        radii = np.array([start_radius, end_radius]) * build
        pieces = [Segment(start, end, *radii, bare)]
        covered = min(max(lower.length - part, 0.0), 1.0)
        if covered and lower.kind != "skirt":
            stop = start + covered * (end - start)
            last = radii[0] + covered * (radii[1] - radii[0])
            # Wide legs are wide below; at the hip they follow the body.
            wide = (0.25 * (lower.width - 1) + 1.06, lower.width * 1.06)
            wide = wide if part == 0 else (wide[1], wide[1] + 0.12)
            pieces.append(
                Segment(
                    start, stop, radii[0] * wide[0], last * wide[1], lower.colours[0]
                )
            )
        parts.append(pieces)
    return parts


def _shoe_segments(canvas, person, skeleton, *, side):
    ankle, heel, toe = (
        canvas.at(skeleton.joints[f"{side}_{name}"])
        for name in ("ankle", "heel", "toe")
    )
    drop = np.array([0, 0.007 * canvas.unit])
    return [
        Segment(heel + drop, toe + drop, 0.021, 0.018, person.sole),
        Segment(ankle, heel, 0.023, 0.021, person.shoes),
        Segment(heel, toe, 0.021, 0.018, person.shoes),
    ]


def _shaft(canvas, person, skeleton, *, side):
    ankle, knee = (
        canvas.at(skeleton.joints[f"{side}_{name}"]) for name in ("ankle", "knee")
    )
    top = ankle + person.shaft * (knee - ankle)
    return Segment(ankle, top, 0.027, 0.026 + 0.014 * person.shaft, person.shoes)


def _draw_backpack(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
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


def _draw_straps(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
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


def _draw_bag(canvas: Canvas, person: Person, skeleton: Skeleton) -> None:
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
