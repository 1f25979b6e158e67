"""Images in rows and columns, with headings, as pages of a paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pg2_tf.paper.figures.layout import Layout, new_figure, plan, shorten, styled
from preprocessing.images import drawing as pictures
from preprocessing.poses import keypoints as kp

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

_LABEL_POINTS = 7.0
# Width of limbs and diameter of keypoints, as shares of a cell's height.
_LIMB = 1 / 75
_KEYPOINT = 1 / 32
# Keeps rounding errors at the edge from stretching an image by a pixel.
_INSIDE = 1e-3


@dataclass(frozen=True)
class Cell:
    """One cell of a grid.

    Attributes:
        image: uint8 [H, W, 3], RGB, shown pixel by pixel; None for black.
        pose: float32 [18, 3] in pixels of the image, drawn over it, or None.
        limbs: Whether lines connect the keypoints.
    """

    image: np.ndarray | None
    pose: np.ndarray | None = None
    limbs: bool = True


@dataclass(frozen=True)
class Grid:
    """Images in rows and columns.

    Attributes:
        image_size: Height and width of poses and most images, in pixels.
        headings: Column headings.
        rows: Cells of each row, one per heading.
        labels: Row labels, or none.
        arrows: Whether arrows connect the columns.
    """

    image_size: tuple[int, int]
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    labels: Sequence[str] = ()
    arrows: bool = False


def draw_pages(
    grid: Grid, *, width: float, rows_per_page: int | None = None
) -> list["Figure"]:
    """Draws a grid on one or more pages.

    Args:
        grid: The grid.
        width: Width of a page, in inches; see `layout.plan`.
        rows_per_page: Number of rows on a page. Default: as many as fit on a page of a
            paper.

    Raises:
        InputError: The headings do not fit at a readable size.
    """
    with styled():
        layout = plan(
            grid.headings,
            image_size=grid.image_size,
            width=width,
            labels=bool(grid.labels),
            arrows=grid.arrows,
        )
        count = rows_per_page or layout.rows_per_page(len(grid.rows))
        return [
            _draw_page(grid, layout, range(len(grid.rows))[start : start + count])
            for start in range(0, len(grid.rows), count)
        ]


def _draw_page(grid: Grid, layout: Layout, rows: Sequence[int]) -> "Figure":
    height = layout.height(len(rows))
    figure = new_figure(
        # Slightly larger, because the PNG's size is truncated to whole pixels.
        (layout.width + _INSIDE) / layout.dpi,
        (height + _INSIDE) / layout.dpi,
        dpi=layout.dpi,
    )
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    _draw_headings(axes, layout)
    for place, row in enumerate(rows):
        top = layout.top + place * (layout.cell[0] + layout.row_gutter)
        for column, cell in enumerate(grid.rows[row]):
            _draw_cell(axes, layout, cell, _left(layout, column), top)
        if grid.arrows:
            _draw_arrows(axes, layout, top, len(grid.headings))
        if grid.labels:
            _draw_label(axes, layout, grid.labels[row], top)
    axes.set_xlim(0, layout.width)
    axes.set_ylim(height, 0)
    return figure


def _left(layout: Layout, column: int) -> int:
    return layout.left + column * (layout.cell[1] + layout.gutter)


def _draw_headings(axes: "Axes", layout: Layout) -> None:
    for column, heading in enumerate(layout.headings):
        for above, line in zip(range(len(heading))[::-1], heading, strict=True):
            axes.text(
                _left(layout, column) + layout.cell[1] / 2,
                layout.lowest_baseline - above * layout.line,
                line,
                size=layout.points,
                horizontalalignment="center",
                verticalalignment="baseline",
            )


def _draw_label(axes: "Axes", layout: Layout, label: str, top: int) -> None:
    height, points = layout.cell[0], min(_LABEL_POINTS, layout.points)
    axes.text(
        layout.left / 2 - 0.015 * layout.dpi,
        top + height / 2,
        shorten(label, length=height / layout.dpi, points=points),
        size=points,
        rotation=90,
        rotation_mode="anchor",
        horizontalalignment="center",
        verticalalignment="center",
    )


def _draw_arrows(axes: "Axes", layout: Layout, top: int, columns: int) -> None:
    middle = top + layout.cell[0] / 2
    for column in range(1, columns):
        right = _left(layout, column)
        axes.annotate(
            "",
            xy=(right - 0.15 * layout.gutter, middle),
            xytext=(right - 0.85 * layout.gutter, middle),
            arrowprops={
                "arrowstyle": "-|>,head_width=0.16,head_length=0.3",
                "linewidth": 0.8,
                "color": "black",
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def _draw_cell(axes: "Axes", layout: Layout, cell: Cell, left: int, top: int) -> None:
    """Draws a cell; an image of other proportions is centred."""
    from matplotlib.patches import Rectangle

    height, width = layout.image_size if cell.image is None else cell.image.shape[:2]
    scale = min(layout.cell[0] / height, layout.cell[1] / width)
    left += round((layout.cell[1] - width * scale) / 2)
    top += round((layout.cell[0] - height * scale) / 2)
    right, bottom = left + width * scale, top + height * scale
    ground = axes.add_patch(
        Rectangle(
            (left, top),
            right - left,
            bottom - top,
            facecolor="black",
            linewidth=0,
            visible=cell.image is None,
        )
    )
    if cell.image is not None:
        axes.imshow(
            # With these rows reversed, the PDF holds the image upright.
            cell.image[::-1],
            extent=(left + _INSIDE, right - _INSIDE, bottom - _INSIDE, top + _INSIDE),
            interpolation="none",
            aspect="auto",
            origin="lower",
        )
    if cell.pose is not None:
        x, y = (cell.pose[:, :2].T + 0.5) * scale + [[left], [top]]
        points = (bottom - top) / layout.dpi * 72
        _draw_pose(axes, cell, (x, y), height=points, within=ground)


def _draw_pose(
    axes: "Axes",
    cell: Cell,
    places: tuple[np.ndarray, np.ndarray],
    *,
    height: float,
    within: "Patch",
) -> None:
    """Draws a pose in the colours of `drawing.draw_pose`, as vectors.

    Args:
        axes: Axes to draw on.
        cell: Cell with the pose.
        places: x and y of the keypoints on the page, float64 [18] each.
        height: Height of the cell, in points.
        within: Patch that clips the pose.
    """
    assert cell.pose is not None
    x, y = places
    found = kp.found(cell.pose)
    for start, end in kp.SKELETON:
        if cell.limbs and found[start] and found[end]:
            (limb,) = axes.plot(
                x[[start, end]],
                y[[start, end]],
                color=_colour(end),
                linewidth=height * _LIMB,
                solid_capstyle="round",
            )
            limb.set_clip_path(within)
    for index in np.flatnonzero(found).tolist():
        (keypoint,) = axes.plot(
            x[index],
            y[index],
            color=_colour(index),
            marker="o",
            markersize=height * _KEYPOINT,
            markeredgewidth=0,
        )
        keypoint.set_clip_path(within)


def _colour(keypoint: int) -> tuple[float, float, float]:
    red, green, blue = pictures.keypoint_colour(keypoint)
    return red / 255, green / 255, blue / 255
