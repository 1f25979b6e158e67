"""Samples of a source, image files of a folder, and notes about images."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.images.image_files import is_image, is_unreadable_image
from preprocessing.system.errors import InputError

_EXAMPLES = 3


@dataclass(frozen=True)
class Sample:
    """One image of one person, before it is read.

    Attributes:
        name: Name in annotations and pair lists, unique in the data set.
        identity: Name of the person; images of one identity make pairs.
        read: Function that returns the bytes of the image file. It must allow
            pickling.
        split: "train" or "test" if the source defines it, else None.
        pose: Keypoints in pixels, float32 [18, 3], if the source has them.
        group: Name of identities that are held out together; "" for the identity.
        version: Text that changes with the image: size and time of a file.
    """

    name: str
    identity: str
    read: Callable[[], bytes]
    split: str | None = None
    pose: np.ndarray | None = None
    group: str = ""
    version: str = ""


def from_file(path: Path, **fields: Any) -> Sample:
    """Returns the sample of an image file; `fields` are the others of `Sample`."""
    status = path.stat()
    version = f"{status.st_size} {status.st_mtime_ns}"
    return Sample(read=path.read_bytes, version=version, **fields)


@dataclass
class Notes:
    """Counts of skipped and changed images by reason, with examples."""

    counts: Counter = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    said: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Adds a line of text, once."""
        line = _printable(line)
        if line not in self.said:
            self.said.append(line)

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Counts a reason, and keeps a few names as examples.

        Args:
            reason: The reason, such as `unreadable images left out`.
            name: Name of the image.
            count: Number to add to the count.
        """
        reason = _printable(reason)
        self.counts[reason] += count
        if len(self.examples[reason]) < _EXAMPLES:
            self.examples[reason].append(_printable(name))

    def merge(self, other: "Notes") -> None:
        """Adds the notes of another object."""
        for line in other.said:
            self.say(line)
        for reason, count in other.counts.items():
            room = _EXAMPLES - len(self.examples[reason])
            self.counts[reason] += count
            self.examples[reason] += other.examples[reason][:room]

    def as_json(self) -> dict[str, Any]:
        """Returns the notes as a JSON object; see `from_json`."""
        return {
            "said": list(self.said),
            "counts": dict(self.counts),
            "examples": dict(self.examples),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Notes":
        """Undoes `as_json`."""
        examples = defaultdict(list, content["examples"])
        return cls(Counter(content["counts"]), examples, list(content["said"]))

    def lines(self) -> list[str]:
        """Returns the lines of text, then the counts."""
        return self.said + self.counted()

    def counted(self) -> list[str]:
        """Returns one line for each reason, the most frequent first."""
        return [
            f"{count:,} {reason} (e.g. {', '.join(self.examples[reason])})"
            for reason, count in self.counts.most_common()
        ]


def _printable(text: str) -> str:
    """Returns a text with the bytes of names that are not UTF-8 as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def image_files(
    root: Path, notes: Notes, *, enter: Callable[[Path], bool] = lambda folder: True
) -> list[Path]:
    """Returns the image files below `root`, sorted.

    Skips hidden files and folders and `__MACOSX`. Follows links, and reads a folder
    once even if several paths lead to it.

    Args:
        root: Folder to search.
        notes: Collects notes about files that are left out.
        enter: Function that tells whether to search a folder.

    Raises:
        InputError: A folder cannot be read.
    """
    found, read = [], {os.path.realpath(root)}
    for place, folders, files in os.walk(root, onerror=_refuse, followlinks=True):
        entered = []
        for path in [Path(place, name) for name in sorted(folders)]:
            if not _is_visible(path.name) or not enter(path):
                continue
            if (real := os.path.realpath(path)) in read:
                notes.add("folders that were reached twice read once", str(path))
                continue
            read.add(real)
            entered.append(path.name)
        folders[:] = entered
        for path in [Path(place, name) for name in files if _is_visible(name)]:
            if is_unreadable_image(path):
                notes.add("images in formats that are not read skipped", str(path))
            if not is_image(path):
                continue
            if not _is_utf8(str(path.relative_to(root))):
                notes.add("images whose names are not UTF-8 skipped", str(path))
                continue
            if path.exists():
                found.append(path)
            else:
                notes.add("links to no file skipped", str(path))
    return sorted(found)


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error
