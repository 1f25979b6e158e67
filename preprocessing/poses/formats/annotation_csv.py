"""Reads the annotation CSV files that publications on pose transfer share.

Each row is an image: `name: [y0, ..., y17]: [x0, ..., x17]`, y first, in whole or
fractional pixels, -1 for a missing keypoint, with or without spaces after the colons.
The first row may be the heading `name:keypoints_y:keypoints_x`. Numbers may also look
like `np.int64(15)`, as NumPy 2 prints them.
"""

import json
import re
from pathlib import Path

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats.people import Parsed, Person
from preprocessing.system import files
from preprocessing.system.errors import InputError

HEADING = "name:keypoints_y:keypoints_x"
_LONGEST_ROW = 10_000
# A number as NumPy 2 prints it in a list: np.int64(15).
_NUMPY_NUMBER = re.compile(r"\b(?:np|numpy)\.u?(?:int|float)\d+\(([^()]*)\)")


def matches(path: Path) -> bool:
    """True if a file begins with the heading or a row of an annotation file."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            line = file.readline(_LONGEST_ROW).strip()
        return line.replace(" ", "") == HEADING or bool(_row(str(path), line))
    except (OSError, InputError):
        return False


def parse(path: Path) -> Parsed:
    """Reads an annotation file as `read_csv` does."""
    poses = read_csv(path)
    return Parsed({name: [Person(str(path), pose)] for name, pose in poses.items()})


def read_csv(path: str | Path) -> dict[str, np.ndarray]:
    """Reads an annotation file.

    Returns:
        The pose, float32 [18, 3] with confidence 1 where found, of each image name.

    Raises:
        InputError: The file cannot be read or a row is malformed; the message names
            the file and the row.
    """
    try:
        lines = files.read_bytes(Path(path)).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error.reason})") from error
    poses: dict[str, np.ndarray] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.replace(" ", "") == HEADING:
            continue
        name, pose = _row(f"{path}, row {number}", line)
        if name in poses and not np.array_equal(poses[name], pose):
            raise InputError(
                f"{path}, row {number}: a another pose of {name} than in an earlier row"
            )
        poses[name] = pose
    if not poses:
        raise InputError(f"{path}: no annotations; rows look like {HEADING}")
    return poses


def write_csv(path: str | Path, poses: dict[str, np.ndarray]) -> None:
    """Writes poses, float [18, 3] by image name, as an annotation file."""
    rows = [HEADING]
    for name, pose in poses.items():
        places = np.where(kp.found(pose)[:, None], pose[:, :2], -1).round(3)
        rows.append(f"{name}: {places[:, 1].tolist()}: {places[:, 0].tolist()}")
    files.write_text(path, "\n".join(rows) + "\n")


def _row(where: str, line: str) -> tuple[str, np.ndarray]:
    parts = [part.strip() for part in line.split(":")]
    if len(parts) != 3 or not parts[0]:
        raise InputError(f"{where}: expected name: [18 y]: [18 x], got {line[:60]!r}")
    name = parts[0]
    y, x = (_numbers(where, text) for text in parts[1:])
    found = (x >= 0) & (y >= 0)
    return name, kp.clean(np.stack([x, y, found.astype(np.float64)], axis=1))


def _numbers(where: str, text: str) -> np.ndarray:
    try:
        values = json.loads(_NUMPY_NUMBER.sub(r"\1", text))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(map(kp.is_number, values)):
        raise InputError(f"{where}: expected a list of numbers, got {text[:60]!r}")
    if len(values) != kp.NUM_KEYPOINTS:
        raise InputError(
            f"{where}: {len(values)} numbers where {kp.NUM_KEYPOINTS} are needed"
        )
    return np.array(values, np.float64)
