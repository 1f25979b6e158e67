"""Reads image files as RGB pixels, and writes pixels as files.

Every command reads the same formats, `SUFFIXES`. OpenCV decodes them, except for those
whose rotation it ignores or that it cannot read: Pillow decodes AVIF, and the package
pillow-heif HEIC.
"""

import contextlib
import io
import mimetypes
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from preprocessing.system.errors import InputError

# The decoders' own messages would repeat the InputError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_HEIC_SUFFIXES = (".heic", ".heif")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp"),
    *(".tif", ".tiff", ".gif", ".avif", *_HEIC_SUFFIXES),
)
# Images that `mimetypes` does not know on every machine.
_OTHER_SUFFIXES = {
    *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2"),
    *(".exr", ".hdr", ".jp2", ".jxl", ".psd", ".svg", ".tga", ".xcf"),
}
# The brands of ISO base media files, which follow `ftyp`.
_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_JPEG_MAGIC = b"\xff\xd8\xff"
_JPEG_QUALITY = 95
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def decode(content: bytes, *, name: str) -> np.ndarray:
    """Decodes an image file's bytes, turned upright by its EXIF orientation.

    Of an animation the first frame is returned.

    Args:
        content: Bytes of a file in one of the formats of `SUFFIXES`.
        name: Name of the file, for messages.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        InputError: The bytes cannot be decoded, or are HEIC and pillow-heif is not
            installed.
    """
    return _decode(content, cv2.IMREAD_COLOR, name)


def is_image(path: Path) -> bool:
    """True if a name is that of an image in a format that can be read."""
    return path.suffix.lower() in SUFFIXES


def is_unreadable_image(path: Path) -> bool:
    """True if a name is that of an image in a format that cannot be read."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    looks = kind.startswith("image/") or path.suffix.lower() in _OTHER_SUFFIXES
    return looks and not is_image(path)


def read(path: str | Path) -> np.ndarray:
    """Reads an image file, uint8 [height, width, 3], RGB.

    Raises:
        InputError: The file is missing, empty or not an image.
    """
    return decode(_content(path), name=str(path))


def read_bounded(
    path: str | Path, *, most_pixels: int = 16_000_000
) -> tuple[np.ndarray, int]:
    """Reads an image file; a very large image is made smaller by a whole number.

    A JPEG is made smaller while it is decoded, and takes the memory of what remains.

    Args:
        path: Path of the file.
        most_pixels: An image with more pixels is made 2, 4 or 8 times smaller.

    Returns:
        uint8 [height, width, 3], RGB, and how many times smaller it is.

    Raises:
        InputError: See `read`; or the image is still too large.
    """
    content = _content(path)
    if not content.startswith(_JPEG_MAGIC):
        image = decode(content, name=str(path))
        shrunk = _shrinking(image.shape[0] * image.shape[1], most_pixels, path)
        height, width = (-(-side // shrunk) for side in image.shape[:2])
        return resize(image, (height, width)), shrunk
    smallest = _decode(content, _REDUCED[8], str(path))
    pixels = 64 * smallest.shape[0] * smallest.shape[1]
    if pixels <= most_pixels:
        return decode(content, name=str(path)), 1
    shrunk = _shrinking(pixels, most_pixels, path)
    return _decode(content, _REDUCED[shrunk], str(path)), shrunk


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes uint8 [H, W, 3] to `size` (height, width); shrinking averages areas."""
    if image.shape[:2] == size:
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, size[::-1], interpolation=method)


def encode_jpeg(image: np.ndarray) -> bytes:
    """Encodes uint8 [H, W, 3] RGB as JPEG, quality 95, colours at full resolution."""
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        _JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[
        1
    ].tobytes()


def encode_png(image: np.ndarray) -> bytes:
    """Encodes uint8 [H, W, 3] RGB as PNG."""
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def is_upright_jpeg(content: bytes) -> bool:
    """True for a JPEG without an EXIF orientation."""
    # Decoders differ in whether they obey an EXIF orientation: none may be kept.
    return content.startswith(_JPEG_MAGIC) and b"Exif\x00" not in content[:65536]


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _decode(content: bytes, how: int, name: str) -> np.ndarray:
    if not content:
        raise InputError(f"{name}: the image file is empty")
    brands = _brands(content)
    if not brands.isdisjoint(_AVIF_BRANDS):
        return _decode_with_pillow(content, name)
    if not brands.isdisjoint(_HEIC_BRANDS):
        _register_heic(name)
        return _decode_with_pillow(content, name)
    pixels = None
    with contextlib.suppress(cv2.error):  # Reported below, like a file without image.
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    if pixels is None:
        raise InputError(f"{name}: cannot be decoded as an image")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _brands(content: bytes) -> set[bytes]:
    """Returns the brands of an ISO base media file, such as AVIF and HEIC."""
    if content[4:8] != b"ftyp":
        return set()
    box = content[8 : min(int.from_bytes(content[:4], "big"), 256)]
    # The second four bytes are the version of the first brand.
    return {box[start : start + 4] for start in range(0, len(box), 4) if start != 4}


def _register_heic(name: str) -> None:
    """Makes Pillow read HEIC."""
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError(
            f"{name}: HEIC images need the package pillow-heif: pip install pillow-heif"
        ) from error
    pillow_heif.register_heif_opener()


def _decode_with_pillow(content: bytes, name: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:  # Damaged bytes raise nearly every kind of exception.
        raise InputError(f"{name}: cannot be decoded as an image") from error


def _shrinking(pixels: int, most_pixels: int, path: str | Path) -> int:
    for times in _REDUCED:
        if pixels <= most_pixels * times**2:
            return times
    most = most_pixels * max(_REDUCED) ** 2
    raise InputError(f"{path}: {pixels:,} pixels; allowed are at most {most:,}")
