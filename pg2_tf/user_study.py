r"""The paper's user study (section 4.4): writes its page, and scores the answers.

    python -m pg2_tf.user_study make --real=images/real --method=G1+D=images/g1_d \
        --out=study.html
    python -m pg2_tf.user_study score --key=study.key.json --answers=answers \
        --out=results
"""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pg2_tf.paper.user_study import answers, page
from preprocessing.system import command
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    from pg2_tf.paper.user_study import scores

_REAL = flags.DEFINE_string("real", None, "make: folder of real images.")
_METHOD = flags.DEFINE_multi_string(
    "method", [], "make: NAME=FOLDER of generated images; once for each method."
)
_OUT = flags.DEFINE_string(
    "out", None, "make: the page, .html. score: folder of the tables."
)
_IMAGES = flags.DEFINE_integer(
    "images",
    page.IMAGES,
    "make: number of real images, and of generated images of each method.",
    lower_bound=1,
)
_PRACTICE = flags.DEFINE_integer(
    "practice",
    page.PRACTICE,
    "make: number of images at the start that do not count; half of them are real.",
    lower_bound=0,
)
_SECONDS = flags.DEFINE_float(
    "seconds",
    page.SECONDS,
    "make: time that each image is shown, in seconds.",
    lower_bound=0.05,
    upper_bound=60,
)
_TITLE = flags.DEFINE_string("title", page.TITLE, "make: heading of the page.")
_SEED = flags.DEFINE_integer(
    "seed", 0, "make: seed of the drawing. score: seed of the bootstrap."
)
_OVERWRITE = command.define_overwrite()
_KEY = flags.DEFINE_string("key", None, "score: key that make wrote.")
_ANSWERS = command.define_paths(
    "answers",
    "score: answer files, JSON or CSV, or folders of them, separated by commas.",
)


def make() -> None:
    """Checks the flags, draws the images, and writes the page and its key."""
    _refuse("make", _KEY, _ANSWERS)
    real = command.existing_folder("real", _REAL.value)
    methods = _methods()
    out = Path(command.required("out", _OUT.value))
    if out.suffix.lower() != ".html":
        raise InputError(f"--out={out}: the page needs the suffix .html")
    key_path = answers.path_of(out)
    for path in (out, key_path):
        if path.exists() and not _OVERWRITE.value:
            raise InputError(f"{path}: exists; give another --out, or --overwrite")
    practice, seed = _PRACTICE.value, _SEED.value
    parts = page.draw(real, methods, images=_IMAGES.value, practice=practice, seed=seed)
    study = page.write(
        out,
        parts,
        practice=practice,
        seed=seed,
        seconds=_SECONDS.value,
        title=_TITLE.value,
    )
    print(f"{out}: study {study.study}, {out.stat().st_size / 1e6:.1f} MB")
    for part in study.parts:
        print(f"  part {part.part}: {part.method}, {len(part.images)} images")
    print(f"{key_path}: the key; do not show it to the participants")
    print(f"the paper asked {page.PARTICIPANTS} participants for each data set")


def score() -> None:
    """Checks the flags, reads the answers, and writes the tables."""
    others = (_REAL, _METHOD, _IMAGES, _PRACTICE, _SECONDS, _TITLE, _OVERWRITE)
    _refuse("score", *others)
    key_path = command.required("key", _KEY.value)
    out = command.required("out", _OUT.value)
    if not _ANSWERS.value:
        raise InputError("--answers is needed; see --help")
    study = answers.read(key_path)
    paths = answers.find(_ANSWERS.value, key_path=key_path)
    found = scores.score(study, answers.read_all(paths, study), seed=_SEED.value)
    print(scores.write(out, study, found, seed=_SEED.value))
    print(f"{out}: table2.md, table2.csv, table2.json")


def _methods() -> dict[str, Path]:
    methods: dict[str, Path] = {}
    for text in _METHOD.value:
        name, _, folder = text.partition("=")
        if not name.strip() or not folder:
            raise InputError(f"--method={text}: expected NAME=FOLDER")
        if name in methods:
            raise InputError(f"--method={text}: {name} appears twice")
        if not Path(folder).is_dir():
            raise InputError(f"--method={text}: no such folder")
        methods[name] = Path(folder)
    if not methods:
        raise InputError("--method is needed; see --help")
    return methods


def _refuse(action: str, *others: flags.FlagHolder) -> None:
    """Raises `InputError` if a flag was given that `action` does not have."""
    for flag in others:
        if flag.present:
            raise InputError(f"--{flag.name} is not a flag of {action}; see --help")


if __name__ == "__main__":
    command.run_one_of({"make": make, "score": score})
