"""Image files to RGB pixels, and pixels to files."""

import contextlib
from pathlib import Path

import cv2
import numpy as np

from preprocessing.system.errors import InputError

# Messages of OpenCV's decoders would stand beside the one line that says it.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
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

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        InputError: nothing that OpenCV can decode; the message names `name`.
    """
    return _decode(content, cv2.IMREAD_COLOR, name)


def read(path: str | Path) -> np.ndarray:
    """Reads an image file, uint8 [height, width, 3], RGB.

    Raises:
        InputError: it is missing, empty or no image.
    """
    return decode(_content(path), name=str(path))


def read_bounded(
    path: str | Path, *, most_pixels: int = 16_000_000
) -> tuple[np.ndarray, int]:
    """Reads an image file, smaller by a whole number where it is very large.

    A JPEG is made smaller while it is decoded, and takes the memory of what remains.

    Args:
        path: of the file.
        most_pixels: above these it is made 2, 4 or 8 times smaller.

    Returns:
        uint8 [height, width, 3], RGB, and how many times smaller it is.

    Raises:
        InputError: as `read`, or it is too large even so.
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
    """True for a JPEG that every decoder turns the same way."""
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
    pixels = None
    with contextlib.suppress(cv2.error):  # Reported below, like a file without image.
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    if pixels is None:
        raise InputError(f"{name}: cannot be decoded as an image")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _shrinking(pixels: int, most_pixels: int, path: str | Path) -> int:
    for times in _REDUCED:
        if pixels <= most_pixels * times**2:
            return times
    most = most_pixels * max(_REDUCED) ** 2
    raise InputError(f"{path}: {pixels:,} pixels; allowed are at most {most:,}")
