"""Draws the images of a user study, and writes its page and key.

The page is one HTML file with all images in it. The study follows section 4.4 of the
paper: 55 real and 55 generated images for 1 second each, the first 10 for practice,
30 participants.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pg2_tf.paper.user_study import answers
from pg2_tf.paper.user_study.answers import Key, Part, Shown
from preprocessing.images import image_files as images
from preprocessing.sources.samples import Notes, image_files
from preprocessing.system import files
from preprocessing.system.errors import InputError

# Paper, section 4.4.
IMAGES = 55
PRACTICE = 10
SECONDS = 1.0
PARTICIPANTS = 30
TITLE = "Real or fake?"
# Digits of the study's checksum.
_DIGITS = 16
# Placeholders of the template.
_PLACE = re.compile(r"\{\{ (\w+) \}\}")


def draw(
    real: str | Path,
    methods: Mapping[str, str | Path],
    *,
    images: int = IMAGES,
    practice: int = PRACTICE,
    seed: int = 0,
) -> list[Part]:
    """Draws one part for each method.

    The same file names and seed give the same study on every machine. All parts have
    the same real images; methods whose folders have the same file names get the same
    names. Half of the practice images are real: with the paper's numbers, 50 real and
    50 generated images count.

    Args:
        real: Folder of real images, with its subfolders.
        methods: Folders of generated images, by method name.
        images: Number of real images, and of generated images, in a part.
        practice: Number of practice images, real and generated together.
        seed: Seed of the drawing.

    Raises:
        InputError: A folder has too few images, or practice leaves no image to judge.
    """
    if (practice + 1) // 2 >= images:
        raise InputError(
            f"--practice={practice}: leaves none of the {images} real and {images} "
            f"generated images to be judged; at most {max(0, 2 * images - 2)}"
        )
    photographs = _drawn(Path(real), images, draw_of=f"{seed}\nreal")
    parts = []
    for part, (method, folder) in enumerate(methods.items(), start=1):
        generated = _drawn(Path(folder), images, draw_of=f"{seed}\ngenerated")
        cut = practice // 2, practice - practice // 2
        order = [
            *_shuffled(
                photographs[: cut[0]],
                generated[: cut[1]],
                draw_of=f"{seed}\npractice of {method}",
            ),
            *_shuffled(
                photographs[cut[0] :],
                generated[cut[1] :],
                draw_of=f"{seed}\norder of {method}",
            ),
        ]
        parts.append(Part(part, method, _shown(part, order)))
    return parts


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

    The page holds every image as PNG under a name that does not tell whether it is
    real. A participant judges one part.

    Args:
        path: Path of the page, `.html`; see `key.path_of` for the key's.
        parts: Parts from `draw`.
        practice: Number of images at the start of each part that do not count.
        seed: Seed that the parts were drawn with.
        seconds: Time that each image is shown.
        title: Heading of the page.

    Raises:
        InputError: An image cannot be read, or the images differ in size.
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
    # The key is written first, so that there is never a page without its key.
    files.write_json(answers.path_of(path), key.to_json())
    files.write_text(path, page)
    return key


def _drawn(folder: Path, count: int, *, draw_of: str) -> list[Path]:
    """Draws images of different content: one real image may belong to many pairs."""

    def lot(path: Path) -> bytes:
        # Without the suffix: methods may use PNG or JPEG.
        return _lot(draw_of, path.relative_to(folder).with_suffix("").as_posix())

    drawn: dict[str, Path] = {}
    for path in sorted(image_files(folder, Notes()), key=lot):
        drawn.setdefault(files.sha256(path), path)
        if len(drawn) == count:
            return list(drawn.values())
    raise InputError(
        f"{folder}: {len(drawn)} images of different content, the study needs {count}"
    )


def _shuffled(
    real: Sequence[Path], generated: Sequence[Path], *, draw_of: str
) -> list[tuple[Path, bool]]:
    both = [(path, True) for path in real] + [(path, False) for path in generated]
    lots = [_lot(draw_of, str(i)) for i in range(len(both))]
    return [both[i] for i in sorted(range(len(both)), key=lots.__getitem__)]


def _shown(part: int, order: Sequence[tuple[Path, bool]]) -> list[Shown]:
    return [
        Shown(f"{part}-{number:03d}", str(path), real)
        for number, (path, real) in enumerate(order, start=1)
    ]


def _lot(draw_of: str, name: str) -> bytes:
    return hashlib.sha256(f"{draw_of}\n{name}".encode()).digest()


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
