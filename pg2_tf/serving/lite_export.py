"""TensorFlow Lite in the export command: flags, and the measured table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags
from tqdm import tqdm

from pg2_tf.inference.loading import Model
from preprocessing.system import command, files, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from pg2_tf.data import examples
    from pg2_tf.data.examples import Examples
    from pg2_tf.evaluation.metrics import images as metrics
    from pg2_tf.inference.exported import LoadedLite
    from pg2_tf.inference.inputs import Images
    from pg2_tf.inference.pose_transfer import PoseTransfer
    from pg2_tf.machine import arithmetic, isolated
    from pg2_tf.machine.isolated import PeakMemory
    from pg2_tf.serving import tflite

THREADS = (1, 2)
_REPEATS = 20
_TOGETHER = 4
# Inside the folder of versions. Servers skip it because its name is not a number.
_FOLDER = "tflite"


class LiteFlags:
    """Defines the flags for TensorFlow Lite, and exports the files."""

    def __init__(self) -> None:
        self._kinds = flags.DEFINE_list(
            "tflite",
            [],
            f"Kinds of TensorFlow Lite files to write to OUT/{_FOLDER}: float32, "
            "float16, dynamic, int8.",
        )
        self._saved_model = flags.DEFINE_boolean(
            "saved_model", True, "Whether to write a SavedModel."
        )
        self._data_dir = flags.DEFINE_string(
            "data_dir",
            None,
            "For --tflite: data set to calibrate int8 (train split) and to measure the "
            "files (test split). Default: drawn people, without int8.",
        )
        self._num_calibration = flags.DEFINE_integer(
            "num_calibration",
            100,
            "For int8: number of calibration pairs.",
            lower_bound=1,
        )
        self._num_compared = flags.DEFINE_integer(
            "num_compared",
            50,
            "For --tflite: number of pairs to measure.",
            lower_bound=1,
        )
        self._timeout = flags.DEFINE_float(
            "tflite_timeout",
            600,
            "For --tflite: time limit in seconds for the conversion of each kind.",
            lower_bound=0.001,
        )

    @property
    def saved_model(self) -> bool:
        """Whether to write a SavedModel."""
        return self._saved_model.value

    @property
    def is_asked_for(self) -> bool:
        """Whether to write TensorFlow Lite files."""
        return bool(self._kinds.value)

    def check(self, out: Path, *, overwrite: bool, precision: str) -> None:
        """Checks the flags before a model is loaded.

        Args:
            out: Folder of the model.
            overwrite: Whether existing files may be replaced.
            precision: Value of --precision.

        Raises:
            InputError: Flags contradict each other, or the files exist.
        """
        kinds, data_dir = self._kinds.value, self._data_dir.value
        for kind in kinds:
            if kind not in tflite.KINDS:
                raise InputError(
                    f"--tflite={kind}: allowed are {', '.join(tflite.KINDS)}"
                )
        if "int8" in kinds and not data_dir:
            raise InputError("--tflite=int8 requires --data_dir for calibration")
        if kinds and precision != "float32":
            raise InputError(
                f"--precision={precision}: not supported with --tflite, whose kinds "
                "set the precision"
            )
        if data_dir and not kinds:
            raise InputError("--data_dir requires --tflite")
        if not kinds and not self.saved_model:
            raise InputError(
                "--nosaved_model without --tflite: there is nothing to export"
            )
        place = out / _FOLDER
        if kinds and place.exists() and not overwrite:
            raise InputError(f"{place}: exists; use another --out, or --overwrite")

    def export(self, model: PoseTransfer, out: Path) -> None:
        """Writes the requested files, measures them and prints a table.

        Args:
            model: Trained model, in float32.
            out: Folder of the model.

        Raises:
            InputError: The data set is missing or has another image size, the model
                computes in bfloat16, or a conversion failed. The other kinds are
                written all the same.
        """
        kinds = list(dict.fromkeys(self._kinds.value))
        if not kinds:
            return
        calibration, compared = self._examples(kinds, model.image_size)
        place = out / _FOLDER
        exported = tflite.export_lite(
            model,
            place,
            kinds=kinds,
            calibration=calibration,
            timeout=self._timeout.value,
        )
        if exported.operators:
            _measure(place, model, compared, exported.operators)
        if exported.failures:
            raise InputError(
                f"{'; '.join(exported.failures.values())}; --tflite_timeout sets the "
                "time limit"
            )

    def _examples(
        self, kinds: list[str], size: tuple[int, int]
    ) -> tuple[Examples | None, Examples]:
        """Returns the examples for calibration and for the measurements."""
        data_dir, count = self._data_dir.value, self._num_compared.value
        if not data_dir:
            return None, examples.of_drawn_people(size, count=count)
        compared = examples.of_data(data_dir, "test", image_size=size, count=count)
        if "int8" not in kinds:
            return None, compared
        count = self._num_calibration.value
        return examples.of_data(
            data_dir, "train", image_size=size, count=count
        ), compared


def _measure(
    place: Path,
    model: Model,
    compared: Examples,
    operators: Mapping[str, Mapping[str, Mapping[str, int]]],
) -> None:
    """Measures the files in a folder, and prints and writes the table."""
    scores = score(place, list(operators), model, compared)
    for kind, row in scores["kinds"].items():
        row["operators"] = operators[kind]
    text = table(scores)
    if "int8" in operators:
        floats = operators["int8"]["float"].items()
        text += "\nint8, operators with float inputs or outputs: "
        text += ", ".join(f"{count} {name}" for name, count in floats)
    files.write_json(place / "tflite.json", scores)
    files.write_text(place / "tflite.txt", text + "\n")
    kinds = ", ".join(operators)
    print(f"{place}: {kinds}, for one image; KIND_batch for any number")
    print(text)


def score(
    folder: Path, kinds: Sequence[str], model: Model, examples: Examples
) -> dict[str, Any]:
    """Measures files of each kind and compares their images.

    Args:
        folder: Folder of the files.
        kinds: Names from `tflite.KINDS`.
        model: Exported model.
        examples: Images and poses to generate from.

    Returns:
        Plain data. `on` names the examples; `model` contains the mask-SSIM of the
        model's own images. `kinds` contains for each kind `megabytes`, `milliseconds`
        per image by number of threads, `peak_megabytes`, `batch_difference` (largest
        difference in grey levels between batched and single generation), and under
        `images` for each image `ssim` and `max_difference` (grey levels) against the
        model's image, and `mask_ssim` against the target.
    """
    expected = model(examples.images, examples.poses)
    rows = {}
    for kind in tqdm(kinds, desc="comparing", unit=" kinds"):
        path = tflite.path_of(folder, kind)
        made = LoadedLite(path)(examples.images, examples.poses)
        rows[kind] = {
            "megabytes": path.stat().st_size / 1e6,
            **isolated.call(cost, path, examples, cores=None),
            "images": _compare(made, expected, examples),
            "batch_difference": _resized(folder, kind, made, examples),
        }
    return {
        "on": examples.on,
        "model": {"mask_ssim": _mask_ssim(expected, examples)},
        "kinds": rows,
    }


def cost(path: Path, examples: Examples) -> dict[str, Any]:
    """Measures time and memory of generating one image, in this process.

    Args:
        path: A file for one image.
        examples: Images and poses. The first one is generated.

    Returns:
        `milliseconds` of the fastest call by number of threads, and `peak_megabytes` of
        loading and generating with one thread, or None if it is unknown.
    """
    one = examples.images[:1], examples.poses[:1]
    times = {}
    with PeakMemory() as memory:
        times["1"] = _milliseconds(LoadedLite(path, threads=1), one)
    for threads in THREADS[1:]:
        times[str(threads)] = _milliseconds(LoadedLite(path, threads=threads), one)
    return {"milliseconds": times, "peak_megabytes": memory.megabytes}


def table(scores: Mapping[str, Any]) -> str:
    """Returns the scores of the last stage's images as a text table."""
    lines = [
        f"{'':<9}{'MB':>7}"
        + "".join(f"{f'ms, {n} thr.':>13}" for n in THREADS)
        + f"{'peak MB':>9}{'SSIM':>8}{'largest':>9}{'mask-SSIM':>11}"
    ]
    last, own = list(scores["model"]["mask_ssim"].items())[-1]
    lines.append(f"{'model':<9}{'':>{7 + 13 * len(THREADS) + 9 + 8 + 9}}{own:>11.3f}")
    for kind, row in scores["kinds"].items():
        image, peak = row["images"][last], row["peak_megabytes"]
        lines.append(
            f"{kind:<9}{row['megabytes']:>7.1f}"
            + "".join(f"{row['milliseconds'][str(n)]:>13.1f}" for n in THREADS)
            + (f"{peak:>9.0f}" if peak is not None else f"{'?':>9}")
            + f"{image['ssim']:>8.4f}{image['max_difference']:>9}"
            + f"{image['mask_ssim']:>11.3f}"
        )
    lines.append(
        f"on {scores['on']}; SSIM and largest difference (grey levels): {last} image "
        "against the model's; mask-SSIM: against the target"
    )
    return "\n".join(lines)


