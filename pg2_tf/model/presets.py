"""The presets: numbers of each data set, with their sources."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from pg2_tf.model.config import (
    DEFAULT_VARIANT,
    PROFILES,
    VARIANTS,
    ModelConfig,
    TrainConfig,
    one_of,
)


@dataclass(frozen=True)
class Preset:
    """A model and its two trainings.

    Attributes:
        model: The networks.
        stage1, stage2: Their trainings; a variant with one stage ignores the second.
    """

    model: ModelConfig
    stage1: TrainConfig
    stage2: TrainConfig

    def stage(self, number: int) -> TrainConfig:
        """Returns the training of a stage."""
        return self.stage1 if number == 1 else self.stage2


# Paper sections 3.3 and 4.1; lambda (10, 50) from the released trainer.py and
# trainer256.py. docs/paper.md lists where the paper is silent.
_PAPER = {
    "market1501": Preset(
        model=ModelConfig(image_size=(128, 64)),
        stage1=TrainConfig(stage=1, steps=22_000, batch_size=16),
        stage2=TrainConfig(stage=2, steps=14_000, batch_size=16, l1_weight=10),
    ),
    "deepfashion": Preset(
        model=ModelConfig(image_size=(256, 256)),
        stage1=TrainConfig(stage=1, steps=30_000, batch_size=8),
        stage2=TrainConfig(stage=2, steps=20_000, batch_size=8, l1_weight=50),
    ),
    # Beyond the paper: settings for a quarter of its width (docs/results.md).
    "plus": Preset(
        model=ModelConfig(
            image_size=(128, 64),
            width=32,
            generator2_skips="inner",
            discriminator_width=16,
        ),
        stage1=TrainConfig(
            stage=1,
            steps=8000,
            batch_size=32,
            learning_rate=6e-4,
            schedule="cosine",
            ema=0.999,
        ),
        stage2=TrainConfig(
            stage=2,
            steps=4500,
            batch_size=32,
            learning_rate=3e-4,
            schedule="cosine",
            ema=0.999,
            l1_weight=100,
            feature_matching=10,
        ),
    ),
    # Drawn people, small and fast, for `make demo`.
    "demo": Preset(
        model=ModelConfig(image_size=(64, 32), width=32, discriminator_width=32),
        stage1=TrainConfig(
            stage=1, steps=3700, batch_size=8, learning_rate=8e-4, schedule="cosine"
        ),
        stage2=TrainConfig(
            stage=2,
            steps=300,
            batch_size=16,
            learning_rate=2e-4,
            schedule="cosine",
            l1_weight=100,
            feature_matching=10,
        ),
    ),
    # One person, from a video, for `pg2_tf.one_person`.
    "one_person": Preset(
        model=ModelConfig(image_size=(128, 64), width=32, discriminator_width=32),
        stage1=TrainConfig(
            stage=1, steps=3000, batch_size=8, learning_rate=8e-4, schedule="cosine"
        ),
        stage2=TrainConfig(
            stage=2,
            steps=300,
            batch_size=8,
            learning_rate=2e-4,
            schedule="cosine",
            l1_weight=40,
        ),
    ),
    # The smallest networks there are, for tests.
    "tiny": Preset(
        model=ModelConfig(
            image_size=(32, 32), width=4, bottleneck=8, discriminator_width=4
        ),
        stage1=TrainConfig(stage=1, steps=4, batch_size=4, learning_rate=1e-3),
        stage2=TrainConfig(stage=2, steps=4, batch_size=4, learning_rate=1e-3),
    ),
}

# The released Market-1501 G2 has no skip connection at full resolution (models.py,
# UAE_noFC_After2Noise).
_AUTHORS_MODEL: dict[str, dict[str, Any]] = {
    "market1501": {"generator2_skips": "inner"},
}
# `if step < 22000` for both data sets, then until 60,000 or 80,000; batch 1 on
# DeepFashion (released trainer.py, run_market_train.sh, run_DF_train.sh).
_AUTHORS_STAGE1: dict[str, dict[str, Any]] = {
    "market1501": {},
    "deepfashion": {"steps": 22_000, "batch_size": 1},
}
_AUTHORS_STAGE2: dict[str, dict[str, Any]] = {
    "market1501": {"steps": 38_000},
    "deepfashion": {"steps": 58_000, "batch_size": 1},
}

DATASETS = tuple(_PAPER)


def preset(
    dataset: str, *, profile: str = "paper", variant: str = DEFAULT_VARIANT
) -> Preset:
    """Returns a data set's preset.

    Args:
        dataset: One of `DATASETS`.
        profile: `paper`: as the paper, and mostly as the released code where the paper
            is silent; `authors`: as the released code.
        variant: One of `config.VARIANTS`. The paper does not say how long its others
            are trained: the same as stage 1 of the default, and G1+D, with the
            settings of stage 2, as long as its two stages together.
    """
    one_of("dataset", dataset, DATASETS)
    one_of("profile", profile, PROFILES)
    one_of("variant", variant, tuple(VARIANTS))
    chosen = (
        _PAPER[dataset] if profile == "paper" else _authors(_PAPER[dataset], dataset)
    )
    recipe = VARIANTS[variant]
    model = dataclasses.replace(chosen.model, pose_embedding=recipe.pose_embedding)
    stage1, stage2 = chosen.stage1, chosen.stage2
    if 1 in recipe.adversarial:
        steps = stage1.steps + stage2.steps
        stage1 = dataclasses.replace(stage2, stage=1, steps=steps)
    return Preset(model, stage1, stage2)


def _authors(paper: Preset, dataset: str) -> Preset:
    return Preset(
        model=dataclasses.replace(
            paper.model,
            discriminator_input="image",
            **_AUTHORS_MODEL.get(dataset, {}),
        ),
        stage1=dataclasses.replace(paper.stage1, **_AUTHORS_STAGE1.get(dataset, {})),
        stage2=dataclasses.replace(paper.stage2, **_AUTHORS_STAGE2.get(dataset, {})),
    )
