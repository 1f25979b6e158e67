"""The flag of the commands that use a trained run: which weights."""

from absl import flags

WEIGHTS = ("auto", "last", "ema", "best")


def define_weights() -> flags.FlagHolder[str]:
    """Defines the flag that chooses among a stage's weights."""
    return flags.DEFINE_enum(
        "weights",
        "auto",
        WEIGHTS,
        "last: of the newest checkpoint; ema: their moving average; best: those with "
        "the best validation; auto: the moving average where there is one, else the "
        "last.",
    )
