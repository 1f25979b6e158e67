"""What a source yields, and the notes taken about what it passed over."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One image of one person, before it is read.

    Attributes:
        name: unique in the data set; how annotations and pair lists name the image.
        identity: the person; images of one identity make pairs.
        read: returns the image file's bytes.
        split: "train" or "test" where the source says so, else None.
        pose: float32 [18, 3] in pixels of the image where the source knows it.
    """

    name: str
    identity: str
    read: Callable[[], bytes]
    split: str | None = None
    pose: np.ndarray | None = None


@dataclass
class Notes:
    """Counts, with an example of each, of what was passed over or changed and why."""

    counts: Counter = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, name: str) -> None:
        """Notes that `reason` befell `name`; three names are kept for each reason."""
        self.counts[reason] += 1
        if len(self.examples[reason]) < 3:
            self.examples[reason].append(name)

    def lines(self) -> list[str]:
        """Returns one line for each reason, the most frequent first."""
        return [
            f"{count:,} {reason} (e.g. {', '.join(self.examples[reason])})"
            for reason, count in self.counts.most_common()
        ]
