"""The page's own parts: files for the browser, and images inside of what it gets."""

import base64
from importlib import resources
from typing import NamedTuple

import numpy as np

from preprocessing.images import image_files as images


class Part(NamedTuple):
    """What the browser needs of a part: markup, style and program."""

    html: str
    css: str
    js: str


def read(name: str) -> Part:
    """Returns a part of the page, `joints` or `picker`."""
    return Part(*(text(f"{name}.{kind}") for kind in Part._fields))


def text(name: str) -> str:
    """Returns a file of the page."""
    return (resources.files(__package__) / name).read_text("utf-8")


def data_address(image: np.ndarray) -> str:
    """Returns uint8 [H, W, 3] as an address that is the image itself."""
    content = base64.b64encode(images.encode_png(image)).decode()
    return f"data:image/png;base64,{content}"
