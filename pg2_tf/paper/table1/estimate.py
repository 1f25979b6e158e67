"""Estimates the time and disk space of steps on this machine.

A training takes its arithmetic at the share of this machine's matrix product rate that
training steps reach. An evaluation takes the generators' forward arithmetic likewise,
and the time of the metrics, which is measured on random images.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pg2_tf.evaluation.measures import Batch, Measures
from pg2_tf.machine import arithmetic, ceiling
from pg2_tf.model.networks import build_networks
from pg2_tf.paper.table1.steps import Scoring, Step, Training
from pg2_tf.training.checkpoints import KEEP

# Share of the rate of a large matrix product that training steps reach, measured at
# full width (`benchmark --what=train`); narrow networks reach less.
_SHARE = {128: 0.85, 64: 0.7, 32: 0.5}
_NARROW = 0.3
_PRODUCT_SECONDS = 1.0
_MEASURED_PAIRS = 8
# Scores and names of a pair in pairs.csv.
_BYTES_A_PAIR = 300


@dataclass(frozen=True)
class Cost:
    """Cost of a step: `seconds`, and `disk` in bytes."""

    seconds: float
    disk: int


class Estimator:
    """Estimates the costs of steps.

    Args:
        measures: metrics of the evaluations.
    """

    def __init__(self, measures: Measures):
        self._measures = measures
        self._rates: dict[str, float] = {}
        self._metric_seconds: dict[tuple[int, ...], float] = {}

    def costs(self, steps: Sequence[Step]) -> list[Cost]:
        """Returns the cost of the rest of each step."""
        return [
            self._cost(step) if not step.is_done() else Cost(0, 0) for step in steps
        ]

    def _cost(self, step: Step) -> Cost:
        if isinstance(step.work, Training):
            left = 0.0 if step.copies else step.share_left()
            return self._training(step.work, left)
        if isinstance(step.work, Scoring):
            return self._scoring(step.work)
        return Cost(0, 0)

    def _training(self, work: Training, left: float) -> Cost:
        config, options = work
        networks = build_networks(
            config.model,
            stage=options.stage,
            adversarial=options.stage in config.recipe.adversarial,
            precision=options.precision,
        )
        size = options.batch_size
        counted = arithmetic.operations(networks, options, batch_size=size)
        seconds = self._seconds(counted, config.model.width, options.precision)
        needed = arithmetic.predicted_bytes(networks, options, batch_size=size)
        checkpoint = needed["weights"] + needed["Adam's moments"]
        # The last few checkpoints, the one being written, and the best weights.
        disk = (KEEP + 1) * checkpoint + needed["weights"]
        return Cost(left * options.steps * seconds, disk)

    def _scoring(self, work: Scoring) -> Cost:
        networks = build_networks(work.config.model, stage=work.stage)
        counted = arithmetic.forward_operations(networks, batch_size=1)
        generating = self._seconds(counted, work.config.model.width, "float32")
        scoring = self._seconds_of_metrics(work.config.model.image_size, work.stage)
        return Cost(
            work.num_pairs * (generating + scoring), work.num_pairs * _BYTES_A_PAIR
        )

    def _seconds(
        self, counted: Counter[arithmetic.Operation], width: int, dtype: str
    ) -> float:
        if dtype not in self._rates:
            self._rates[dtype] = ceiling.product_rate(dtype, seconds=_PRODUCT_SECONDS)
        share = _SHARE.get(width, _NARROW)
        return arithmetic.total_flops(counted) / (self._rates[dtype] * share)

    def _seconds_of_metrics(self, size: tuple[int, int], stage: int) -> float:
        """Returns the measured time of the metrics of a pair."""
        key = (*size, stage)
        if key not in self._metric_seconds:
            rng = np.random.default_rng(0)
            shape = (_MEASURED_PAIRS, *size)
            names = ("source", "coarse", "refined")[: 1 + stage]
            images = [
                rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
                for _ in (*names, "target")
            ]
            masks = rng.integers(0, 2, shape, dtype=np.uint8)
            batch = Batch(
                dict(zip(names, images, strict=False)), images[-1], masks, None
            )
            self._measures.score(batch)
            started = time.perf_counter()
            self._measures.score(batch)
            seconds = (time.perf_counter() - started) / _MEASURED_PAIRS
            self._metric_seconds[key] = seconds
        return self._metric_seconds[key]
