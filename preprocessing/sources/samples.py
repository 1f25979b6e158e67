"""The samples of a source, and notes about skipped and changed images."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

_EXAMPLES = 3


@dataclass(frozen=True)
class Sample:
    """One image of one person, before it is read.

    Attributes:
        name: unique in the data set; how annotations and pair lists name the image.
        identity: the person; images of one identity make pairs.
        read: returns the image file's bytes.
        split: "train" or "test" where the source says so, else None.
        pose: float32 [18, 3] in pixels of the image where the source knows it.
        group: identities of one group are held out together; "" for the identity.
        version: changes when the image does; of a file its length and time.
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
        """Notes a fact that is no count, one line; each is kept once."""
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
        """Takes over what others noted."""
        for line in other.said:
            self.say(line)
        for reason, count in other.counts.items():
            room = _EXAMPLES - len(self.examples[reason])
            self.counts[reason] += count
            self.examples[reason] += other.examples[reason][:room]

    def as_json(self) -> dict[str, Any]:
        """Returns the notes as they come back from a JSON file."""
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
        """Returns what was said, then what was counted."""
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
