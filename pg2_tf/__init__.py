"""Pose Guided Person Image Generation (Ma et al., NIPS 2017) in TensorFlow 2.

The public names are imported when they are first used, so that `import pg2_tf` needs
neither TensorFlow nor Keras.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from preprocessing import __version__

if TYPE_CHECKING:
    # The same names for type checkers and editors.
    from pg2_tf.data.loading import load_dataset
    from pg2_tf.posing.transfer import load
    from pg2_tf.training.pg2 import PG2
    from preprocessing.system.errors import InputError

# Must be set before TensorFlow is imported; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__all__ = ["PG2", "InputError", "__version__", "load", "load_dataset"]
# The module that defines each public name.
_PUBLIC: dict[str, str] = {
    "PG2": "pg2_tf.training.pg2",
    "InputError": "preprocessing.system.errors",
    "load": "pg2_tf.posing.transfer",
    "load_dataset": "pg2_tf.data.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
