"""What may stand in front of a drawn person, and how much of them it may hide."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from preprocessing.synthetic.barriers import (
    draw_counter,
    draw_plant,
    draw_pole,
    draw_wall,
)
from preprocessing.synthetic.flat import Body
from preprocessing.synthetic.shapes import Canvas, changed
from preprocessing.synthetic.traffic import draw_bicycle, draw_passer_by, draw_suitcase

_DRAW: dict[str, Callable[[Canvas, Body, np.random.Generator], None]] = {
    "pole": draw_pole,
    "wall": draw_wall,
    "counter": draw_counter,
    "plant": draw_plant,
    "bicycle": draw_bicycle,
    "suitcase": draw_suitcase,
    "passer-by": draw_passer_by,
}
KINDS = tuple(_DRAW)
_FROM_BELOW = ("counter",)
# Nothing that is drawn has this colour: where it is left, there is no occluder.
_EMPTY = (255, 0, 255)
_STEP = 0.01


@dataclass(frozen=True)
class Occluder:
    """Something in front of a person, in a picture of any size.

    Attributes:
        kind: One of `KINDS`.
        side: Where it comes from: "left" or "right".
        share: The largest share of the body's area that it may cover.
        seed: Of its place, form and colours.
    """

    kind: str
    side: str
    share: float
    seed: int


def random_occluder(rng: np.random.Generator) -> Occluder:
    """Returns a random occluder that covers at most 40 % of the body."""
    return Occluder(
        kind=KINDS[rng.integers(len(KINDS))],
        side=("left", "right")[rng.integers(2)],
        share=float(rng.uniform(0.1, 0.4)),
        seed=int(rng.integers(1 << 32)),
    )


def stand_before(image: np.ndarray, body: np.ndarray, occluder: Occluder) -> None:
    """Draws an occluder into a picture, farther out if it would cover too much.

    Args:
        image: uint8 [height, width, 3] RGB, which is drawn on.
        body: bool [height, width], true where the person is seen.
        occluder: What is drawn.
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
        here, there = _overlap(moved, downwards=occluder.kind in _FROM_BELOW)
        if np.count_nonzero(body[here] & drawn[there]) <= allowed:
            image[here][drawn[there]] = layer.image[there][drawn[there]]
            return


def _around(body: np.ndarray) -> Body:
    """Returns the box around a body [height, width], in heights of the picture."""
    rows, columns = (np.flatnonzero(body.any(axis=axis)) for axis in (1, 0))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1, body.shape[1])
    return Body(*(float(edge) / len(body) for edge in box))


def _overlap(moved: int, *, downwards: bool) -> tuple[tuple, tuple]:
    """Returns where a layer lands that is moved out, and what of it is still seen.

    Both are indices of the picture; it is moved to the left or downwards.
    """
    first, last = slice(moved, None), slice(None, -moved or None)
    if downwards:
        return (first,), (last,)
    return (slice(None), last), (slice(None), first)
