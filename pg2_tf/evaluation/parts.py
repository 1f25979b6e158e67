"""What an evaluation has scored so far, so that an interrupted one can go on."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.system import files

_FOLDER = ".evaluation"
_SETTINGS = "settings.json"


class Parts:
    """Scores and features of consecutive pairs, kept in `.evaluation` of a folder.

    What an interrupted evaluation with other settings left there is deleted.

    Args:
        out: the folder of the results.
        settings: everything that the scores depend on.
    """

    def __init__(self, out: Path, settings: dict[str, Any]):
        self._folder = out / _FOLDER
        place = self._folder / _SETTINGS
        content = json.dumps(settings, sort_keys=True)
        if not (place.exists() and place.read_text(encoding="utf-8") == content):
            self.end()
            files.write_text(place, content)

    def has(self, number: int) -> bool:
        """True if a part is there and whole."""
        try:
            self._read(number, "")
        except (OSError, ValueError, zipfile.BadZipFile):
            return False
        return True

    def write(self, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Keeps the arrays of a part."""

        def save(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        files.write_atomically(self._place(number), save)

    def arrays(self, name: str, count: int) -> Iterator[np.ndarray]:
        """Yields an array of each of the first `count` parts."""
        for number in range(count):
            yield self._read(number, name)[name]

    def names(self) -> tuple[list[str], list[str]]:
        """Returns the names of the first part's columns, and those of its features."""
        with np.load(self._place(0), allow_pickle=False) as content:
            dimensions = {name: content[name].ndim for name in content.files}
        return (
            [name for name, count in dimensions.items() if count == 1],
            [name for name, count in dimensions.items() if count > 1],
        )

    def end(self) -> None:
        """Forgets the evaluation."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, number: int, name: str) -> dict[str, np.ndarray]:
        with np.load(self._place(number), allow_pickle=False) as content:
            return {name: content[name]} if name else {}

    def _place(self, number: int) -> Path:
        return self._folder / f"{number:05d}.npz"
