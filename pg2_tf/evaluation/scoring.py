"""Scores pairs of images and writes the results.

An interrupted evaluation resumes, if it is the same one: `_Progress` compares a record
of everything that the scores depend on, with checksums of weights, images and networks.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from pg2_tf.evaluation import measures, summary
from pg2_tf.evaluation.folders import SavedImages
from pg2_tf.evaluation.measures import (
    FEATURES,
    FID,
    KID,
    TARGET,
    ImagePairs,
    Measures,
)
from pg2_tf.evaluation.protocols import Protocol
from pg2_tf.evaluation.summary import Reference, Value
from pg2_tf.runs.run_folder import package_versions
from preprocessing.images import image_files as images
from preprocessing.system import files
from preprocessing.system.errors import InputError

_AT_ONCE = 64
_SHOWN = 4
# The sheet shows pairs ordered by the first of these metrics that was chosen.
_ORDER = ("mask_ssim", "ssim", "mask_l1", "l1", "pckh")
_LESS_IS_BETTER = ("l1", "mask_l1")


class Evaluation(NamedTuple):
    """Scores of images.

    Attributes:
        table: One row per pair: its names, and `IMAGE_METRIC` columns.
        scores: Values by image (`source`, `coarse`, `refined`, `target`; `generated`)
            and metric.
    """

    table: pd.DataFrame
    scores: dict[str, dict[str, Value]]


class Inputs(NamedTuple):
    """Where the real images of FID and KID come from, and what is written beside.

    Attributes:
        images: Function that yields the real images, uint8 [B, H, W, 3] each; None for
            the targets of the pairs.
        statistics: `.npz` of precomputed statistics, instead of images.
        save_statistics: `.npz` file to write the statistics of the real images to.
        save_images: Whether the scored images are written to `images` in the output
            folder.
    """

    images: Callable[[], Iterable[np.ndarray]] | None = None
    statistics: Path | None = None
    save_statistics: Path | None = None
    save_images: bool = False


def check(pairs: ImagePairs, chosen: tuple[str, ...], protocol: Protocol) -> None:
    """Refuses metrics that cannot be computed for the images.

    Raises:
        InputError: Masks or poses are missing, there are too few images, or the images
            are smaller than the SSIM window.
    """
    summary.check_count(chosen, len(pairs))
    side = protocol.least_side
    if min(pairs.size) < side and {"ssim", "mask_ssim"} & set(chosen):
        raise InputError(
            f"images of {pairs.size[0]}x{pairs.size[1]}: the protocol's SSIM has a "
            f"window of {side} pixels"
        )
    for name in chosen:
        if name.startswith("mask_") and not pairs.has_masks:
            raise InputError(f"--metrics={name}: needs masks; give --mask or --poses")
        if name == measures.PCKH and not pairs.has_poses:
            raise InputError(
                f"--metrics={name}: needs the targets' poses; give --poses"
            )


def evaluate(
    pairs: ImagePairs,
    chosen: Measures,
    *,
    out: Path,
    record: dict[str, Any],
    inputs: Inputs | None = None,
) -> Evaluation:
    """Scores images, and writes `pairs.csv`, `sheet.png` and `scores.json`.

    Finished batches are kept in `.evaluation` in the output folder until the end. The
    same evaluation resumes from them; a different one starts afresh and says so.

    Args:
        pairs: Images to score.
        chosen: Metrics.
        out: Output folder.
        record: Options that the scores depend on, for `scores.json`.
        inputs: Real images for FID and KID, and what to write beside the scores.

    Raises:
        InputError: An image cannot be read or scored, there are too few, or the image
            folder holds images of another evaluation.
    """
    inputs = inputs or Inputs()
    check(pairs, chosen.names, chosen.protocol)
    inception = chosen.inception.checksum if chosen.inception else ""
    given = None
    if inputs.statistics is not None:
        given = summary.read_reference(
            inputs.statistics, inception=inception, kid=KID in chosen.names
        )
    record = {**record, **pairs.describe(), "networks": chosen.networks}
    settings = {
        **record,
        "rows": pairs.rows(),
        "metrics": chosen.names,
        "versions": package_versions(),
    }
    content = json.dumps(settings, sort_keys=True)
    fingerprint = hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()
    progress = _Progress(out / ".evaluation", fingerprint)
    saved = None
    if inputs.save_images:
        saved = SavedImages(pairs.rows(), out / "images", fingerprint=fingerprint)
    count = _score_all(pairs, chosen, progress, saved)
    gathered = {
        name: np.concatenate(list(progress.arrays(name, count)))
        for name in progress.columns()
    }
    reference = given or _reference(chosen, progress, count, inputs)
    scores = _all_scores(pairs, chosen.names, gathered, progress, count, reference)
    table = pd.DataFrame(pairs.rows()).assign(
        **{name.replace("/", "_"): values for name, values in gathered.items()}
    )
    result = Evaluation(table, scores)
    _write(result, pairs, out, {**record, "fingerprint": fingerprint})
    progress.end()
    return result


class _Progress:
    """Scores and features of finished batches, kept in a folder.

    Args:
        folder: The folder; a different evaluation's content is deleted.
        fingerprint: Checksum of everything that the scores depend on.
    """

    def __init__(self, folder: Path, fingerprint: str):
        self._folder = folder
        place = folder / "fingerprint"
        if not (place.exists() and place.read_bytes() == fingerprint.encode()):
            if folder.exists():
                print(
                    f"{folder.parent}: starting afresh; the interrupted evaluation "
                    "there had other weights, images or options"
                )
            self.end()
            files.write_text(place, fingerprint)

    def has(self, number: int) -> bool:
        """Returns True if a batch is finished and its file is whole."""
        try:
            with np.load(self._place(number), allow_pickle=False) as content:
                return bool([content[name] for name in content.files])
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return False

    def write(self, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Keeps the arrays of a batch."""

        def save(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        files.write_atomically(self._place(number), save)

    def arrays(self, name: str, count: int) -> Iterator[np.ndarray]:
        """Yields one array of each of the first `count` batches."""
        for number in range(count):
            with np.load(self._place(number), allow_pickle=False) as content:
                yield content[name]

    def columns(self) -> list[str]:
        """Returns the names of the arrays that hold one number per image."""
        with np.load(self._place(0), allow_pickle=False) as content:
            return [name for name in content.files if content[name].ndim == 1]

    def end(self) -> None:
        """Deletes the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _place(self, number: int) -> Path:
        return self._folder / f"{number:05d}.npz"


def _score_all(
    pairs: ImagePairs, chosen: Measures, progress: _Progress, saved: SavedImages | None
) -> int:
    """Scores the batches that are not finished; returns the number of batches."""
    starts = range(0, len(pairs), _AT_ONCE)
    with tqdm(total=len(pairs), desc="evaluating", unit=" pairs") as bar:
        for number, start in enumerate(starts):
            end = min(start + _AT_ONCE, len(pairs))
            if saved or not progress.has(number):
                batch = pairs.batch(start, end)
                if saved:
                    saved.write(start, batch)
                progress.write(number, chosen.score(batch))
            bar.update(end - start)
    return len(starts)


def _all_scores(
    pairs: ImagePairs,
    names: tuple[str, ...],
    gathered: dict[str, np.ndarray],
    progress: _Progress,
    count: int,
    reference: Reference | None,
) -> dict[str, dict[str, Value]]:
    """Returns the scores by image and metric, in the order of the metrics."""
    means = summary.summarise(gathered) if gathered else {}
    scores: dict[str, dict[str, Value]] = {}
    for image in (*pairs.image_names, TARGET):
        for name in names:
            if name in FEATURES:
                # The targets are not compared with themselves.
                if image == TARGET and name in (FID, KID):
                    continue
                parts = progress.arrays(f"{image}/{FEATURES[name]}", count)
                value = summary.score_together(name, parts, reference)
            elif name in means.get(image, {}):
                value = means[image][name]
            else:
                continue
            scores.setdefault(image, {})[name] = value
    return scores


def _reference(
    chosen: Measures, progress: _Progress, count: int, inputs: Inputs
) -> Reference | None:
    """Returns statistics of the real images, or None where no metric needs them."""
    if not {FID, KID} & set(chosen.names) or chosen.inception is None:
        return None
    if inputs.images is None:
        parts: Iterable[np.ndarray] = progress.arrays(f"{TARGET}/pool", count)
    else:
        look, frame = chosen.inception.features, chosen.protocol.frame
        parts = (look(frame(some))[0] for some in inputs.images())
    keep = KID in chosen.names or inputs.save_statistics is not None
    reference = summary.reference_of(
        parts, inception=chosen.inception.checksum, keep=keep
    )
    if inputs.save_statistics is not None:
        summary.write_reference(inputs.save_statistics, reference)
    return reference


def _write(
    result: Evaluation, pairs: ImagePairs, out: Path, record: dict[str, Any]
) -> None:
    table, place = result.table, out / "scores.json"
    # scores.json is written last: while it is there, the other files belong to it.
    place.unlink(missing_ok=True)
    files.write_atomically(
        out / "pairs.csv", lambda path: table.to_csv(path, index=False)
    )
    order = _order(table, pairs.image_names[-1])
    if order is not None:
        sheet = pairs.sheet(_spread(order, _SHOWN))
        files.write_bytes(out / "sheet.png", images.encode_png(sheet))
    else:
        (out / "sheet.png").unlink(missing_ok=True)
    content = {**summary.as_json(result.scores), "pairs": len(table), **record}
    files.write_json(place, {**content, "versions": package_versions()})


def _order(table: pd.DataFrame, image: str) -> np.ndarray | None:
    """Returns the pairs from best to worst, or None where no metric orders them."""
    for metric in _ORDER:
        if f"{image}_{metric}" in table:
            values = table[f"{image}_{metric}"].to_numpy()
            sign = 1 if metric in _LESS_IS_BETTER else -1
            return np.argsort(sign * values, kind="stable")
    return None


def _spread(order: np.ndarray, shown: int) -> list[int]:
    """Picks the first, middle and last pairs of an order, without repeats."""
    middle = max(0, len(order) // 2 - shown // 2)
    parts = (order[:shown], order[middle : middle + shown], order[-shown:])
    return list(dict.fromkeys(int(i) for part in parts for i in part))
