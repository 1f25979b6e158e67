"""What goes wrong in a training, seen early: losses not finite, a D that has won."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from preprocessing.system.errors import InputError

# A healthy D has a loss of 0.3 to 1.4; at this one it errs once in a hundred.
_NEAR_ZERO = 0.01
_LONG = 500


class CollapseWatch:
    """Tells when D's loss has been near 0 for 500 steps: G no longer learns from it.

    It follows from the lines of metrics alone, so that a training that goes on says
    it where one without a break does.

    Args:
        rows: the lines so far, with `step` and, if there is a D, `discriminator`.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()):
        self._since: int | None = None
        self._told = False
        self._previous = 0
        for row in rows:
            self.see(row)

    def see(self, row: Mapping[str, Any]) -> str | None:
        """Takes the next line; returns a warning once, else None."""
        began, self._previous = self._previous, row["step"]
        if row.get("discriminator", 1.0) >= _NEAR_ZERO:
            self._since = None
            return None
        if self._since is None:
            self._since = began
        if self._told or row["step"] - self._since < _LONG:
            return None
        self._told = True
        return (
            f"D's loss has been below {_NEAR_ZERO} since step {self._since:,}: it "
            "tells real from generated without fail, and teaches the generator nothing"
        )


def not_finite(
    step: int,
    *,
    what: str,
    losses: Mapping[str, float],
    pairs: Sequence[tuple[str, str]],
    newest: int | None,
) -> InputError:
    """Returns the error that ends a training whose numbers are not finite.

    Args:
        step: at which they were first seen.
        what: is not finite.
        losses: of that step, by name.
        pairs: names of source and target of that step's batch.
        newest: step of the last checkpoint, None without one.
    """
    terms = ", ".join(f"{name} {value:.6g}" for name, value in losses.items())
    names = ", ".join(f"{source} to {target}" for source, target in pairs)
    kept = (
        "no checkpoint yet"
        if newest is None
        else f"the checkpoint of step {newest:,} is kept"
    )
    return InputError(
        f"step {step:,}: {what} is not finite; losses: {terms}; pairs: {names}; {kept}"
    )
