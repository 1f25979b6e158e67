"""Scores a model on pairs of a split, beside copying the source image."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from pg2_tf.data.dataset import Split
from pg2_tf.data.pipeline import PairSource
from pg2_tf.inference import PoseTransfer
from pg2_tf.metrics import images as metrics
from preprocessing import pairing, pictures

# What every model must beat: the source image as it is.
COPY = "source"
_BATCH = 16


class Evaluation(NamedTuple):
    """Scores of a model.

    Attributes:
        table: one row a pair: from, to, and `<image>_<metric>` columns.
        means: mean of each metric, by image (source, coarse, refined) and name.
        sheet: the best, median and worst pairs, uint8 [.., .., 3].
    """

    table: pd.DataFrame
    means: dict[str, dict[str, float]]
    sheet: np.ndarray


def draw_pairs(split: Split, count: int, *, seed: int) -> list[int]:
    """Draws positions among a split's pairs, in ascending order; see `pairing.drawn`.

    The same data and seed give the same pairs on every machine.
    """
    named = [(split.names[a], split.names[b]) for a, b in split.pairs.tolist()]
    return pairing.drawn(named, count=count, seed=seed)


def evaluate(
    model: PoseTransfer, split: Split, positions: list[int], *, shown: int = 4
) -> Evaluation:
    """Scores a model on pairs.

    Args:
        model: to score.
        split: with the pairs.
        positions: of the pairs among the split's.
        shown: how many of the best, median and worst pairs stand in the sheet.
    """
    source = PairSource(split)
    rows = []
    with tqdm(total=len(positions), desc="evaluating", unit=" pairs") as progress:
        for start in range(0, len(positions), _BATCH):
            chosen = positions[start : start + _BATCH]
            batch, made = _make(model, source, chosen)
            for index, position in enumerate(chosen):
                rows.append(_row(split, position, batch, made, index))
                progress.update()
    table = pd.DataFrame(rows)
    names = [COPY, "coarse"] + ["refined"] * (model.stage == 2)
    means = {
        name: {
            column.removeprefix(f"{name}_"): float(table[column].mean())
            for column in table
            if column.startswith(f"{name}_")
        }
        for name in names
    }
    order = np.argsort(-table[f"{names[-1]}_mask_ssim"].to_numpy(), kind="stable")
    picked = _spread(order, shown)
    return Evaluation(
        table, means, _sheet(model, source, [positions[i] for i in picked])
    )


def _make(
    model: PoseTransfer, source: PairSource, positions: list[int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    gathered = source.gather(tf.constant(positions, tf.int64))
    batch = {name: value.numpy() for name, value in gathered.items()}
    return batch, {COPY: batch["source"], **model(batch["source"], batch["keypoints"])}


def _row(
    split: Split,
    position: int,
    batch: dict[str, np.ndarray],
    made: dict[str, np.ndarray],
    index: int,
) -> dict[str, Any]:
    start, end = split.pairs[position]
    row: dict[str, Any] = {"from": split.names[start], "to": split.names[end]}
    for name, images in made.items():
        scores = metrics.score(
            images[index], batch["target"][index], batch["mask"][index, ..., 0]
        )
        row.update({f"{name}_{metric}": value for metric, value in scores.items()})
    return row


def _spread(order: np.ndarray, shown: int) -> list[int]:
    """Picks the first, middle and last of an order, without repeats."""
    middle = max(0, len(order) // 2 - shown // 2)
    parts = (order[:shown], order[middle : middle + shown], order[-shown:])
    return list(dict.fromkeys(int(i) for part in parts for i in part))


def _sheet(model: PoseTransfer, source: PairSource, positions: list[int]) -> np.ndarray:
    batch, made = _make(model, source, positions)
    others = {name: images for name, images in made.items() if name != COPY}
    others["target"] = batch["target"]
    return pictures.pose_sheet(batch["source"], batch["keypoints"], others)
