"""Where the images and the text of a grid stand on the page.

Places are counted in pixels of the PNG, of which every pixel of an image takes the same
whole number, so that images are neither blurred nor uneven.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pg2_tf.paper.figures import style
from preprocessing.system.errors import InputError

# Inches.
GUTTER = 0.03
ARROW_GUTTER = 0.17
LABEL_STRIP = 0.15
# So that a page has room for the six rows of the paper.
_TALLEST_CELL = 1.4
_BETWEEN = 0.02
# Distance of baselines, in sizes of the text; room below a heading, in points.
_LINE = 1.15
_BELOW = 3.5
# Where a heading may be broken: at spaces, hyphens and before a plus sign; and, where
# that does not do, before a capital letter within a word.
_GENTLE = re.compile(r"(?<=[ \-])|(?<=[^ ])(?=\+)")
_ROUGH = re.compile(r"(?<=[ \-])|(?<=[^ ])(?=\+)|(?<=[a-z])(?=[A-Z])")


class Layout(NamedTuple):
    """Sizes in pixels of the PNG.

    Attributes:
        dpi: these pixels an inch.
        image_size: height and width of the images, in their own pixels.
        cell: the same on the page: a whole multiple.
        gutter: between columns.
        row_gutter: between rows.
        left: strip of the row labels.
        top: strip of the headings.
        width: of the page.
        headings: broken into lines.
        points: size of the headings.
    """

    dpi: float
    image_size: tuple[int, int]
    cell: tuple[int, int]
    gutter: int
    row_gutter: int
    left: int
    top: int
    width: int
    headings: list[list[str]]
    points: float

    @property
    def line(self) -> float:
        """The distance between the baselines of a heading's lines."""
        return _LINE * self.points / 72 * self.dpi

    def height(self, rows: int) -> int:
        """Returns the height of a page of so many rows."""
        return self.top + rows * (self.cell[0] + self.row_gutter) - self.row_gutter

    def rows_of_a_page(self, rows: int) -> int:
        """Returns how many of so many rows a page has, so that all are about as long.

        A page is no longer than a paper's, but has one row at least.
        """
        room = style.PAGE_HEIGHT * self.dpi - self.top + self.row_gutter
        most = max(1, int(room / (self.cell[0] + self.row_gutter)))
        return math.ceil(rows / math.ceil(rows / most))

    @property
    def lowest_baseline(self) -> float:
        """The baseline of the headings' last lines, from the top of the page."""
        return self.top - _BELOW / 72 * self.dpi


def plan(
    headings: Sequence[str],
    *,
    image_size: tuple[int, int],
    width: float,
    labels: bool = False,
    arrows: bool = False,
) -> Layout:
    """Plans a grid as wide as `width`, or less where its images would be very tall.

    Args:
        headings: of the columns.
        image_size: height and width of the images, in their own pixels.
        width: of the page, in inches.
        labels: whether rows have labels.
        arrows: whether there is room for arrows between columns.

    Raises:
        InputError: the headings cannot be read at that width.
    """
    count = len(headings)
    gutter = ARROW_GUTTER if arrows else GUTTER
    strip = LABEL_STRIP * labels
    share = (width - strip - (count - 1) * gutter) / count
    share = min(share, _TALLEST_CELL * image_size[1] / image_size[0])
    if share <= 0:
        raise _too_many(count)
    scale = math.ceil(share * style.MIN_DPI / image_size[1])
    dpi = scale * image_size[1] / share
    left, between = round(strip * dpi), round(gutter * dpi)
    cell = (image_size[0] * scale, image_size[1] * scale)
    whole = left + count * cell[1] + (count - 1) * between
    # Once more, now that gutters are whole pixels.
    dpi = whole / (strip + count * share + (count - 1) * gutter)
    points, broken = _break_all(headings, share - _BETWEEN)
    lines = max(map(len, broken))
    return Layout(
        dpi=dpi,
        image_size=image_size,
        cell=cell,
        gutter=between,
        row_gutter=round(GUTTER * dpi),
        left=left,
        top=round((lines * points * _LINE + _BELOW) / 72 * dpi),
        width=whole,
        headings=broken,
        points=points,
    )


def shorten(label: str, *, length: float, points: float) -> str:
    """Shortens a label that is longer than `length` inches; it keeps its end."""
    kept = label
    while len(label) > 1 and style.text_width(kept, points=points) > length:
        label = label[1:]
        kept = f"\N{HORIZONTAL ELLIPSIS}{label}"
    return kept


def _break_all(headings: Sequence[str], width: float) -> tuple[float, list[list[str]]]:
    """Returns the size at which all headings fit best, and them broken into lines.

    A third line comes before text that does not read well, and broken words after it.
    """
    sizes = np.arange(style.TEXT, style.SMALLEST_TEXT - 0.25, -0.5).tolist()
    tries = [(_GENTLE, size, lines) for lines in (2, 3) for size in sizes[:3]]
    tries += [(_ROUGH, size, 3) for size in sizes]
    for places, points, most in tries:
        broken = [_break(heading, places, width, points) for heading in headings]
        if all(lines and len(lines) <= most for lines in broken):
            return points, broken
    raise _too_many(len(headings))


def _break(
    heading: str, places: re.Pattern[str], width: float, points: float
) -> list[str]:
    """Breaks a heading into as few lines as it takes; none where a part is too wide."""
    lines = [""]
    for part in places.split(heading):
        if lines[-1] and style.text_width(lines[-1] + part, points=points) > width:
            lines.append("")
        lines[-1] += part
    stripped = [line.strip() for line in lines]
    widest = max(style.text_width(line, points=points) for line in stripped)
    return stripped if widest <= width else []


def _too_many(count: int) -> InputError:
    return InputError(
        f"the headings of {count} columns do not fit; take fewer columns, shorter "
        "labels, or --columns_width=double"
    )
