"""Layout and style of figures: where images and text stand, fonts, sizes and files.

Positions are pixels of the PNG. Every pixel of an image takes the same whole number of
them, so that images are neither blurred nor uneven. Only this module and `grid` import
matplotlib.
"""

import math
import re
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from preprocessing.system import files
from preprocessing.system.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches: one column and both columns of a page (CVPR's author kit).
COLUMNS_WIDTHS = {"single": 3.25, "double": 6.875}
PAGE_HEIGHT = 8.875
# Smallest resolution of the PNG, in pixels per inch.
MIN_DPI = 300
# Text sizes in points; smaller text cannot be read in print.
TEXT = 8.0
SMALLEST_TEXT = 5.0
_STYLE: Any = {
    # These fonts come with matplotlib: text looks the same on every machine.
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    # A dollar sign in a label is a dollar sign.
    "text.parse_math": False,
    "font.size": TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT - 1,
    "ytick.labelsize": TEXT - 1,
    # Text stays text, in whole TrueType fonts that publishers accept.
    "pdf.fonttype": 42,
    # Every image keeps its own pixels.
    "image.composite_image": False,
}
# Inches.
GUTTER = 0.03
ARROW_GUTTER = 0.17
LABEL_STRIP = 0.15
# A page has room for the six rows of the paper.
_TALLEST_CELL = 1.4
_BETWEEN = 0.02
# Distance of baselines as a multiple of the text size; space below a heading in points.
_LINE = 1.15
_BELOW = 3.5
# Places where a heading may break: at spaces, hyphens and before a plus sign; if that
# does not suffice, also before a capital letter within a word.
_GENTLE = re.compile(r"(?<=[ \-])|(?<=[^ ])(?=\+)")
_ROUGH = re.compile(r"(?<=[ \-])|(?<=[^ ])(?=\+)|(?<=[a-z])(?=[A-Z])")


class Layout(NamedTuple):
    """Sizes in pixels of the PNG.

    Attributes:
        dpi: Pixels per inch.
        image_size: Height and width of the images, in their own pixels.
        cell: Height and width of an image on the page, a whole multiple.
        gutter: Space between columns.
        row_gutter: Space between rows.
        left: Width of the strip with row labels.
        top: Height of the strip with headings.
        width: Width of the page.
        headings: Headings, broken into lines.
        points: Text size of the headings.
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
        """Distance between the baselines of a heading's lines."""
        return _LINE * self.points / 72 * self.dpi

    def height(self, rows: int) -> int:
        """Returns the height of a page with this number of rows."""
        return self.top + rows * (self.cell[0] + self.row_gutter) - self.row_gutter

    def rows_per_page(self, rows: int) -> int:
        """Returns the number of rows per page, about equal on all pages.

        A page is no longer than a page of a paper, but has at least one row.
        """
        room = PAGE_HEIGHT * self.dpi - self.top + self.row_gutter
        most = max(1, int(room / (self.cell[0] + self.row_gutter)))
        return math.ceil(rows / math.ceil(rows / most))

    @property
    def lowest_baseline(self) -> float:
        """Baseline of the headings' last lines, from the top of the page."""
        return self.top - _BELOW / 72 * self.dpi


def plan(
    headings: Sequence[str],
    *,
    image_size: tuple[int, int],
    width: float,
    labels: bool = False,
    arrows: bool = False,
) -> Layout:
    """Plans a grid of `width`, or narrower if its images would be too tall.

    Args:
        headings: Column headings.
        image_size: Height and width of the images, in their own pixels.
        width: Width of the page, in inches.
        labels: Whether rows have labels.
        arrows: Whether there is space for arrows between columns.

    Raises:
        InputError: The headings do not fit at a readable size.
    """
    count = len(headings)
    gutter = ARROW_GUTTER if arrows else GUTTER
    strip = LABEL_STRIP * labels
    share = (width - strip - (count - 1) * gutter) / count
    share = min(share, _TALLEST_CELL * image_size[1] / image_size[0])
    if share <= 0:
        raise _too_many(count)
    scale = math.ceil(share * MIN_DPI / image_size[1])
    dpi = scale * image_size[1] / share
    left, between = round(strip * dpi), round(gutter * dpi)
    cell = (image_size[0] * scale, image_size[1] * scale)
    whole = left + count * cell[1] + (count - 1) * between
    # Computed again, now that gutters are whole pixels.
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
    """Shortens a label to `length` inches; its end is kept."""
    kept = label
    while len(label) > 1 and text_width(kept, points=points) > length:
        label = label[1:]
        kept = f"\N{HORIZONTAL ELLIPSIS}{label}"
    return kept


def require_matplotlib() -> None:
    """Raises InputError if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise InputError(
            'figures need matplotlib: pip install "pg2-tf[figures]"'
        ) from error


def styled() -> Any:
    """Returns a context in which matplotlib uses the style of the figures."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def new_figure(width: float, height: float, *, dpi: float = MIN_DPI) -> "Figure":
    """Returns an empty white figure. Call it, and draw on it, within `styled`.

    Args:
        width, height: Size in inches.
        dpi: Resolution of the PNG, in pixels per inch.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, facecolor="white")


def text_width(text: str, *, points: float) -> float:
    """Returns the width of a line of text, in inches."""
    return _width_at_one_point(text) * points


def write(pages: Sequence["Figure"], out: Path, *, stem: str) -> list[Path]:
    """Writes figures as the pages of `stem.pdf`, and as PNG files.

    The same figures give the same bytes: the files hold no time.

    Args:
        pages: Figures, in order.
        out: Output folder.
        stem: File name without suffix. A single page becomes `stem.png`, several become
            `stem_1.png` and so on.

    Returns:
        The paths, the PDF first.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    document = BytesIO()
    facts = {"Creator": "pg2-tf", "Producer": None, "CreationDate": None}
    contents = {f"{stem}.pdf": document}
    with styled(), PdfPages(document, metadata=facts) as pdf:
        shown = tqdm(pages, desc="drawing", unit=" pages", disable=len(pages) == 1)
        for number, page in enumerate(shown, 1):
            name = f"{stem}.png" if len(pages) == 1 else f"{stem}_{number}.png"
            contents[name] = BytesIO()
            pdf.savefig(page)
            page.savefig(
                contents[name], format="png", dpi=page.dpi, metadata={"Software": None}
            )
    for name, content in contents.items():
        files.write_bytes(out / name, content.getvalue())
    return [out / name for name in contents]


@cache
def _width_at_one_point(text: str) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(family=_STYLE["font.family"])
    return TextPath((0, 0), text, size=72, prop=font).get_extents().width / 72**2


def _break_all(headings: Sequence[str], width: float) -> tuple[float, list[list[str]]]:
    """Returns the best text size for all headings, and the headings broken into lines.

    A third line is preferred to small text, and small text to broken words.
    """
    sizes = np.arange(TEXT, SMALLEST_TEXT - 0.25, -0.5).tolist()
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
    """Breaks a heading into the fewest lines; returns [] if a part is too wide."""
    lines = [""]
    for part in places.split(heading):
        if lines[-1] and text_width(lines[-1] + part, points=points) > width:
            lines.append("")
        lines[-1] += part
    stripped = [line.strip() for line in lines]
    widest = max(text_width(line, points=points) for line in stripped)
    return stripped if widest <= width else []


def _too_many(count: int) -> InputError:
    return InputError(
        f"the headings of {count} columns do not fit; use fewer columns, shorter "
        "labels, or --columns_width=double"
    )
