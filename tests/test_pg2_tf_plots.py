"""Grids as pages: exact pixels, text, pages, the same bytes every time."""

import numpy as np
import pypdf
import pytest
from pg2_tf_helpers import random_poses

from pg2_tf.paper.figures import layout
from pg2_tf.paper.figures.grid import Cell, Grid, draw_pages
from preprocessing.images import drawing as pictures
from preprocessing.images import image_files as images
from preprocessing.system.errors import InputError

HEADINGS = ("Condition image", "Target pose", "Target image (GT)", "G1+G2+D")
SIZES = [(32, 32), (64, 32), (128, 64), (256, 256)]


def random_images(count, size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)


def make_grid(size=(64, 32), *, rows=2, headings=HEADINGS, **more):
    pixels = random_images(rows * len(headings), size)
    cells = [Cell(image) for image in pixels]
    step = len(headings)
    parts = [cells[start : start + step] for start in range(0, len(cells), step)]
    return Grid(size, headings, parts, **more)


def write(tmp_path, grid, *, width=6.875, rows_per_page=None):
    pages = draw_pages(grid, width=width, rows_per_page=rows_per_page)
    return layout.write(pages, tmp_path, stem="grid")


def places(grid, *, width):
    """Where each cell of a page should be: top, left, height, width."""
    planned = layout.plan(
        grid.headings,
        image_size=grid.image_size,
        width=width,
        labels=bool(grid.labels),
        arrows=grid.arrows,
    )
    height, wide = planned.cell
    for row in range(len(grid.rows)):
        for column in range(len(grid.headings)):
            top = planned.top + row * (height + planned.row_gutter)
            yield top, planned.left + column * (wide + planned.gutter), height, wide


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("width", [3.25, 6.875])
def test_png_shows_every_pixel_as_a_square(tmp_path, size, width):
    grid = make_grid(size, labels=["ID 1", "ID 2"])
    _, path = write(tmp_path, grid, width=width)
    page = images.read(path)
    cells = [cell for row in grid.rows for cell in row]
    seen = np.zeros(page.shape[:2], bool)
    for cell, (top, left, height, wide) in zip(
        cells, places(grid, width=width), strict=True
    ):
        scale = height // size[0]
        expected = cell.image.repeat(scale, axis=0).repeat(scale, axis=1)
        shown = page[top : top + height, left : left + wide]
        np.testing.assert_array_equal(shown, expected)
        seen[top : top + height, left : left + wide] = True
    first_top, first_left, *_ = next(iter(places(grid, width=width)))
    below = page[first_top:, first_left:][~seen[first_top:, first_left:]]
    assert (below == 255).all()
    assert page.shape[:2] == (seen.any(axis=1).nonzero()[0].max() + 1, seen.shape[1])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pdf_holds_the_very_pixels_and_text(tmp_path, size):
    grid = make_grid(size, labels=["ID 0017", "ID 0018"])
    path, _ = write(tmp_path, grid)
    document = pypdf.PdfReader(path)
    (page,) = document.pages
    cells = [cell for row in grid.rows for cell in row]
    for cell, stored in zip(cells, page.images, strict=True):
        np.testing.assert_array_equal(np.array(stored.image), cell.image)
    text = " ".join(page.extract_text().split())
    for words in (*HEADINGS, "ID 0017", "ID 0018"):
        assert words in text
    for font in page["/Resources"]["/Font"].values():
        assert font.get_object()["/Subtype"] in ("/TrueType", "/Type0")


@pytest.mark.parametrize("width", [3.25, 6.875])
def test_page_is_as_wide_as_asked_and_at_least_300_dpi(tmp_path, width):
    grid = make_grid((256, 256), headings=[*HEADINGS, *"abcde"], labels=["ID 1"] * 2)
    (page,) = draw_pages(grid, width=width)
    assert page.get_figwidth() == pytest.approx(width, abs=1e-4)
    assert page.dpi >= 300
    path, png = layout.write([page], tmp_path, stem="grid")
    box = pypdf.PdfReader(path).pages[0].mediabox
    assert float(box.width) == pytest.approx(72 * width, abs=0.01)
    assert images.read(png).shape[1] == pytest.approx(page.dpi * width, abs=1)


def test_tall_images_make_a_narrower_page():
    (page,) = draw_pages(make_grid((256, 64), headings="abc", rows=1), width=6.875)
    assert page.get_figwidth() < 3
    assert page.get_figheight() < 2.2


def test_gutters_are_equal():
    planned = layout.plan(HEADINGS, image_size=(64, 32), width=6.875)
    assert planned.gutter == planned.row_gutter > 0
    wide = layout.plan(HEADINGS, image_size=(64, 32), width=6.875, arrows=True)
    assert wide.gutter > 3 * wide.row_gutter


