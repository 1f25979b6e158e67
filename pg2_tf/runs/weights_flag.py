"""The flag `--weights`, in a module that does not import TensorFlow."""

from absl import flags

WEIGHTS = ("auto", "last", "ema", "best")


def define_weights() -> flags.FlagHolder[str]:
    """Defines the flag `--weights`."""
    return flags.DEFINE_enum(
        "weights",
        "auto",
        WEIGHTS,
        "last: those of the newest checkpoint; ema: their moving average; best: those "
        "with the best validation; auto: ema if available, else last.",
    )
