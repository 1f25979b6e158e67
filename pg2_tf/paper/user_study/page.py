"""A user study as one HTML page that needs nothing else, and its key."""

import base64
import hashlib
import html
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pg2_tf.paper.user_study import key as keys
from pg2_tf.paper.user_study.drawing import SECONDS
from pg2_tf.paper.user_study.key import Key, Part
from preprocessing.images import image_files as images
from preprocessing.system import files
from preprocessing.system.errors import InputError

TITLE = "Real or fake?"
# Of the checksum; enough to tell studies apart.
_DIGITS = 16
# Where the template is to be filled in.
_PLACE = re.compile(r"\{\{ (\w+) \}\}")


def write(
    path: str | Path,
    parts: list[Part],
    *,
    practice: int,
    seed: int,
    seconds: float = SECONDS,
    title: str = TITLE,
) -> Key:
    """Writes a study's page, and its key beside it.

    The page holds every image as PNG, whatever it was before, under names that say
    nothing of what it is; a participant judges one of its parts.

    Args:
        path: of the page, `.html`; see `key.path_of` for the key's.
        parts: drawn by `drawing.draw`.
        practice: how many images at the start of each part do not count.
        seed: that they were drawn with.
        seconds: how long each image is shown.
        title: of the page.

    Raises:
        InputError: an image cannot be read or is not of the others' size.
    """
    path = Path(path)
    shown = {
        "title": title,
        "seconds": seconds,
        "practice": practice,
        "parts": _encoded(parts),
    }
    study = hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:_DIGITS]
    key = Key(study, title, seconds, practice, seed, parts)
    page = _fill({"study": study, **shown}, title=title)
    # The key first: no page is ever without one.
    files.write_json(keys.path_of(path), key.to_json())
    files.write_text(path, page)
    return key


def _encoded(parts: list[Part]) -> list[dict[str, Any]]:
    encoded, size = [], None
    total = sum(len(part.images) for part in parts)
    with tqdm(total=total, desc="reading", unit=" images") as progress:
        for part in parts:
            inlined = []
            for image, file, _ in part.images:
                pixels = images.read(file)
                size = size or pixels.shape[:2]
                if pixels.shape[:2] != size:
                    raise InputError(
                        f"{file}: {pixels.shape[0]}x{pixels.shape[1]} pixels, but "
                        f"{parts[0].images[0].file} has {size[0]}x{size[1]}; all "
                        "images of a study must have one size"
                    )
                png = base64.b64encode(images.encode_png(pixels)).decode("ascii")
                inlined.append({"image": image, "png": png})
                progress.update()
            encoded.append({"part": part.part, "images": inlined})
    return encoded


def _fill(study: dict[str, Any], *, title: str) -> str:
    folder = resources.files("pg2_tf.paper.user_study")
    contents = {
        "title": html.escape(title),
        "style": (folder / "page.css").read_text("utf-8"),
        "script": (folder / "page.js").read_text("utf-8"),
        # Otherwise a title could end the element that it stands in.
        "study": json.dumps(study).replace("<", "\\u003c"),
    }
    template = (folder / "page.html").read_text("utf-8")
    return _PLACE.sub(lambda place: contents[place[1]], template)
