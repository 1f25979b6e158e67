"""What TensorFlow Lite files cost and how near they come, as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pg2_tf.data.examples import Examples
from pg2_tf.evaluation.metrics import images as metrics
from pg2_tf.inference.exported import LoadedLite
from pg2_tf.inference.loading import Model
from pg2_tf.inference.pose_transfer import Images
from pg2_tf.machine import ceiling, isolated
from pg2_tf.machine.memory import PeakMemory
from pg2_tf.serving.tflite import path_of

THREADS = (1, 2)
_REPEATS = 20
_TOGETHER = 4


def score(
    folder: Path, kinds: Sequence[str], model: Model, examples: Examples
) -> dict[str, Any]:
    """Measures files of each kind and compares their images.

    Args:
        folder: of the files.
        kinds: some of `tflite.KINDS`.
        model: that they were made of.
        examples: to make images of.

    Returns:
        Plain data: `on`; the `mask_ssim` of the model's own images by name; and
        `kinds`, by kind `megabytes`, `milliseconds` of an image by number of threads,
        `peak_megabytes`, of each image `ssim` and `max_difference` (in grey levels)
        against the model's, and `mask_ssim` against the target, and
        `batch_difference`: of images made together and one by one, in grey levels.
    """
    expected = model(examples.images, examples.poses)
    rows = {}
    for kind in tqdm(kinds, desc="comparing", unit=" kinds"):
        path = path_of(folder, kind)
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
    """Measures the time of one image and the memory that it takes, in this process.

    Args:
        path: of a file of one image.
        examples: to take the image of.

    Returns:
        `milliseconds` of the fastest call by number of threads, and `peak_megabytes` of
        loading and generating with one thread; None where the system does not say.
    """
    one = examples.images[:1], examples.poses[:1]
    times = {}
    with PeakMemory() as memory:
        times["1"] = _milliseconds(LoadedLite(path, threads=1), one)
    for threads in THREADS[1:]:
        times[str(threads)] = _milliseconds(LoadedLite(path, threads=threads), one)
    return {"milliseconds": times, "peak_megabytes": memory.megabytes}


def table(scores: Mapping[str, Any]) -> str:
    """Returns scores as text, a line each kind; the images are of the last stage."""
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
        f"on {scores['on']}; SSIM and the largest difference, in grey levels, of the "
        f"{last} image against the model's, mask-SSIM against the target"
    )
    return "\n".join(lines)


def _milliseconds(model: LoadedLite, one: tuple[np.ndarray, np.ndarray]) -> float:
    return 1e3 * ceiling.fastest(lambda: model(*one), 0, least=_REPEATS)


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
    """Returns how far images made together are from those made one by one."""
    batch = LoadedLite(path_of(folder, kind, fixed=False))
    together = batch(examples.images[:_TOGETHER], examples.poses[:_TOGETHER])
    return max(
        _largest(images, made[name][:_TOGETHER]) for name, images in together.items()
    )
