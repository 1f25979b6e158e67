"""Scores images by a protocol: each pair, and all together.

An evaluation that was interrupted goes on where it stopped.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from pg2_tf.evaluation import measures, summary
from pg2_tf.evaluation.batches import Batch, Scored
from pg2_tf.evaluation.measures import FID, TARGET, Measures, Value
from pg2_tf.evaluation.parts import Parts
from pg2_tf.evaluation.protocols import Protocol
from pg2_tf.runs.run_folder import package_versions
from preprocessing.images import image_files as images
from preprocessing.system import files
from preprocessing.system.errors import InputError

_AT_ONCE = 64
_SHOWN = 4
# Which metric orders the pairs in the sheet, the first that there is.
_ORDER = ("mask_ssim", "ssim", "mask_l1", "l1", "pckh")
_LESS_IS_BETTER = ("l1", "mask_l1")


class Evaluation(NamedTuple):
    """Scores of images.

    Attributes:
        table: one row a pair: what names it, and `<image>_<metric>` columns.
        scores: by image (`source`, `coarse`, `refined`, `target`; `generated`) and
            metric.
    """

    table: pd.DataFrame
    scores: dict[str, dict[str, Value]]


def check(scored: Scored, chosen: tuple[str, ...], protocol: Protocol) -> None:
    """Refuses metrics that the images do not allow.

    Raises:
        InputError: there are no masks or poses where one needs them, too few images, or
            images smaller than a window.
    """
    measures.check_count(chosen, len(scored))
    side = protocol.least_side
    if min(scored.size) < side and {"ssim", "mask_ssim"} & set(chosen):
        raise InputError(
            f"images of {scored.size[0]}x{scored.size[1]}: the protocol's SSIM has a "
            f"window of {side} pixels"
        )
    for name in chosen:
        if name.startswith("mask_") and not scored.has_masks:
            raise InputError(f"--metrics={name}: needs masks; give --mask or --poses")
        if name == measures.PCKH and not scored.has_poses:
            raise InputError(
                f"--metrics={name}: needs the targets' poses; give --poses"
            )


def evaluate(
    scored: Scored,
    chosen: Measures,
    *,
    out: Path,
    record: dict[str, Any],
    reference: Callable[[], Iterable[np.ndarray]] | None = None,
    keep: Callable[[int, Batch], None] | None = None,
) -> Evaluation:
    """Scores images, and writes `pairs.csv`, `sheet.png` and `scores.json`.

    What is done is kept in `out` until all is; the same evaluation goes on from there.

    Args:
        scored: the images.
        chosen: the metrics.
        out: the folder of the results.
        record: what else the scores depend on; it stands in `scores.json`.
        reference: returns the images that FID holds the generated ones against, uint8
            [B, H, W, 3] at a time; None: the targets.
        keep: is given every batch that is scored, and the position it begins at.

    Raises:
        InputError: an image cannot be read or scored; there are too few.
    """
    check(scored, chosen.names, chosen.protocol)
    record = {**record, **scored.describe(), "networks": chosen.networks}
    parts = Parts(out, {**record, "rows": _checksum(scored), "metrics": chosen.names})
    count = _score_all(scored, chosen, parts, keep)
    columns, features = parts.names()
    gathered = {
        name: np.concatenate(list(parts.arrays(name, count))) for name in columns
    }
    scores = summary.summarise(gathered) if gathered else {}
    held = _reference(chosen, parts, count, reference)
    for name in features:
        image, measure = name.split("/")
        if (image, measure) != (TARGET, FID):
            scores.setdefault(image, {})[measure] = measures.together(
                measure, parts.arrays(name, count), held
            )
    ordered = {
        image: {
            name: scores[image][name] for name in chosen.names if name in scores[image]
        }
        for image in (*scored.image_names, TARGET)
        if image in scores
    }
    table = pd.DataFrame(scored.rows()).assign(
        **{name.replace("/", "_"): values for name, values in gathered.items()}
    )
    result = Evaluation(table, ordered)
    _write(result, scored, out, record)
    parts.end()
    return result


def _score_all(
    scored: Scored,
    chosen: Measures,
    parts: Parts,
    keep: Callable[[int, Batch], None] | None,
) -> int:
    """Scores what is not scored yet; returns how many parts there are."""
    starts = range(0, len(scored), _AT_ONCE)
    with tqdm(total=len(scored), desc="evaluating", unit=" pairs") as progress:
        for number, start in enumerate(starts):
            end = min(start + _AT_ONCE, len(scored))
            if keep or not parts.has(number):
                batch = scored.batch(start, end)
                parts.write(number, chosen.score(batch))
                if keep:
                    keep(start, batch)
            progress.update(end - start)
    return len(starts)


def _write(
    result: Evaluation, scored: Scored, out: Path, record: dict[str, Any]
) -> None:
    table = result.table
    files.write_atomically(
        out / "pairs.csv", lambda path: table.to_csv(path, index=False)
    )
    order = _order(table, scored.image_names[-1])
    if order is not None:
        sheet = scored.sheet(_spread(order, _SHOWN))
        files.write_bytes(out / "sheet.png", images.encode_png(sheet))
    content = {**summary.as_json(result.scores), "pairs": len(table), **record}
    files.write_json(out / "scores.json", {**content, "versions": package_versions()})


def describe_protocol(
    name: str, protocol: Protocol, *, given_masks: bool
) -> dict[str, Any]:
    """Returns what a protocol is, for the record."""
    return {
        "name": name,
        "reference": protocol.reference,
        "ssim_window": protocol.window,
        "ssim_data_range": protocol.data_range,
        "mask": "given" if given_masks else protocol.draw_mask.__name__,
        "mask_of": None if given_masks else protocol.mask_of,
        "values": "truncated" if protocol.truncates else "rounded",
        "padded_widths": {str(k): v for k, v in (protocol.padded or {}).items()},
        "interval": "95 %, percentile bootstrap over pairs, 1,000 drawings",
    }


def _reference(
    chosen: Measures,
    parts: Parts,
    count: int,
    reference: Callable[[], Iterable[np.ndarray]] | None,
) -> Any:
    """Returns the statistics that FID holds images against, or None without FID."""
    if FID not in chosen.names or chosen.inception is None:
        return None
    if reference is None:
        return measures.statistics(parts.arrays(f"{TARGET}/{FID}", count))
    features, frame = chosen.inception.features, chosen.protocol.frame
    return measures.statistics(features(frame(some))[0] for some in reference())


def _checksum(scored: Scored) -> str:
    content = json.dumps(scored.rows(), sort_keys=True)
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


def _order(table: pd.DataFrame, image: str) -> np.ndarray | None:
    """Returns the pairs from best to worst, or None where no metric orders them."""
    for metric in _ORDER:
        if f"{image}_{metric}" in table:
            values = table[f"{image}_{metric}"].to_numpy()
            sign = 1 if metric in _LESS_IS_BETTER else -1
            return np.argsort(sign * values, kind="stable")
    return None


def _spread(order: np.ndarray, shown: int) -> list[int]:
    """Picks the first, middle and last of an order, without repeats."""
    middle = max(0, len(order) // 2 - shown // 2)
    parts = (order[:shown], order[middle : middle + shown], order[-shown:])
    return list(dict.fromkeys(int(i) for part in parts for i in part))
