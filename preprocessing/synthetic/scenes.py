"""Pictures of drawn people: background, person, and objects in front of the person.

Everything is drawn from random numbers, so the pictures are free of rights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from preprocessing.synthetic.body import draw_person, draw_shadow
from preprocessing.synthetic.looks import Person, pick, random_person, tinted
from preprocessing.synthetic.poses import BodyPose, random_body_pose
from preprocessing.synthetic.shapes import Canvas, Colour, changed
from preprocessing.synthetic.skeleton import body_keypoints, place_in_picture, pose_body

BACKGROUNDS = ("plain", "studio", "room", "blocks", "street")
# Colours of occluders.
_MATERIALS = (
    *((168, 92, 70), (186, 176, 160), (136, 132, 128), (134, 94, 60), (104, 72, 48)),
    *((176, 40, 44), (38, 74, 140), (44, 112, 84), (214, 168, 52), (52, 54, 60)),
)
_BEYOND = 0.05
# Marks pixels without an occluder: nothing is drawn in this colour.
_EMPTY = (255, 0, 255)
_STEP = 0.01


class _Box(NamedTuple):
    """The box around a person, and the picture's width, in heights of the picture."""

    left: float
    top: float
    right: float
    bottom: float
    picture: float

    def across(self, share: float) -> float:
        """Returns the column at a share of the body's width from its left."""
        return self.left + share * (self.right - self.left)


@dataclass(frozen=True)
class Background:
    """A background that can be painted at any size.

    Attributes:
        kind: "plain" (the first colour only), "studio" (gradient from the first
            colour to the second), "room" (wall and floor), "blocks" (blurred
            rectangles) or "street" (the same above a floor).
        colours: RGB 0-255: wall, floor or gradient's end, then the blocks'.
        horizon: Upper end of the floor, as a fraction of the height.
        blocks: Left, top, right, bottom of each block, as fractions of the size.
    """

    kind: str
    colours: tuple[Colour, ...]
    horizon: float = 0.8
    blocks: tuple[tuple[float, ...], ...] = ()


def random_background(rng: np.random.Generator) -> Background:
    """Returns a random background of any of `BACKGROUNDS`."""
    kind = BACKGROUNDS[rng.choice(len(BACKGROUNDS), p=(0.06, 0.32, 0.3, 0.12, 0.2))]
    count = int(rng.integers(3, 7)) if kind in ("blocks", "street") else 0
    wall = rng.uniform(90, 235) + rng.normal(0, 7, 3)
    floor = wall * rng.uniform(0.6, 0.95) + rng.normal(0, 6, 3)
    inner = [wall * rng.uniform(0.7, 1.25) + rng.normal(0, 10, 3) for _ in range(count)]
    colours = np.clip(np.rint([wall, floor, *inner]), 0, 255).astype(int)
    blocks = []
    for _ in range(count):
        left, top = rng.uniform(-0.1, 0.9), rng.uniform(-0.1, 0.6)
        wide, tall = rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.6)
        blocks.append((left, top, left + wide, top + tall))
    return Background(
        kind=kind,
        colours=tuple(tuple(map(int, colour)) for colour in colours),
        horizon=float(rng.uniform(0.68, 0.86)),
        blocks=tuple(tuple(map(float, block)) for block in blocks),
    )


def paint_background(background: Background, *, size: tuple[int, int]) -> np.ndarray:
    """Returns the background, uint8 [height, width, 3] RGB, for a size (h, w)."""
    height, width = size
    wall, floor = np.array([background.colours[0], background.colours[-1]], float)
    if len(background.colours) > 1:
        floor = np.array(background.colours[1], float)
    picture: np.ndarray = np.empty((height, width, 3), np.float32)
    picture[:] = wall
    down = (np.arange(height, dtype=np.float32)[:, None, None] + 0.5) / height
    if background.kind == "studio":
        picture += (floor - wall).astype(np.float32) * down**2
    for colour, block in zip(background.colours[2:], background.blocks, strict=True):
        left, top, right, bottom = np.rint(
            np.multiply(block, (width, height) * 2)
        ).astype(int)
        picture[max(top, 0) : bottom, max(left, 0) : right] = colour
    if background.blocks:
        picture = cv2.GaussianBlur(picture, (0, 0), max(0.02 * height, 0.5))
    if background.kind in ("room", "street"):
        # The floor's edge is blended over about a pixel so that sizes agree.
        mix = np.clip((down - background.horizon) * height + 0.5, 0, 1)
        lit = floor.astype(np.float32) * (0.88 + 0.2 * down)
        picture += mix * (lit - picture)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Occluder:
    """Something in front of a person, in a picture of any size.

    Attributes:
        kind: "panel" (a board beside the person), "counter" (in front of the legs) or
            "passer-by" (another person).
        side: Side of the picture that it comes from: "left" or "right".
        share: Largest share of the body's area that it may cover, 0 to 1.
        seed: Seed of its place, form and colours.
    """

    kind: str
    side: str
    share: float
    seed: int