def test_long_grids_go_on_pages(tmp_path):
    paths = write(tmp_path, make_grid(rows=7), rows_per_page=3)
    names = ["grid.pdf", "grid_1.png", "grid_2.png", "grid_3.png"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    pages = pypdf.PdfReader(paths[0]).pages
    drawn = [page.get_contents().get_data().count(b" Do") for page in pages]
    assert drawn == [12, 12, 4]
    assert all("Condition" in page.extract_text() for page in pages)
    heights = [images.read(path).shape[0] for path in paths[1:]]
    assert heights[0] == heights[1] > heights[2]


def test_pages_are_about_equally_long_and_fit_a_paper():
    pages = draw_pages(make_grid((128, 64), rows=14, headings="abcdefgh"), width=6.875)
    heights = [page.get_figheight() for page in pages]
    assert len(pages) == 3
    assert max(heights) <= layout.PAGE_HEIGHT
    assert heights[0] == heights[1]
    assert heights[2] == pytest.approx(heights[0] * 4 / 5, rel=0.1)
    (page,) = draw_pages(make_grid((128, 64), rows=6), width=6.875)
    assert page.get_figheight() <= layout.PAGE_HEIGHT


def test_files_are_the_same_every_time(tmp_path):
    grid = make_grid(arrows=True)
    pose = random_poses(1)[0]
    grid = Grid(grid.image_size, HEADINGS, [[Cell(None, pose)] * 4, *grid.rows])
    first = write(tmp_path / "first", grid)
    second = write(tmp_path / "second", grid)
    for one, other in zip(first, second, strict=True):
        content = one.read_bytes()
        assert content == other.read_bytes()
        assert b"CreationDate" not in content
        assert b"matplotlib" not in content.lower()


def test_images_of_other_proportions_stand_in_the_middle(tmp_path):
    wide, narrow = random_images(1, (32, 32))[0], random_images(1, (32, 16))[0]
    grid = Grid((32, 32), ["one", "two"], [[Cell(wide), Cell(narrow)]])
    _, path = write(tmp_path, grid)
    _, (top, left, height, width) = places(grid, width=6.875)
    shown = images.read(path)[top : top + height, left : left + width]
    scale, side = height // 32, width // 4
    assert (shown[:, : side - 1] == 255).all()
    assert (shown[:, 1 - side :] == 255).all()
    expected = narrow.repeat(scale, axis=0).repeat(scale, axis=1)
    np.testing.assert_array_equal(shown[:, side:-side], expected)


def test_pose_stands_on_its_keypoints(tmp_path):
    pose = np.zeros((18, 3), np.float32)
    pose[2], pose[5] = (8, 20, 1), (24, 40, 1)
    grid = Grid((64, 32), ["dots", "pose"], [[Cell(None, pose, False)] * 2])
    _, path = write(tmp_path, grid)
    top, left, height, _ = next(iter(places(grid, width=6.875)))
    page, scale = images.read(path), height // 64
    for index in (2, 5):
        x, y = (pose[index, :2] + 0.5) * scale
        shown = page[top + int(y), left + int(x)]
        np.testing.assert_array_equal(shown, pictures.keypoint_colour(index))
    assert (page[top + height // 2, left] == 0).all()


def test_limbs_connect_what_was_found(tmp_path):
    pose = np.zeros((18, 3), np.float32)
    pose[2], pose[3] = (4, 32, 1), (28, 32, 1)  # Shoulder and elbow.
    cells = [Cell(None, pose), Cell(None, pose, limbs=False)]
    grid = Grid((64, 32), ["limbs", "dots"], [cells])
    _, path = write(tmp_path, grid)
    page = images.read(path)
    middles = []
    for top, left, height, width in places(grid, width=6.875):
        y = top + int(32.5 * height / 64)
        middles.append(page[y, left + width // 2].tolist())
    assert middles == [list(pictures.keypoint_colour(3)), [0, 0, 0]]


def test_pose_stays_within_its_image(tmp_path):
    pose = np.zeros((18, 3), np.float32)
    pose[3], pose[4] = (0, 32, 1), (60, 32, 1)
    grid = Grid((64, 32), ["a", "b"], [[Cell(None), Cell(None, pose)]])
    _, path = write(tmp_path, grid)
    page = images.read(path)
    (top, left, height, width), (_, right, *_) = places(grid, width=6.875)
    assert (page[top : top + height, left : left + width] == 0).all()
    assert (page[top : top + height, left + width + 1 : right - 1] == 255).all()


def test_headings_are_broken_before_they_become_small():
    broken = layout.plan(
        ["Target image (GT)", "G1-poseMaskLoss", *"abcdefg"],
        image_size=(128, 64),
        width=6.875,
    )
    assert broken.headings[:2] == [["Target image", "(GT)"], ["G1-", "poseMaskLoss"]]
    assert broken.points >= 7
    narrow = layout.plan(
        ["G1-poseMaskLoss", *"abcdefgh"], image_size=(128, 64), width=3.25
    )
    assert len(narrow.headings[0]) > 1
    assert "".join(narrow.headings[0]) == "G1-poseMaskLoss"
    assert layout.SMALLEST_TEXT <= narrow.points < broken.points


@pytest.mark.parametrize(
    "headings", [["a" * 60] * 4, ["heading"] * 40, ["a"] * 200], ids=len
)
def test_headings_that_cannot_be_read_are_refused(headings):
    with pytest.raises(InputError, match=f"{len(headings)} columns do not fit"):
        layout.plan(headings, image_size=(128, 64), width=3.25)


def test_labels_are_no_formulas(tmp_path):
    grid = make_grid(headings=["$\\x$", "50 $", "λ_1", "д"], labels=["ID $1$"] * 2)
    path, _ = write(tmp_path, grid)
    text = pypdf.PdfReader(path).pages[0].extract_text()
    for label in ("$\\x$", "50 $", "λ_1", "ID $1$"):
        assert label in text


def test_long_labels_keep_their_ends():
    short = layout.shorten("ID 0017", length=1, points=7)
    assert short == "ID 0017"
    cut = layout.shorten("ID WOMEN-Tees-id_00006655", length=0.5, points=7)
    assert cut.startswith("…")
    assert cut.endswith("6655")
    assert layout.text_width(cut, points=7) <= 0.5
