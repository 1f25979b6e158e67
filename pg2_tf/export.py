"""Exports the generators of a run as a SavedModel for TensorFlow Serving.

python -m pg2_tf.export --run_dir=runs/market1501 --out=exported/market1501

--tflite=float32,float16,dynamic,int8 writes TensorFlow Lite files as well.
"""

from pathlib import Path

from absl import flags

from pg2_tf.inference import PoseTransfer
from pg2_tf.lite_flags import LiteFlags
from pg2_tf.serving.saved_model import export_saved_model
from pg2_tf.weights_flag import define_weights
from preprocessing import command
from preprocessing.errors import InputError

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Run folder of a trained model.")
_OUT = flags.DEFINE_string(
    "out", None, "Folder of the model; the version is a folder in it."
)
_WEIGHTS = define_weights()
_VERSION = flags.DEFINE_integer("version", 1, "Of the model.", lower_bound=1)
_LITE = LiteFlags()
_OVERWRITE = command.define_overwrite()


def main() -> None:
    """Checks the flags and exports."""
    run_dir = command.required("run_dir", _RUN_DIR.value)
    out = Path(command.required("out", _OUT.value))
    _LITE.check(out, overwrite=_OVERWRITE.value)
    place = out / str(_VERSION.value)
    if _LITE.saved_model and place.exists() and not _OVERWRITE.value:
        raise InputError(f"{place}: is there; give another --version, or --overwrite")
    model = PoseTransfer.load(run_dir, weights=_WEIGHTS.value)
    last = model.config.recipe.stages[-1]
    if model.stage != last:
        raise InputError(f"{run_dir}: has no stage {last} yet, which is what is served")
    if _LITE.saved_model:
        export_saved_model(model, out, version=_VERSION.value)
        print(
            f"{place}: stage {last}, step {model.step:,}; serving_default, encoded, raw"
        )
    _LITE.export(model, out)


if __name__ == "__main__":
    command.run(main)
