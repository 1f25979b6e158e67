"""What a benchmark is asked for, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Options:
    """What benchmarks are run with; each takes what concerns it.

    Attributes:
        folder: for what they make; what one has made there the next may use.
        cores: how many cores they may use; None for all.
        seconds: how long something that has no end is measured.
        num_images: how many files of drawn people, at each size.
        source, root, poses: name, folder and pose files of a data set on disk, in
            place of drawn people.
        data_dir: a data set that `preprocessing.build` has made, in place of one
            that is built first.
        quick: whether to show that it runs, no more.
        preset: whose networks are trained, or make images.
        width, batch_size: other than the preset's; None for those.
        precisions: to compute in.
        accumulate, remat: as in `TrainConfig`.
        tflite_timeout: Time limit in seconds for each TensorFlow Lite conversion.
    """

    folder: Path
    cores: int | None = 2
    seconds: float = 5.0
    num_images: int = 4000
    source: str | None = None
    root: Path | None = None
    poses: tuple[str, ...] = ()
    data_dir: Path | None = None
    quick: bool = False
    preset: str = "market1501"
    width: int | None = None
    batch_size: int | None = None
    precisions: tuple[str, ...] = ("float32", "bfloat16")
    accumulate: int = 1
    remat: bool = False
    tflite_timeout: float = 600


class Goal(NamedTuple):
    """What a figure should be.

    Attributes:
        value: in the figure's unit.
        at_most: whether less is better.
    """

    value: float
    at_most: bool = False

    def met(self, value: float) -> bool:
        """True if `value` is good enough."""
        return value <= self.value if self.at_most else value >= self.value


class Figure(NamedTuple):
    """One number.

    Attributes:
        name: what was measured.
        value: None where it cannot be measured on this machine.
        unit: Unit of the value; may be empty.
        goal: where the project has one.
    """

    name: str
    value: float | None
    unit: str = ""
    goal: Goal | None = None


class Measurement(NamedTuple):
    """What was measured of one case of a benchmark.

    Attributes:
        case: what was measured.
        on: what it was measured on, in words.
        figures: the numbers.
        bound: what bounds the speed, in words.
    """

    case: str
    on: str
    figures: list[Figure]
    bound: str


Benchmark = Callable[[Options], list[Measurement]]
