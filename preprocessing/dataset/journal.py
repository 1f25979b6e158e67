"""What a build has done so far, so that an interrupted one can go on."""

import json
import shutil
from pathlib import Path
from typing import Any

from preprocessing.system import files

FOLDER = ".build"
_PLAN = "plan.json"


class Journal:
    """The shards that a build has finished, kept in `.build` of its folder.

    A shard counts once it lies there whole and is entered here.

    Args:
        out: the folder of the data set.
    """

    def __init__(self, out: Path):
        self._out = out
        self._folder = out / FOLDER

    def begin(self, fingerprint: str, stems: list[str]) -> dict[str, dict[str, Any]]:
        """Starts a build, or goes on with one of the same fingerprint.

        What an interrupted build of something else left behind is deleted.

        Args:
            fingerprint: Checksum of everything that the shards depend on.
            stems: names of the shards that will be made, without suffix.

        Returns:
            What `finish` was given for the shards that are there, by stem.
        """
        plan = _read(self._folder / _PLAN)
        if plan.get("fingerprint") == fingerprint:
            kept = {stem: _read(self._entry(stem)) for stem in stems}
            return {stem: done for stem, done in kept.items() if self._whole(done)}
        for stem in plan.get("stems", []):
            for path in self._out.glob(f"{stem}.*"):
                path.unlink()
        self.end()
        content = {"fingerprint": fingerprint, "stems": stems}
        files.write_json(self._folder / _PLAN, content)
        return {}

    def finish(self, stem: str, done: dict[str, Any]) -> None:
        """Enters a shard; `done` has its manifest entry under `shard`."""
        files.write_json(self._entry(stem), done)

    def end(self) -> None:
        """Forgets the build."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _entry(self, stem: str) -> Path:
        return self._folder / f"{stem}.json"

    def _whole(self, done: dict[str, Any]) -> bool:
        if not done:
            return False
        path = self._out / done["shard"]["file"]
        return path.exists() and files.sha256(path) == done["shard"]["sha256"]


def _read(path: Path) -> dict[str, Any]:
    """Returns a file's JSON object; an empty one where there is none or half of one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
