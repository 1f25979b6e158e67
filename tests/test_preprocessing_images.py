"""Image files as they come: grey, transparent, turned, broken, of another size."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocessing.images import framing as fitting
from preprocessing.images import image_files as images
from preprocessing.system.errors import InputError

SIZE = (48, 32)
# Of HEIC; without it the tests of HEIC are skipped.
try:
    import pillow_heif
except ImportError:
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()
needs_heif = pytest.mark.skipif(not pillow_heif, reason="needs pillow-heif")


def picture(size=SIZE):
    """Red at the top left, green at the top right, blue below: smooth, not square."""
    image = np.zeros((*size, 3), np.uint8)
    image[: size[0] // 2, : size[1] // 2] = (220, 20, 20)
    image[: size[0] // 2, size[1] // 2 :] = (20, 200, 20)
    image[size[0] // 2 :] = (20, 20, 220)
    return image


def encoded(image, form="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


def turned(image, orientation, form="JPEG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"subsampling": 0} if form == "JPEG" else {}
    return encoded(image, form, quality=95, exif=exif.tobytes(), **options)


def assert_like(image, expected, tolerance=12):
    assert image.shape == expected.shape
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - expected).mean() < tolerance


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP"])
def test_colours_are_red_green_blue(form):
    assert_like(images.decode(encoded(picture(), form), name="a"), picture())


HEIC = (".heic", ".heif")


@pytest.mark.parametrize(
    "suffix",
    [
        pytest.param(suffix, marks=needs_heif if suffix in HEIC else ())
        for suffix in images.SUFFIXES
    ],
)
def test_every_suffix_that_is_taken_can_be_decoded(suffix, tmp_path):
    content = encoded(picture(), Image.registered_extensions()[suffix])
    assert_like(images.decode(content, name="a"), picture())
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert images.is_image(path)
    assert not images.is_unreadable_image(path)
    image, shrunk = images.read_bounded(path)
    assert shrunk == 1
    assert_like(image, picture())


@needs_heif
def test_heic_of_every_brand_is_told_from_its_bytes():
    content = encoded(picture(), "HEIF")
    assert content[4:12] == b"ftypheic"
    # Some cameras name the general brand first.
    general = content[:8] + b"mif1" + content[12:]
    assert_like(images.decode(general, name="a"), picture())


def test_without_the_package_for_heic_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(InputError, match=r"me\.heic: .* pip install pillow-heif"):
        images.decode(content, name="me.heic")


@pytest.mark.parametrize("name", ["a.svg", "a.PSD", "a.cr2", "a.dng", "a.jxl", "a.ico"])
def test_names_of_images_that_are_not_read(name):
    assert images.is_unreadable_image(Path(name))
    assert not images.is_image(Path(name))


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a", "jpg", "a.mp4", "a.JPG"])
def test_names_of_other_files(name):
    assert not images.is_unreadable_image(Path(name))


def test_of_an_animation_the_first_frame_is_read():
    file = io.BytesIO()
    second = Image.fromarray(np.zeros((*SIZE, 3), np.uint8))
    first = Image.fromarray(picture())
    first.save(file, "GIF", save_all=True, append_images=[second])
    assert_like(images.decode(file.getvalue(), name="a"), picture())


def test_grey_becomes_three_equal_channels():
    grey = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (48, 1))
    image = images.decode(encoded(grey), name="a")
    assert_like(image, np.stack([grey] * 3, axis=-1), tolerance=4)
    assert (image == image[..., :1]).all()


def test_transparency_and_palettes_and_16_bits_are_only_colours():
    alpha = np.full((*SIZE, 1), 128, np.uint8)
    transparent = encoded(np.concatenate([picture(), alpha], axis=-1), "PNG")
    np.testing.assert_array_equal(images.decode(transparent, name="a"), picture())
    file = io.BytesIO()
    Image.fromarray(picture()).quantize(8).save(file, "PNG")
    assert_like(images.decode(file.getvalue(), name="a"), picture(), tolerance=3)
    deep = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (48, 1))
    image = images.decode(encoded(deep, "PNG"), name="a")
    assert_like(image, np.stack([deep // 257] * 3, axis=-1), tolerance=2)


# What a viewer does to show the stored pixels upright, by the EXIF standard.
UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    "form",
    ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", pytest.param("HEIF", marks=needs_heif)],
)
def test_every_format_is_turned_as_its_exif_says(form, orientation):
    content = turned(picture(), orientation, form)
    upright = UPRIGHT[orientation](picture())
    assert_like(images.decode(content, name="a"), upright)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_photo_is_turned_as_its_exif_says(orientation):
    content = turned(picture(), orientation)
    upright = UPRIGHT[orientation](picture())
    assert_like(images.decode(content, name="a"), upright)
    made, fitted = fitting.fit_jpeg(content, upright.shape[:2], name="a")
    assert fitted.size == upright.shape[:2]
    # No orientation is left that a decoder might obey a second time, or not at all.
    read_back = Image.open(io.BytesIO(made))
    assert read_back.getexif().get(0x0112, 1) == 1
    assert_like(np.asarray(read_back), upright)


def test_a_jpeg_of_the_right_size_keeps_its_bytes():
    content = encoded(picture(), quality=70)
    made, fitted = fitting.fit_jpeg(content, SIZE, name="a")
    assert (made, fitted.size) == (content, SIZE)


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_other_formats_of_the_right_size_become_jpeg(form):
    made, fitted = fitting.fit_jpeg(encoded(picture(), form), SIZE, name="a")
    assert fitted.size == SIZE
    read_back = Image.open(io.BytesIO(made))
    assert read_back.format == "JPEG"
    assert_like(np.asarray(read_back), picture(), tolerance=4)


@pytest.mark.parametrize("size", [(24, 16), (96, 64), (20, 60), (49, 32)])
def test_another_size_is_resized_and_the_size_it_had_is_told(size):
    content = encoded(picture())
    made, fitted = fitting.fit_jpeg(content, size, name="a", mode="stretch")
    assert fitted.size == SIZE
    assert_like(np.asarray(Image.open(io.BytesIO(made))), picture(size), tolerance=20)


@pytest.mark.parametrize("new_size", [(16, 16), (64, 16), (16, 64)])
def test_shrinking_averages_areas_in_either_direction(new_size):
    stripes = np.zeros((64, 64, 3), np.uint8)
    across, down = 64 // new_size[1], 64 // new_size[0]
    if across > 1:
        stripes[:, ::4] = 255
    if down > 1:
        stripes[::4] = 255
    blocks = stripes.reshape(new_size[0], down, new_size[1], across, 3)
    expected = blocks.mean(axis=(1, 3))
    np.testing.assert_allclose(images.resize(stripes, new_size), expected, atol=1)


def test_the_right_size_is_not_touched():
    image = picture()
    np.testing.assert_array_equal(images.resize(image, SIZE), image)


def test_jpeg_of_a_drawing_keeps_its_colours_at_full_resolution():
    dots = np.zeros((16, 16, 3), np.uint8)
    dots[::2] = (255, 0, 0)
    dots[1::2] = (0, 0, 255)
    made = Image.open(io.BytesIO(images.encode_jpeg(dots)))
    # With colours at half resolution all of it would be purple.
    assert_like(np.asarray(made), dots, tolerance=12)


def test_png_is_lossless():
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    made = Image.open(io.BytesIO(images.encode_png(noise)))
    np.testing.assert_array_equal(np.asarray(made), noise)
    assert made.format == "PNG"


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_truncated_file_is_refused(form, share):
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    content = encoded(noise, form)
    with pytest.raises(InputError, match=r"^anna/1\.jpg: "):
        fitting.fit_jpeg(content[: int(len(content) * share)], SIZE, name="anna/1.jpg")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\xff\xd8\xff", b"GIF89a", b"<html>not found</html>", b"\0" * 5000],
    ids=repr,
)
def test_what_is_no_image_is_refused_by_name(content, tmp_path):
    with pytest.raises(InputError, match=r"^anna/1\.jpg: .*(empty|decoded)"):
        fitting.fit_jpeg(content, SIZE, name="anna/1.jpg")
    path = tmp_path / "1.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=str(path)):
        images.read(path)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            images.read(path)


def test_a_file_is_read(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture(), "PNG"))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), picture())


# === Large photos ===


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("most", "shrunk"), [(10_000, 1), (1536, 1), (1535, 2), (384, 2), (100, 4), (24, 8)]
)
def test_a_large_photo_is_read_smaller_by_a_whole_number(form, most, shrunk, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(encoded(picture(), form))
    image, times = images.read_bounded(path, most_pixels=most)
    assert times == shrunk
    size = (SIZE[0] // shrunk, SIZE[1] // shrunk)
    assert_like(image, images.resize(picture(), size), tolerance=20)


@pytest.mark.parametrize("most", [10_000, 400])
def test_a_large_photo_is_turned_as_its_exif_says(most, tmp_path):
    path = tmp_path / "turned.jpg"
    path.write_bytes(turned(picture(), 6))
    image, _ = images.read_bounded(path, most_pixels=most)
    expected = images.resize(np.rot90(picture(), -1), image.shape[:2])
    assert image.shape[0] < image.shape[1]
    assert_like(image, expected, tolerance=20)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_photo_that_no_shrinking_bounds_is_refused(form, tmp_path):
    path = tmp_path / "huge"
    path.write_bytes(encoded(picture(), form))
    with pytest.raises(InputError, match="1,536 pixels; allowed are at most 64"):
        images.read_bounded(path, most_pixels=1)


@pytest.mark.parametrize("content", [b"", b"text", encoded(picture())[:100]])
def test_what_is_no_large_photo_is_refused_by_name(content, tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match="broken"):
        images.read_bounded(path)
