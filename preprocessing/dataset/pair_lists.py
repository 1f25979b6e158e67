"""Pairs that somebody listed: PATN's, pose-gan's, the released code's, one's own."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

PICKLES = (".p", ".pkl")
COLUMNS = ("from", "to")


class PairList:
    """Listed pairs, found again among images by name.

    Args:
        origin: where the list comes from, for messages.
        rows: names of source and target.
        key: turns a name into what it is looked up by.
    """

    def __init__(
        self,
        origin: str | Path,
        rows: Sequence[tuple[str, str]],
        *,
        key: Callable[[str], str],
    ):
        self.origin = str(origin)
        self._key = key
        self.rows = [(key(source), key(target)) for source, target in rows]
        self.used = 0

    def pairs(
        self, names: Sequence[str], poses: Sequence[np.ndarray], notes: Notes
    ) -> np.ndarray:
        """Returns the rows whose two images are among `names`, int32 [P, 2]."""
        position = {self._key(name): index for index, name in enumerate(names)}
        chosen: dict[tuple[int, int], None] = {}
        for source, target in self.rows:
            if source not in position or target not in position:
                continue
            self.used += 1
            pair = position[source], position[target]
            if source == target:
                notes.add("listed pairs of an image with itself left out", source)
            elif pair in chosen:
                notes.add("pairs listed twice left out", names[pair[0]])
            elif all(kp.found(poses[index]).any() for index in pair):
                chosen[pair] = None
            else:
                notes.add("listed pairs without a pose left out", names[pair[0]])
        return np.array(list(chosen), np.int32).reshape(-1, 2)


def read(path: str | Path) -> list[tuple[str, str]]:
    """Reads a file of pairs.

    Args:
        path: a CSV with the columns `from` and `to` (others are passed over), as PATN
            and pose-gan publish them, or a `p_pairs_*.p` of the released code.

    Returns:
        The names of source and target of each.

    Raises:
        InputError: the file cannot be read or lists no pairs.
    """
    path = Path(path)
    rows = (
        pickles.read_pairs(path) if path.suffix.lower() in PICKLES else _read_csv(path)
    )
    if not rows:
        raise InputError(f"{path}: lists no pairs")
    return rows


def _read_csv(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise InputError(
                    f"{path}: a list of pairs needs the columns {','.join(COLUMNS)}; "
                    f"got {reader.fieldnames}"
                )
            rows = [(row["from"], row["to"]) for row in reader]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV text file ({error})") from error
    if not all(all(row) for row in rows):
        raise InputError(f"{path}: a row has no name under from or to")
    return rows
