r"""Measures the speed and memory of preprocessing, training and inference.

    python -m pg2_tf.benchmark --what=preprocess,input

measures on drawn people; on other data:

    python -m pg2_tf.benchmark --what=preprocess,input --source=market1501 \
        --root=Market-1501 --poses=market-annotation-train.csv
    python -m pg2_tf.benchmark --what=input --data_dir=data/market1501

Memory and speed of growing data sets on disk, up to 2 million images:

    python -m pg2_tf.benchmark --what=scale

Training steps of a preset:

    python -m pg2_tf.benchmark --what=train --preset=market1501

Time to generate an image with a run folder, a SavedModel and TensorFlow Lite:

    python -m pg2_tf.benchmark --what=infer --preset=market1501
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pg2_tf.benchmarks import measurement
from pg2_tf.benchmarks.measurement import Measurement, Options
from pg2_tf.model import presets
from pg2_tf.model.config import PRECISIONS
from preprocessing.system import command, files, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from pg2_tf.benchmarks import inference, preprocess, training, training_input
    from pg2_tf.machine import description

# In this order: later benchmarks use the data sets of earlier ones.
_BENCHMARKS = ("preprocess", "input", "scale", "train", "infer")
_WHAT = flags.DEFINE_list(
    "what",
    [name for name in _BENCHMARKS if name != "scale"],
    f"Benchmarks to run: {', '.join(_BENCHMARKS)}.",
)
_OUT = flags.DEFINE_string("out", "benchmark", "Folder of the results.")
_CORES = flags.DEFINE_integer(
    "cores",
    2,
    "Number of cores to use, on systems that can limit it. 0: all cores.",
    lower_bound=0,
)
_SECONDS = flags.DEFINE_float(
    "seconds", 5.0, "Duration of each measurement in seconds.", lower_bound=0.01
)
_NUM_IMAGES = flags.DEFINE_integer(
    "num_images",
    4000,
    "Number of files of drawn people, at 128x64 and at 256x256 each.",
    lower_bound=32,
    upper_bound=50_000,
)
_QUICK = flags.DEFINE_boolean(
    "quick", False, "Measure little, to test that the benchmarks run."
)
_SOURCE = flags.DEFINE_enum(
    "source", None, ["market1501", "deepfashion"], "Source of the images in --root."
)
_ROOT = flags.DEFINE_string("root", None, "Folder of images. Default: drawn people.")
_POSES = command.define_paths(
    "poses", "Poses of these images, as for preprocessing.build. Default: --root."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    None,
    "For input, scale and train: a data set made by preprocessing.build. Default: "
    "one of drawn people.",
)
_PRESET = flags.DEFINE_enum(
    "preset",
    "market1501",
    presets.DATASETS,
    "For train and infer: preset of the networks.",
)
_WIDTH = flags.DEFINE_integer(
    "width", None, "For train and infer: width of the networks.", lower_bound=1
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    None,
    "For train and infer: batch size. Default: the preset's; for infer 1 and 4.",
    lower_bound=1,
)
_PRECISION = flags.DEFINE_multi_enum(
    "precision", list(PRECISIONS), PRECISIONS, "For train and infer; repeatable."
)
_ACCUMULATE = flags.DEFINE_integer(
    "accumulate", 1, "For train: parts of a batch.", lower_bound=1
)
_REMAT = flags.DEFINE_boolean(
    "remat", False, "For train: compute activations again in the backward pass."
)
_TFLITE_TIMEOUT = flags.DEFINE_float(
    "tflite_timeout",
    600,
    "For infer: time limit in seconds for each TensorFlow Lite conversion.",
    lower_bound=0.001,
)


def main() -> None:
    """Checks the flags, measures, prints and writes benchmark.json."""
    names = _names()
    with tempfile.TemporaryDirectory(prefix="pg2_tf_benchmark_") as folder:
        options = _options(Path(folder))
        described = description.describe(options.cores)
        print(measurement.describe_machine(described))
        measured = {}
        for name in names:
            print(f"{name}: measuring ...", file=sys.stderr)
            measured[name] = _run(name, options)
            print(measurement.describe(name, measured[name]), flush=True)
    path = Path(_OUT.value) / "benchmark.json"
    benchmarks = {name: measurement.as_json(cases) for name, cases in measured.items()}
    files.write_json(path, {"machine": described, "benchmarks": benchmarks})
    print(f"\n{path}")


def _run(name: str, options: Options) -> list[Measurement]:
    runs = (
        preprocess.run,
        training_input.run,
        training_input.run_scale,
        training.run,
        inference.run,
    )
    return dict(zip(_BENCHMARKS, runs, strict=True))[name](options)


def _names() -> list[str]:
    allowed = ", ".join(_BENCHMARKS)
    for name in _WHAT.value:
        if name not in _BENCHMARKS:
            raise InputError(f"--what={name}: allowed are {allowed}")
    if not _WHAT.value:
        raise InputError(f"--what is empty: allowed are {allowed}")
    return [name for name in _BENCHMARKS if name in _WHAT.value]


def _options(folder: Path) -> Options:
    if bool(_SOURCE.value) != bool(_ROOT.value):
        raise InputError("--root and --source must be given together")
    if _POSES.value and not _ROOT.value:
        raise InputError("--poses requires --root")
    if _DATA_DIR.value and not {"input", "scale", "train"} & set(_WHAT.value):
        raise InputError("--data_dir is for --what=input, scale and train")
    return Options(
        folder=folder,
        cores=_CORES.value or None,
        seconds=0.1 if _QUICK.value else _SECONDS.value,
        num_images=48 if _QUICK.value else _NUM_IMAGES.value,
        source=_SOURCE.value,
        root=command.existing_folder("root", _ROOT.value) if _ROOT.value else None,
        poses=tuple(_POSES.value),
        data_dir=Path(_DATA_DIR.value) if _DATA_DIR.value else None,
        quick=_QUICK.value,
        preset="tiny" if _QUICK.value else _PRESET.value,
        width=_WIDTH.value,
        batch_size=_BATCH_SIZE.value,
        precisions=tuple(_PRECISION.value),
        accumulate=_ACCUMULATE.value,
        remat=_REMAT.value,
        tflite_timeout=_TFLITE_TIMEOUT.value,
    )


if __name__ == "__main__":
    command.run(main)
