"""Trains a stage of PG2.

python -m pg2_tf.train --dataset=market1501 --stage=1
python -m pg2_tf.train --dataset=market1501 --stage=2

The same command again goes on where the training stopped.
"""

import dataclasses
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import flags

from pg2_tf import presets
from pg2_tf.config import SCHEDULES, RunConfig, TrainConfig
from pg2_tf.devices import resolve_precision
from pg2_tf.run_folder import RunFolder
from pg2_tf.training.loop import Schedule
from pg2_tf.training.stages import train_stage
from preprocessing import command
from preprocessing.errors import InputError

_DATASET = flags.DEFINE_enum("dataset", None, presets.DATASETS, "Preset.")
_STAGE = flags.DEFINE_enum("stage", None, ["1", "2"], "1: G1. 2: G2 and D.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data set. Default: data/DATASET."
)
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder of the run. Default: runs/DATASET."
)
_PROFILE = flags.DEFINE_enum(
    "profile",
    None,
    presets.PROFILES,
    "paper: as the paper says; authors: as the released code behaves. Default: the "
    "run folder's, else paper.",
)
_WIDTH = flags.DEFINE_integer(
    "width",
    None,
    "Filters of the generators' first block. Default: the run folder's or preset's.",
)
_DISCRIMINATOR_WIDTH = flags.DEFINE_integer(
    "discriminator_width",
    None,
    "Filters of D's first layer. Default: the run folder's, or in the preset's "
    "proportion to --width.",
)
_STEPS = flags.DEFINE_integer("steps", None, "Steps in all. Default: preset's.")
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", None, "Pairs in a step, over all devices. Default: preset's."
)
_LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", None, "Of Adam. Default: preset's."
)
_SCHEDULE = flags.DEFINE_enum(
    "schedule",
    None,
    SCHEDULES,
    "Of the learning rate; cosine: down to 0 at the last step. Default: preset's.",
)
_L1_WEIGHT = flags.DEFINE_float(
    "l1_weight", None, "Lambda of equation 4, stage 2. Default: preset's."
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "bfloat16", "auto"],
    "What layers compute in. auto: bfloat16 where this machine is fast at it.",
)
_FLIP = flags.DEFINE_boolean("flip", True, "Mirror half of the pairs.")
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, order and flips.", lower_bound=0)
_LOG_EVERY = flags.DEFINE_integer("log_every", 50, "Steps.", lower_bound=1)
_SAMPLE_EVERY = flags.DEFINE_integer("sample_every", 500, "Steps.", lower_bound=1)
_CHECKPOINT_EVERY = flags.DEFINE_integer(
    "checkpoint_every", 500, "Steps.", lower_bound=1
)
_DRY_RUN = flags.DEFINE_boolean("dry_run", False, "Show the options and stop.")


def main() -> None:
    """Checks the flags, shows the options and trains."""
    dataset = command.required("dataset", _DATASET.value)
    stage = int(command.required("stage", _STAGE.value))
    data_dir = Path(_DATA_DIR.value or f"data/{dataset}")
    folder = RunFolder(_RUN_DIR.value or f"runs/{dataset}")
    config = _run_config(dataset, folder)
    training = _train_config(config, stage)
    _show(config, training, data_dir, folder)
    if _DRY_RUN.value:
        return
    reached = train_stage(
        folder,
        config,
        training,
        data_dir=data_dir,
        schedule=Schedule(
            log_every=_LOG_EVERY.value,
            sample_every=_SAMPLE_EVERY.value,
            checkpoint_every=_CHECKPOINT_EVERY.value,
        ),
        strategy=tf.distribute.MirroredStrategy(),
    )
    place = folder.stage(stage).path
    if reached < training.steps:
        print(f"{place}: stopped at step {reached:,}; the same command goes on")
    else:
        print(f"{place}: done, {reached:,} steps")


def _run_config(dataset: str, folder: RunFolder) -> RunConfig:
    there = folder.config() if folder.is_trained() else None
    profile = _PROFILE.value or (there.profile if there else "paper")
    model = presets.preset(dataset, profile=profile).model
    if there and there.dataset == dataset:
        model = dataclasses.replace(
            there.model, discriminator_input=model.discriminator_input
        )
    if _WIDTH.value not in (None, model.width):
        # In proportion: D at full width overpowers a narrow G2.
        share = model.discriminator_width / model.width
        model = _replace(
            model,
            width=_WIDTH.value,
            discriminator_width=max(1, round(_WIDTH.value * share)),
        )
    if _DISCRIMINATOR_WIDTH.value is not None:
        model = _replace(model, discriminator_width=_DISCRIMINATOR_WIDTH.value)
    return RunConfig(dataset, profile, model)


def _train_config(config: RunConfig, stage: int) -> TrainConfig:
    preset = presets.preset(config.dataset, profile=config.profile)
    given = {
        "steps": _STEPS.value,
        "batch_size": _BATCH_SIZE.value,
        "learning_rate": _LEARNING_RATE.value,
        "schedule": _SCHEDULE.value,
        "l1_weight": _L1_WEIGHT.value,
        "precision": resolve_precision(_PRECISION.value),
        "flip": _FLIP.value,
        "seed": _SEED.value,
    }
    base = preset.stage1 if stage == 1 else preset.stage2
    return _replace(base, **{key: v for key, v in given.items() if v is not None})


def _replace(config: Any, **changes: Any) -> Any:
    try:
        return dataclasses.replace(config, **changes)
    except ValueError as error:
        raise InputError(f"--{error}") from error


def _show(
    config: RunConfig, training: TrainConfig, data_dir: Path, folder: RunFolder
) -> None:
    preset = presets.preset(config.dataset, profile=config.profile)
    base = preset.stage1 if training.stage == 1 else preset.stage2
    print(f"data {data_dir}, run {folder.path}, profile {config.profile}")
    for now, default in ((config.model, preset.model), (training, base)):
        for field in dataclasses.fields(now):
            value, usual = getattr(now, field.name), getattr(default, field.name)
            changed = "" if value == usual else f"  [preset: {usual}]"
            print(f"  {field.name:>22}: {value}{changed}")


if __name__ == "__main__":
    command.run(main)
