"""Exports the generators of a run as a SavedModel for TensorFlow Serving.

python -m pg2_tf.export --run_dir=runs/market1501 --out=exported/market1501

--tflite=float32,float16,dynamic,int8 also writes TensorFlow Lite files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pg2_tf.model.config import PRECISIONS
from pg2_tf.runs.weights_flag import define_weights
from pg2_tf.serving.lite_export import LiteFlags
from preprocessing.system import command, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from pg2_tf.inference.pose_transfer import PoseTransfer
    from pg2_tf.runs.run_folder import RunFolder
    from pg2_tf.serving import saved_model

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Run folder of a trained model.")
_OUT = flags.DEFINE_string(
    "out", None, "Folder of the model. Each version is a subfolder."
)
_STAGE = flags.DEFINE_enum(
    "stage", None, ["1", "2"], "Stage to export. Default: the last one of the variant."
)
_WEIGHTS = define_weights()
_PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    [*PRECISIONS, "auto"],
    "Precision of the layers; weights, inputs and outputs stay the same. auto: measure "
    "both on this machine and use the faster one.",
)
_VERSION = flags.DEFINE_integer(
    "version", None, "Version number. Default: the next one.", lower_bound=1
)
_LITE = LiteFlags()
_OVERWRITE = command.define_overwrite()


def main() -> None:
    """Checks the flags and exports."""
    run_dir = command.required("run_dir", _RUN_DIR.value)
    out = Path(command.required("out", _OUT.value))
    _LITE.check(out, overwrite=_OVERWRITE.value, precision=_PRECISION.value)
    version = _version(out) if _LITE.saved_model else None
    model = PoseTransfer.load(
        run_dir,
        stage=int(_STAGE.value) if _STAGE.value else None,
        weights=_WEIGHTS.value,
        precision=_PRECISION.value,
    )
    last = model.config.recipe.stages[-1]
    if model.stage != last and not _STAGE.value:
        raise InputError(
            f"{run_dir}: stage {last} is not trained yet; export stage {model.stage} "
            f"with --stage={model.stage}"
        )
    if version is not None:
        _write_saved_model(model, RunFolder(run_dir), out, version)
    _LITE.export(model, out)


def _write_saved_model(
    model: PoseTransfer, folder: RunFolder, out: Path, version: int
) -> None:
    card = saved_model.describe(
        model, folder, weights=_WEIGHTS.value, precision=model.precision
    )
    place = saved_model.export_saved_model(model, out, version=version, card=card)
    print(
        f"{place}: stage {model.stage}, step {model.step:,}, {model.precision}; "
        "serving_default, encoded, raw"
    )
    if not saved_model.can_warm_up():
        print("No warm-up requests written; they need pip install 'pg2-tf[serving]'")


def _version(out: Path) -> int:
    if _VERSION.value is None:
        if _OVERWRITE.value and not _LITE.is_asked_for:
            raise InputError("--overwrite requires --version")
        return saved_model.next_version(out)
    place = out / str(_VERSION.value)
    if place.exists() and not _OVERWRITE.value:
        raise InputError(f"{place}: exists; use another --version, or --overwrite")
    return _VERSION.value


if __name__ == "__main__":
    command.run(main)
