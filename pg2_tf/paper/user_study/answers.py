"""Reads the answers that participants of a user study downloaded."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from preprocessing.system import files
from preprocessing.system.errors import InputError

SUFFIX = ".key.json"
SUFFIXES = (".json", ".csv")
JUDGEMENTS = ("real", "fake")
COLUMNS = ("study", "part", "participant", "image", "answer", "milliseconds")


class Shown(NamedTuple):
    """An image of a study.

    Attributes:
        image: Name in the page, which does not tell whether it is real.
        file: File that the image was read from.
        real: True for a photograph, False for a generated image.
    """

    image: str
    file: str
    real: bool


@dataclass(frozen=True)
class Part:
    """The images that one participant judges: one method's images and real ones.

    Attributes:
        part: Number of the part, from 1 on.
        method: Method name.
        images: Images in the order in which they are shown.
    """

    part: int
    method: str
    images: list[Shown]


@dataclass(frozen=True)
class Key:
    """A study's key.

    Attributes:
        study: Checksum of the page's contents; every answer carries it.
        title: Heading of the page.
        seconds: Time that each image is shown.
        practice: Number of images at the start of each part that do not count.
        seed: Seed of the drawing.
        parts: One part for each method.
    """

    study: str
    title: str
    seconds: float
    practice: int
    seed: int
    parts: list[Part]

    def to_json(self) -> dict[str, Any]:
        """Returns the key as JSON for `read`."""
        parts = [
            {**asdict(part), "images": [shown._asdict() for shown in part.images]}
            for part in self.parts
        ]
        return {**asdict(self), "parts": parts}


def path_of(page: Path) -> Path:
    """Returns the path of a page's key: `study.key.json` beside `study.html`."""
    return page.with_name(page.stem + SUFFIX)


def read(path: str | Path) -> Key:
    """Reads the key of a study.

    Raises:
        InputError: The file cannot be read, or is not a key.
    """
    fields = files.as_object(f"{path}: the key", files.read_json(Path(path)))
    try:
        parts = [
            Part(**{**part, "images": [Shown(**shown) for shown in part["images"]]})
            for part in fields["parts"]
        ]
        key = Key(**{**fields, "parts": parts})
        _check(key)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not the key of a user study ({error}); give the file {SUFFIX} "
            "beside the page"
        ) from error
    return key


def _check(key: Key) -> None:
    if not isinstance(key.practice, int) or key.practice < 0 or not key.parts:
        raise ValueError("without practice or parts")
    for part in key.parts:
        if {shown.real for shown in part.images[key.practice :]} != {False, True}:
            raise ValueError(f"part {part.part} has no real or no generated image")


class Answers(NamedTuple):
    """The answers of one participant.

    Attributes:
        participant: Random name that the page gave.
        part: Part of the study.
        judged: `real` or `fake`, by the image's name in the page.
        milliseconds: Time from the question to the answer, by the same names.
    """

    participant: str
    part: Part
    judged: dict[str, str]
    milliseconds: dict[str, int]


def find(places: Sequence[str | Path], *, key_path: str | Path) -> list[Path]:
    """Returns the answer files at `places`, which are files or folders.

    A folder's .json and .csv files are taken, except the key and hidden files.

    Raises:
        InputError: A folder has no answer file.
    """
    found: list[Path] = []
    for place in map(Path, places):
        if not place.is_dir():
            found.append(place)
            continue
        inside = [
            path
            for path in sorted(place.iterdir())
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and path.resolve() != Path(key_path).resolve()
        ]
        if not inside:
            raise InputError(f"{place}: no answers in this folder (.json or .csv)")
        found += inside
    return found


def read_all(paths: Sequence[Path], key: Key) -> list[Answers]:
    """Reads the answers to a study.

    A participant may have both a JSON and a CSV file, which must agree.

    Raises:
        InputError: A file is unreadable, incomplete or belongs to another study, or a
            participant has two files of one kind.
    """
    read: dict[str, Answers] = {}
    places: dict[str, list[Path]] = {}
    for path in paths:
        answers = read_file(path, key)
        earlier = places.setdefault(answers.participant, [])
        for other in earlier:
            if other.suffix.lower() == path.suffix.lower():
                raise InputError(
                    f"{path}: participant {answers.participant} also has the file "
                    f"{other}"
                )
            if read[answers.participant] != answers:
                raise InputError(
                    f"{path}: participant {answers.participant} has other answers in "
                    f"{other}"
                )
        earlier.append(path)
        read[answers.participant] = answers
    return list(read.values())


