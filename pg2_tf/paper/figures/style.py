"""How figures look and how they are written; nothing else imports matplotlib."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from preprocessing.system import files
from preprocessing.system.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches: one column and both of a page of two columns (CVPR's author kit).
COLUMNS_WIDTHS = {"single": 3.25, "double": 6.875}
PAGE_HEIGHT = 8.875
# Pixels of the PNG an inch, at least.
MIN_DPI = 300
# Points: of text, and the least that can still be read in print.
TEXT = 8.0
SMALLEST_TEXT = 5.0
_STYLE: Any = {
    # They come with matplotlib, so that text is the same on every machine.
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    # A dollar sign in a label is one.
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


def require_matplotlib() -> None:
    """Raises InputError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise InputError(
            'figures need matplotlib: pip install "pg2-tf[figures]"'
        ) from error


def styled() -> Any:
    """Returns a context in which matplotlib draws and writes as figures need it."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def new_figure(width: float, height: float, *, dpi: float = MIN_DPI) -> "Figure":
    """Returns an empty white figure; to be called and drawn on within `styled`.

    Args:
        width, height: in inches.
        dpi: pixels of the PNG an inch.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, facecolor="white")


def text_width(text: str, *, points: float) -> float:
    """Returns how wide a line of text becomes, in inches."""
    return _width_at_one_point(text) * points


@cache
def _width_at_one_point(text: str) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(family=_STYLE["font.family"])
    return TextPath((0, 0), text, size=72, prop=font).get_extents().width / 72**2


def write(pages: Sequence["Figure"], out: Path, *, stem: str) -> list[Path]:
    """Writes figures as `stem.pdf`, a page each, and as PNG files.

    The same figures give the same bytes: no time stands in the files.

    Args:
        pages: in order.
        out: folder of the files.
        stem: of their names. A single page becomes `stem.png`, several `stem_1.png`
            and so on.

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
