"""What stands in front of a person is flat: places, boxes and shades for drawing it.

Places and lengths are in heights of the picture: 0, 0 is its upper left corner.
"""

from typing import NamedTuple

import numpy as np

from preprocessing.synthetic.backgrounds import Colour
from preprocessing.synthetic.shapes import Canvas

METALS = ((92, 98, 104), (60, 66, 70), (152, 156, 158), (46, 78, 62), (196, 164, 60))
STONES = ((168, 92, 70), (186, 176, 160), (136, 132, 128), (208, 198, 178))
WOODS = ((134, 94, 60), (104, 72, 48), (170, 128, 86))
LEAVES = ((58, 104, 48), (78, 128, 58), (96, 142, 72), (54, 92, 62), (128, 146, 66))
PAINTS = (
    (176, 40, 44),
    (38, 74, 140),
    (44, 112, 84),
    (214, 168, 52),
    (52, 54, 60),
    (188, 96, 44),
    (112, 66, 120),
)
CHROME = (152, 156, 158)
RUBBER = (38, 38, 40)
WHITE = (234, 234, 230)


class Body(NamedTuple):
    """The box around a person, and the picture's width."""

    left: float
    top: float
    right: float
    bottom: float
    picture: float

    def across(self, share: float) -> float:
        """Returns the column at a share of the body's width from its left."""
        return self.left + share * (self.right - self.left)


def at(canvas: Canvas, right: float, down: float) -> np.ndarray:
    """Returns where a place of the picture lies on the canvas [2]."""
    return canvas.at(np.array([right, down, 0.0]))


def box(
    canvas: Canvas,
    left: float,
    top: float,
    right: float,
    bottom: float,
    colour: Colour,
) -> None:
    """Fills a box."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    canvas.polygon(np.array([at(canvas, *corner) for corner in corners]), colour)


def line(
    canvas: Canvas,
    start: tuple[float, float],
    end: tuple[float, float],
    width: float,
    colour: Colour,
) -> None:
    """Draws a line between two places."""
    canvas.line(at(canvas, *start), at(canvas, *end), width, colour)


def shaded(colour: Colour, light: float) -> Colour:
    """Returns the colour, darker where `light` is below 1, lighter above."""
    return tuple(int(value) for value in np.clip(np.multiply(colour, light), 0, 255))