def read_file(path: str | Path, key: Key) -> Answers:
    """Reads one participant's answers from JSON or CSV.

    Raises:
        InputError: The file is unreadable, belongs to another study, or does not hold
            exactly one answer to each image of its part.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: not an answer file (.json or .csv)")
    return parse(
        path, _read_csv(path) if suffix == ".csv" else files.read_json(path), key
    )


def parse(path: str | Path, fields: object, key: Key) -> Answers:
    """Checks the content of an answer file.

    Args:
        path: Path of the file, for messages.
        fields: JSON that the page writes: study, part, participant, answers.
        key: Key of the study.

    Raises:
        InputError: See `read_file`.
    """
    fields = files.as_object(f"{path}: its content", fields)
    missing = {"study", "part", "participant", "answers"} - set(fields)
    if missing or not isinstance(fields["answers"], list):
        raise InputError(f"{path}: not the answers of a user study")
    if fields["study"] != key.study:
        raise InputError(
            f"{path}: answers to study {files.shown(fields['study'])}, the key "
            f"belongs to {key.study}"
        )
    part = _part(path, fields["part"], key)
    participant = fields["participant"]
    if not isinstance(participant, str) or not participant:
        raise InputError(f"{path}: {files.shown(participant)} is not a participant")
    return _checked(path, participant, part, fields["answers"])


def _part(path: str | Path, number: object, key: Key) -> Part:
    for part in key.parts:
        if str(number) == str(part.part):
            return part
    raise InputError(
        f"{path}: answers to part {files.shown(number)}; the study has parts 1 to "
        f"{len(key.parts)}"
    )


def _checked(path: str | Path, participant: str, part: Part, rows: list) -> Answers:
    answers = Answers(participant, part, {}, {})
    known = {shown.image for shown in part.images}
    for row in rows:
        fields = files.as_object(f"{path}: an answer", row)
        image, judged = str(fields.get("image")), fields.get("answer")
        where = f"{path}: image {files.shown(image)}"
        if image not in known:
            raise InputError(f"{where} is not in part {part.part} of the study")
        if image in answers.judged:
            raise InputError(f"{where} is answered twice")
        if judged not in JUDGEMENTS:
            raise InputError(
                f"{where} is answered {files.shown(judged)}; allowed: "
                f"{' and '.join(JUDGEMENTS)}"
            )
        answers.judged[image] = judged
        answers.milliseconds[image] = _milliseconds(where, fields.get("milliseconds"))
    if len(answers.judged) < len(known):
        first = next(
            one.image for one in part.images if one.image not in answers.judged
        )
        raise InputError(
            f"{path}: incomplete, {len(answers.judged)} of {len(known)} images are "
            f"answered; the first without is {first}"
        )
    return answers


def _milliseconds(where: str, value: Any) -> int:
    if not str(value).isdecimal():
        raise InputError(
            f"{where}: {files.shown(value)} is not a whole number of milliseconds"
        )
    return int(value)


def _read_csv(path: Path) -> dict[str, Any]:
    try:
        # Spreadsheet programs put a byte order mark in front.
        text = files.read_bytes(path).decode("utf-8-sig")
        reader = csv.DictReader(text.splitlines(), strict=True)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise InputError(
                f"{path}: answers need the columns {','.join(COLUMNS)}; got "
                f"{files.shown(reader.fieldnames)}"
            )
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV text file ({error})") from error
    if not rows:
        raise InputError(f"{path}: holds no answer")
    fields: dict[str, Any] = {"answers": rows}
    for name in ("study", "part", "participant"):
        values = Counter(row[name] for row in rows)
        if len(values) > 1:
            raise InputError(
                f"{path}: {len(values)} values under {name}; a file holds the answers "
                "of one participant to one study"
            )
        fields[name] = rows[0][name]
    return fields