def _milliseconds(model: LoadedLite, one: tuple[np.ndarray, np.ndarray]) -> float:
    return 1e3 * arithmetic.fastest(lambda: model(*one), 0, least=_REPEATS)


def _compare(
    made: Images, expected: Images, examples: Examples
) -> dict[str, dict[str, Any]]:
    masked = _mask_ssim(made, examples)
    return {
        name: {
            "ssim": _mean_ssim(made[name], images),
            "max_difference": _largest(made[name], images),
            "mask_ssim": masked[name],
        }
        for name, images in expected.items()
    }


def _mask_ssim(made: Images, examples: Examples) -> dict[str, float]:
    targets = metrics.masked(examples.targets, examples.masks)
    return {
        name: _mean_ssim(metrics.masked(images, examples.masks), targets)
        for name, images in made.items()
    }


def _mean_ssim(images: np.ndarray, others: np.ndarray) -> float:
    return float(np.mean(list(map(metrics.ssim, images, others))))


def _largest(images: np.ndarray, others: np.ndarray) -> int:
    return int(np.abs(images.astype(int) - others).max())


def _resized(folder: Path, kind: str, made: Images, examples: Examples) -> int:
    """Returns the largest difference between batched and single generation."""
    batch = LoadedLite(tflite.path_of(folder, kind, fixed=False))
    together = batch(examples.images[:_TOGETHER], examples.poses[:_TOGETHER])
    return max(
        _largest(images, made[name][:_TOGETHER]) for name, images in together.items()
    )
