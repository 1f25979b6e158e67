"""Draws the images of a user study, and the order in which they are shown."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pg2_tf.paper.user_study.key import Part, Shown
from preprocessing.sources.samples import Notes
from preprocessing.sources.walking import image_files
from preprocessing.system import files
from preprocessing.system.errors import InputError

# Paper, section 4.4.
IMAGES = 55
PRACTICE = 10
SECONDS = 1.0


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
    the same real images; methods whose folders have the same names, the same names.
    Half of the practice images are real, so that with the paper's numbers 50 real and
    50 generated ones count.

    Args:
        real: folder of real images, with the folders in it.
        methods: folders of generated images, by the method's name.
        images: how many real and how many generated ones a part has.
        practice: how many of the two together are for practice.
        seed: of the drawing.

    Raises:
        InputError: a folder has too few images, or practice leaves none to be judged.
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


def _drawn(folder: Path, count: int, *, draw_of: str) -> list[Path]:
    """Draws images of different content: a real image may be there for many pairs."""

    def lot(path: Path) -> bytes:
        # Without the suffix: one method may have written PNG where another wrote JPEG.
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
