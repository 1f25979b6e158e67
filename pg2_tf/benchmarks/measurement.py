"""Options, figures and reports of the benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Options:
    """Options of the benchmarks; each uses those that concern it.

    Attributes:
        folder: Folder for data sets and models; later benchmarks reuse them.
        cores: Number of cores to use, or None for all.
        seconds: Duration of each measurement in seconds.
        num_images: Number of drawn image files, at each size.
        source, root, poses: Name, folder and pose files of a data set on disk, which
            replaces drawn people.
        data_dir: Data set made by `preprocessing.build`, which replaces drawn people.
        quick: Whether to measure little, for a test.
        preset: Preset of the networks.
        width, batch_size: Replace those of the preset if not None.
        precisions: Precisions to measure.
        accumulate, remat: As in `TrainConfig`.
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


class Figure(NamedTuple):
    """One number.

    Attributes:
        name: Name in the report.
        value: None if it cannot be measured on this machine.
        unit: Unit of the value; may be empty.
    """

    name: str
    value: float | None
    unit: str = ""


class Measurement(NamedTuple):
    """Figures of one case of a benchmark.

    Attributes:
        case: Name of the case.
        on: Description of the data.
        figures: Figures in the order of the report.
        bound: Description of the part that limits the speed.
    """

    case: str
    on: str
    figures: list[Figure]
    bound: str


def describe_machine(machine: dict[str, Any]) -> str:
    """Returns two lines about the machine; see `devices.describe`."""
    parts = [machine["processor"]]
    parts.append(f"{machine['cores_used']} of {machine['cores']} cores used")
    if machine["memory_gib"]:
        parts.append(f"{machine['memory_gib']} GiB")
    if machine["load"] is not None:
        parts.append(f"load {machine['load']} before the start")
    versions = (f"{name} {number}" for name, number in machine["versions"].items())
    return f"{', '.join(parts)}\n{machine['system']}, {', '.join(versions)}"


def describe(name: str, measurements: Sequence[Measurement]) -> str:
    """Returns the report of a benchmark, one line for each figure."""
    lines = []
    for measured in measurements:
        lines += ["", f"{name}: {measured.case}", f"  on {measured.on}"]
        lines += [_line(figure) for figure in measured.figures]
        lines.append(f"  bound by {measured.bound}")
    return "\n".join(lines)


def as_json(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Returns measurements for a JSON file; missing values are null."""
    return [
        {**measured._asdict(), "figures": [each._asdict() for each in measured.figures]}
        for measured in measurements
    ]


def _line(figure: Figure) -> str:
    value = "not measured" if figure.value is None else _number(figure.value)
    return f"  {figure.name:<40}{value:>12} {figure.unit}".rstrip()


def _number(value: float) -> str:
    """Returns a number with at least three digits."""
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3}f}"