def random_occluder(rng: np.random.Generator) -> Occluder:
    """Returns a random occluder that covers at most 40 % of the body."""
    return Occluder(
        kind=OCCLUDERS[rng.integers(len(OCCLUDERS))],
        side=("left", "right")[rng.integers(2)],
        share=float(rng.uniform(0.1, 0.4)),
        seed=int(rng.integers(1 << 32)),
    )


def stand_before(image: np.ndarray, body: np.ndarray, occluder: Occluder) -> None:
    """Draws an occluder into a picture, farther out if it would cover too much.

    Args:
        image: uint8 [height, width, 3], RGB; it is changed.
        body: bool [height, width], true where the person is visible.
        occluder: The occluder.
    """
    if occluder.side == "right":
        image, body = image[:, ::-1], body[:, ::-1]
    height = len(image)
    empty = np.full(image.shape, _EMPTY, np.uint8)
    layer = Canvas(empty, factor=1, scale=height, origin=np.array([-0.5, -0.5]))
    _DRAW[occluder.kind](layer, _around(body), np.random.default_rng(occluder.seed))
    drawn = changed(layer.image, empty)
    allowed = occluder.share * np.count_nonzero(body)
    for moved in range(0, max(body.shape), max(round(_STEP * height), 1)):
        here, there = _overlap(moved, downwards=occluder.kind == "counter")
        if np.count_nonzero(body[here] & drawn[there]) <= allowed:
            image[here][drawn[there]] = layer.image[there][drawn[there]]
            return


def _draw_panel(canvas: Canvas, body: _Box, rng: np.random.Generator) -> None:
    """Draws a board from the picture's left, as high as the picture or lower."""
    edge = body.across(rng.uniform(0.3, 0.75))
    top = -_BEYOND if rng.uniform() < 0.5 else body.top + rng.uniform(0.1, 0.35)
    colour = tinted(rng, pick(rng, _MATERIALS))
    _fill(canvas, (-_BEYOND, top), (edge, 1 + _BEYOND), colour)
    _fill(canvas, (edge - 0.022, top), (edge, 1 + _BEYOND), _shaded(colour, 0.72))


def _draw_counter(canvas: Canvas, body: _Box, rng: np.random.Generator) -> None:
    """Draws a counter across the picture, in front of the legs."""
    top = body.bottom - rng.uniform(0.2, 0.42)
    colour = tinted(rng, pick(rng, _MATERIALS))
    end = body.picture + _BEYOND
    _fill(canvas, (-_BEYOND, top), (end, 1 + _BEYOND), colour)
    _fill(canvas, (-_BEYOND, top - 0.012), (end, top + 0.02), _shaded(colour, 1.18))
    _fill(canvas, (-_BEYOND, top + 0.02), (end, top + 0.028), _shaded(colour, 0.6))


def _draw_passer_by(canvas: Canvas, body: _Box, rng: np.random.Generator) -> None:
    """Draws another person, a little nearer to the viewer."""
    person, body_pose = random_person(rng), random_body_pose(rng)
    tall = (body.bottom - body.top) * rng.uniform(1.05, 1.25)
    hips = _at(canvas, body.across(rng.uniform(0.0, 0.4)), body.top + 0.52 * tall)
    nearer = Canvas(canvas.image, factor=1, scale=tall * canvas.unit, origin=hips)
    draw_person(nearer, person, pose_body(person.proportions, body_pose))
    canvas.image[:] = nearer.image


_DRAW: dict[str, Callable[[Canvas, _Box, np.random.Generator], None]] = {
    "panel": _draw_panel,
    "counter": _draw_counter,
    "passer-by": _draw_passer_by,
}
OCCLUDERS = tuple(_DRAW)


def _at(canvas: Canvas, right: float, down: float) -> np.ndarray:
    """Returns the canvas place [2] of a place in heights of the picture."""
    return canvas.at(np.array([right, down, 0.0]))


def _fill(
    canvas: Canvas,
    corner: tuple[float, float],
    opposite: tuple[float, float],
    colour: Colour,
) -> None:
    """Fills a box between two corners (right, down), in heights of the picture."""
    (left, top), (right, bottom) = corner, opposite
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    canvas.polygon(np.array([_at(canvas, *place) for place in corners]), colour)


def _shaded(colour: Colour, light: float) -> Colour:
    """Returns a colour, darker if `light` is below 1, lighter above."""
    return tuple(int(value) for value in np.clip(np.multiply(colour, light), 0, 255))


def _around(body: np.ndarray) -> _Box:
    """Returns the box around a body [height, width], in heights of the picture."""
    rows, columns = (np.flatnonzero(body.any(axis=axis)) for axis in (1, 0))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1, body.shape[1])
    return _Box(*(float(edge) / len(body) for edge in box))


def _overlap(moved: int, *, downwards: bool) -> tuple[tuple, tuple]:
    """Returns where a layer lands that is moved out, and what of it is still seen.

    Both are indices of the picture; it is moved to the left or downwards.
    """
    first, last = slice(moved, None), slice(None, -moved or None)
    if downwards:
        return (first,), (last,)
    return (slice(None), last), (slice(None), first)


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
