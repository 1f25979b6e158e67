"""Weights files of a JAX training as run folders."""

import json
from pathlib import Path

import tensorflow as tf

from pg2_tf.jax_training.weights import load_weights
from pg2_tf.model.config import RunConfig
from pg2_tf.model.networks import Networks, build_networks
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import weights_of
from preprocessing.system.errors import InputError


def import_weights(path: Path, run_dir: str | Path) -> None:
    """Writes a weights file, and `options.json` beside it, as a run folder.

    The checkpoint has step 0: it holds weights to generate with or to start a training
    from, without the optimizers' state.

    Args:
        path: `weights.npz` of a stage, trained with `pg2_tf.train_jax`.
        run_dir: Run folder to write.

    Raises:
        InputError: A file is missing or damaged, or the folder is a run folder.
    """
    options = path.with_name("options.json")
    try:
        content = json.loads(options.read_text(encoding="utf-8"))
        config = RunConfig.from_json(content["config"])
        stage = int(content["training"]["stage"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{options}: not the options of a run ({error})") from error
    folder = RunFolder(run_dir)
    if folder.config():
        raise InputError(f"{folder.path}: is a run folder already")
    networks = build_networks(config.model, stage=stage)
    for network in filter(None, networks):
        load_weights(network, path)
    parts = {1: Networks(networks.generator1)} | ({2: networks} if stage == 2 else {})
    for number, part in parts.items():
        place = folder.stage(number).checkpoint_dir
        checkpoint = tf.train.Checkpoint(**weights_of(part))
        manager = tf.train.CheckpointManager(checkpoint, str(place), max_to_keep=1)
        manager.save(checkpoint_number=0)
    folder.claim(config)
    print(f"{folder.path}: {config.dataset}, stage {stage}, width {config.model.width}")
