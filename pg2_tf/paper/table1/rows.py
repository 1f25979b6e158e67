"""The rows of a table: variants or lambdas, and the scale of their trainings."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pg2_tf.machine.precision import AUTO, training_precision
from pg2_tf.model import presets
from pg2_tf.model.config import VARIANTS, RunConfig, TrainConfig


@dataclass(frozen=True)
class Scale:
    """Changes to the presets.

    Attributes:
        width: Width of the generators; None: the preset's.
        precision: `float32`, `bfloat16` or `auto`.
        reconstruction: Training options of a stage without D.
        one_stage: Training options of G1 against D.
        adversarial: Training options of stage 2.
    """

    width: int | None = None
    precision: str = "float32"
    reconstruction: Mapping[str, Any] = field(default_factory=dict)
    one_stage: Mapping[str, Any] = field(default_factory=dict)
    adversarial: Mapping[str, Any] = field(default_factory=dict)


_FAST = {"learning_rate": 2e-4, "schedule": "cosine"}
_AGAINST_D = {**_FAST, "l1_weight": 50.0}

SCALES = {
    # Section 4.1.
    "paper": Scale(),
    # A few hours on two CPU cores. So few steps need a higher learning rate; with a
    # smaller lambda D would shift the colours.
    "small": Scale(
        width=16,
        precision="auto",
        reconstruction={**_FAST, "steps": 3000},
        one_stage={**_AGAINST_D, "steps": 4000},
        adversarial={**_AGAINST_D, "steps": 1000},
    ),
}


class Row(NamedTuple):
    """A row of a table: a model to train and score.

    Attributes:
        name: Unique name; also the name of its folders.
        variant: Key in `VARIANTS`.
        adversarial: Training options of the stages with D, on top of the scale's.
    """

    name: str
    variant: str
    adversarial: Mapping[str, Any] = {}

    def options(self, stage: int, scale: Scale) -> dict[str, Any]:
        """Returns the training options of a stage that differ from the preset."""
        if stage not in VARIANTS[self.variant].adversarial:
            return dict(scale.reconstruction)
        options = scale.one_stage if stage == 1 else scale.adversarial
        return {**options, **self.adversarial}


def variant_rows(variants: Sequence[str]) -> list[Row]:
    """Returns a row for each variant."""
    return [Row(variant, variant) for variant in variants]


def lambda_rows(weights: Sequence[float]) -> list[Row]:
    """Returns a row of G1+G2+D for each lambda of equation 4."""
    return [
        Row(f"lambda-{weight:g}", "G1+G2+D", {"l1_weight": weight})
        for weight in weights
    ]


def configured(
    row: Row, *, dataset: str, profile: str, scale: Scale
) -> tuple[RunConfig, dict[int, TrainConfig]]:
    """Returns a row's networks, and its trainings by stage.

    Args:
        row: The row.
        dataset: Name of a preset.
        profile: `paper` or `authors`.
        scale: Changes to the preset.
    """
    preset = presets.preset(dataset, profile=profile, variant=row.variant)
    model = preset.model.with_width(scale.width) if scale.width else preset.model
    trainings = {}
    for stage in VARIANTS[row.variant].stages:
        training = dataclasses.replace(preset.stage(stage), **row.options(stage, scale))
        precision = scale.precision
        if precision == AUTO:
            adversarial = stage in VARIANTS[row.variant].adversarial
            precision = training_precision(model, training, adversarial=adversarial)
        trainings[stage] = dataclasses.replace(training, precision=precision)
    return RunConfig(dataset, profile, model, row.variant), trainings
