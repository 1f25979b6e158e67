"""Trains PG2, or another model of the paper's Table 1.

python -m pg2_tf.train --dataset=market1501
python -m pg2_tf.train --dataset=market1501 --variant=G1-CE-L1

The same command again goes on where the training stopped.
"""

from __future__ import annotations

import dataclasses
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from pg2_tf import train_flags
from pg2_tf.model import presets
from pg2_tf.model.config import (
    DEFAULT_VARIANT,
    DISCRIMINATOR_INPUTS,
    DISCRIMINATOR_NORMS,
    PRECISIONS,
    PROFILES,
    VARIANTS,
    RunConfig,
    TrainConfig,
)
from preprocessing.system import command, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    import tensorflow as tf

    from pg2_tf.machine import precision
    from pg2_tf.runs.run_folder import RunFolder
    from pg2_tf.training.callbacks import Cadence
    from pg2_tf.training.loop import train_stage
    from pg2_tf.training.workers import (
        ALONE,
        WorkerLostError,
        Workers,
        choose_devices,
        from_environment,
        make_deterministic,
        make_strategy,
    )

_DATASET = flags.DEFINE_enum("dataset", None, presets.DATASETS, "Preset.")
_VARIANT = flags.DEFINE_enum(
    "variant",
    None,
    VARIANTS,
    f"Row of the paper's Table 1. Default: the run folder's, else {DEFAULT_VARIANT}.",
)
_STAGE = flags.DEFINE_enum(
    "stage",
    None,
    ["1", "2"],
    "1: G1. 2: G2 and D. Default: all stages of the variant.",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data set. Default: data/DATASET."
)
_RUN_DIR = flags.DEFINE_string(
    "run_dir",
    None,
    "Folder of the run. Default: runs/DATASET, with --variant runs/DATASET-VARIANT.",
)
_PROFILE = flags.DEFINE_enum(
    "profile",
    None,
    list(PROFILES),
    "paper: follow the paper; authors: follow the released code. Default: the run "
    "folder's, otherwise paper.",
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
_DISCRIMINATOR_INPUT = flags.DEFINE_enum(
    "discriminator_input",
    None,
    DISCRIMINATOR_INPUTS,
    "Inputs of D. pair_and_pose: image, source and heatmaps of the target. Default: "
    "the run folder's, otherwise the profile's.",
)
_DISCRIMINATOR_NORM = flags.DEFINE_enum(
    "discriminator_norm",
    None,
    DISCRIMINATOR_NORMS,
    "Normalisation in D. Default: the run folder's, otherwise batch.",
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    None,
    [*PRECISIONS, "auto"],
    "Precision of the layers. auto: measure both for about two seconds and use the "
    "faster one; a resumed training keeps its precision. Default: the preset's.",
)
_TRAINING = train_flags.define_training()
# The flags of the fields of `Cadence`.
_CADENCE = {
    flag.name: flag
    for flag in (
        flags.DEFINE_integer(
            "log_every", 50, "Steps between lines of metrics.", lower_bound=1
        ),
        flags.DEFINE_integer(
            "sample_every", 500, "Steps between sample sheets.", lower_bound=1
        ),
        flags.DEFINE_integer(
            "validate_every",
            1000,
            "Steps between validations, with --validation_fraction; 0 for never.",
            lower_bound=0,
        ),
        flags.DEFINE_integer(
            "checkpoint_every", 500, "Steps between checkpoints.", lower_bound=1
        ),
    )
}
_KEEP = flags.DEFINE_integer("keep", 3, "Number of checkpoints to keep.", lower_bound=1)
_NUM_VALIDATION_PAIRS = flags.DEFINE_integer(
    "num_validation_pairs",
    64,
    "Pairs of held-out training identities that validation scores.",
    lower_bound=1,
)
_DATA_IN_MEMORY = flags.DEFINE_enum(
    "data_in_memory",
    "auto",
    ["auto", "yes", "no"],
    "yes: keep the data set in memory. no: read records from disk as they are needed. "
    "auto: keep it if it takes at most half of the available memory. The training is "
    "the same, bit for bit.",
)
_DETERMINISTIC = flags.DEFINE_boolean(
    "deterministic",
    None,
    "Get the same weights bit for bit in every run on the same machine. Default: yes "
    "on CPUs, where it costs no time, and no on GPUs.",
)
_STRATEGY = flags.DEFINE_enum(
    "strategy",
    "mirrored",
    ["mirrored", "multi_worker"],
    "mirrored: one process with all its devices. multi_worker: the processes in "
    "TF_CONFIG, each with all its devices.",
)
_DEVICES = flags.DEFINE_list(
    "devices",
    [],
    "Devices of this machine: GPU:0,GPU:1, or 0,1 for short; CPU:0,CPU:1 uses the CPU "
    "as two devices. Default: all GPUs, or the CPU without a GPU.",
)
_DRY_RUN = flags.DEFINE_boolean("dry_run", False, "Show the options and stop.")
# The exit status of a training that was asked to stop, or has lost a worker: the status
# after SIGTERM. Job systems restart jobs with a status above 127.
_TO_BE_RESUMED = 143


def main() -> None:
    """Checks the flags, shows the options and trains."""
    dataset = command.required("dataset", _DATASET.value)
    data_dir = Path(_DATA_DIR.value or f"data/{dataset}")
    name = f"{dataset}-{_VARIANT.value}" if _VARIANT.value else dataset
    folder = RunFolder(_RUN_DIR.value or f"runs/{name}")
    config = _run_config(dataset, folder)
    workers = from_environment() if _STRATEGY.value == "multi_worker" else ALONE
    names = choose_devices(_DEVICES.value)
    trainings = [
        _train_config(folder, config, stage, workers) for stage in _stages(config)
    ]
    print(
        f"data {data_dir}, run {folder.path}, variant {config.variant}, profile "
        f"{config.profile}"
    )
    _show(config.model, _preset(config).model)
    for training in trainings:
        _show(training, _preset(config).stage(training.stage))
    if _DRY_RUN.value:
        return
    make_deterministic(_DETERMINISTIC.value)
    strategy = make_strategy(_STRATEGY.value, names, workers)
    for training in trainings:
        if not _train(folder, config, training, data_dir, strategy, workers):
            sys.exit(_TO_BE_RESUMED)
        gc.collect()  # The stage's variables, before the next one's.


def _stages(config: RunConfig) -> tuple[int, ...]:
    stages = config.recipe.stages
    if not _STAGE.value:
        return stages
    if int(_STAGE.value) not in stages:
        raise InputError(
            f"--stage={_STAGE.value}: the variant {config.variant} has stage 1 alone"
        )
    return (int(_STAGE.value),)


def _train(
    folder: RunFolder,
    config: RunConfig,
    training: TrainConfig,
    data_dir: Path,
    strategy: tf.distribute.Strategy,
    workers: Workers,
) -> bool:
    """Trains a stage; returns whether it came to its end."""
    try:
        reached = train_stage(
            folder,
            config,
            training,
            data_dir=data_dir,
            cadence=Cadence(**{key: flag.value for key, flag in _CADENCE.items()}),
            strategy=strategy,
            workers=workers,
            keep=_KEEP.value,
            num_validation_pairs=_NUM_VALIDATION_PAIRS.value,
            in_memory=_DATA_IN_MEMORY.value,
        )
    except WorkerLostError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    place = folder.stage(training.stage).path
    if reached < training.steps:
        print(f"{place}: stopped at step {reached:,}; run the same command to resume")
        return False
    print(f"{place}: done, {reached:,} steps")
    return True


def _preset(config: RunConfig) -> presets.Preset:
    return presets.preset(
        config.dataset, profile=config.profile, variant=config.variant
    )


def _run_config(dataset: str, folder: RunFolder) -> RunConfig:
    there = folder.config() if folder.is_trained() else None
    profile = _PROFILE.value or (there.profile if there else "paper")
    variant = _VARIANT.value or (there.variant if there else DEFAULT_VARIANT)
    model = presets.preset(dataset, profile=profile, variant=variant).model
    if there and there.dataset == dataset:
        same = there.profile == profile
        model = dataclasses.replace(
            there.model,
            discriminator_input=(there.model if same else model).discriminator_input,
            pose_embedding=model.pose_embedding,
        )
    if _WIDTH.value not in (None, model.width):
        try:
            model = model.with_width(_WIDTH.value)
        except ValueError as error:
            raise InputError(f"--{error}") from error
    if _DISCRIMINATOR_WIDTH.value is not None:
        model = _replace(model, discriminator_width=_DISCRIMINATOR_WIDTH.value)
    if _DISCRIMINATOR_INPUT.value is not None:
        model = _replace(model, discriminator_input=_DISCRIMINATOR_INPUT.value)
    if _DISCRIMINATOR_NORM.value is not None:
        model = _replace(model, discriminator_norm=_DISCRIMINATOR_NORM.value)
    return RunConfig(dataset, profile, model, variant)


def _train_config(
    folder: RunFolder, config: RunConfig, stage: int, workers: Workers
) -> TrainConfig:
    given = {key: flag.value for key, flag in _TRAINING.items()}
    given["shard_groups"] = (
        given["shard_groups"] if given["shard_groups"] is not None else workers.count
    )
    if _PRECISION.value != precision.AUTO:
        given["precision"] = _PRECISION.value
    chosen = {key: value for key, value in given.items() if value is not None}
    training = _replace(_preset(config).stage(stage), **chosen)
    if _PRECISION.value != precision.AUTO:
        return training
    return _replace(training, precision=_auto(folder, config, training, workers))


def _auto(
    folder: RunFolder, config: RunConfig, training: TrainConfig, workers: Workers
) -> str:
    """Returns the precision that the stage was trained with, or the faster one."""
    if workers.count > 1:
        raise InputError(
            "--precision=auto: workers may measure differently; use "
            f"--precision={' or '.join(PRECISIONS)} with --strategy=multi_worker"
        )
    options = folder.stage(training.stage).options()
    if options:
        return options["training"].get("precision", PRECISIONS[0])
    adversarial = training.stage in config.recipe.adversarial
    return precision.training_precision(config.model, training, adversarial=adversarial)


def _replace(config: Any, **changes: Any) -> Any:
    try:
        return dataclasses.replace(config, **changes)
    except ValueError as error:
        raise InputError(f"--{error}") from error


def _show(now: Any, preset: Any) -> None:
    for field in dataclasses.fields(now):
        value, usual = getattr(now, field.name), getattr(preset, field.name)
        changed = "" if value == usual else f"  [preset: {usual}]"
        print(f"  {field.name:>22}: {value}{changed}")


if __name__ == "__main__":
    command.run(main)
