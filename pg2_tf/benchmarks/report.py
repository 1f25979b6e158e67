"""Measurements as text to read, and as JSON."""

from collections.abc import Sequence
from typing import Any

from pg2_tf.benchmarks.measurement import Figure, Goal, Measurement


def describe_machine(machine: dict[str, Any]) -> str:
    """Returns what `machine.describe` found, two lines."""
    parts = [machine["processor"]]
    parts.append(f"{machine['cores_used']} of {machine['cores']} cores used")
    if machine["memory_gib"]:
        parts.append(f"{machine['memory_gib']} GiB")
    if machine["load"] is not None:
        parts.append(f"load {machine['load']} before the start")
    versions = (f"{name} {number}" for name, number in machine["versions"].items())
    return f"{', '.join(parts)}\n{machine['system']}, {', '.join(versions)}"


def describe(name: str, measurements: Sequence[Measurement]) -> str:
    """Returns a benchmark's figures with their goals, a line each."""
    lines = []
    for measured in measurements:
        lines += ["", f"{name}: {measured.case}", f"  on {measured.on}"]
        lines += [_line(figure) for figure in measured.figures]
        lines.append(f"  bound by {measured.bound}")
    return "\n".join(lines)


def as_json(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Returns a benchmark's figures for a JSON file; what was not measured is null."""
    return [
        {
            "case": measured.case,
            "on": measured.on,
            "figures": [
                {**figure._asdict(), "goal": figure.goal and figure.goal._asdict()}
                for figure in measured.figures
            ],
            "bound": measured.bound,
        }
        for measured in measurements
    ]


def _line(figure: Figure) -> str:
    value = "not measured" if figure.value is None else _number(figure.value)
    goal = f"   {_verdict(figure.goal, figure.value)}" if figure.goal else ""
    return f"  {figure.name:<40}{value:>12} {figure.unit:<9}{goal}".rstrip()


def _verdict(goal: Goal, value: float | None) -> str:
    wanted = f"goal: at {'most' if goal.at_most else 'least'} {_number(goal.value)}"
    if value is None:
        return wanted
    return f"{wanted}, {'met' if goal.met(value) else 'MISSED'}"


def _number(value: float) -> str:
    """Returns at least three digits."""
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3}f}"
