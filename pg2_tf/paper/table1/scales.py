"""How large and how long the models of a table are trained."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pg2_tf.machine.devices import resolve_precision
from pg2_tf.model import presets
from pg2_tf.model.config import VARIANTS, RunConfig, TrainConfig


@dataclass(frozen=True)
class Scale:
    """What is changed of the presets.

    Attributes:
        width: of the generators; None: the preset's.
        precision: `float32`, `bfloat16` or `auto`.
        reconstruction: options of a stage without D.
        one_stage: options of G1 against D.
        adversarial: options of stage 2.
    """

    width: int | None = None
    precision: str = "float32"
    reconstruction: Mapping[str, Any] = field(default_factory=dict)
    one_stage: Mapping[str, Any] = field(default_factory=dict)
    adversarial: Mapping[str, Any] = field(default_factory=dict)

    def of(self, variant: str, stage: int) -> Mapping[str, Any]:
        """Returns the changed options of a stage of a variant."""
        adversarial = VARIANTS[variant].adversarial
        if stage not in adversarial:
            return self.reconstruction
        return self.one_stage if stage == 1 else self.adversarial


_FAST = {"learning_rate": 2e-4, "schedule": "cosine"}
_AGAINST_D = {**_FAST, "l1_weight": 50.0}

SCALES = {
    # Section 4.1.
    "paper": Scale(),
    # A few hours on two CPU cores. With so few steps a higher learning rate goes
    # further, and a smaller lambda would let D pull at the colours first.
    "small": Scale(
        width=16,
        precision="auto",
        reconstruction={**_FAST, "steps": 3000},
        one_stage={**_AGAINST_D, "steps": 4000},
        adversarial={**_AGAINST_D, "steps": 1000},
    ),
}


def configured(
    dataset: str, variant: str, scale: Scale
) -> tuple[RunConfig, dict[int, TrainConfig]]:
    """Returns a variant's networks, and its trainings by stage, at a scale."""
    preset = presets.preset(dataset, variant=variant)
    model = preset.model.with_width(scale.width) if scale.width else preset.model
    precision = resolve_precision(scale.precision)
    trainings = {
        stage: dataclasses.replace(
            preset.stage(stage), precision=precision, **scale.of(variant, stage)
        )
        for stage in VARIANTS[variant].stages
    }
    return RunConfig(dataset, "paper", model, variant), trainings
