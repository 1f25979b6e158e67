"""The weights of networks in checkpoints."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from pg2_tf.model.networks import Networks
from pg2_tf.runs import checkpoint_files
from pg2_tf.runs.run_folder import StageFolder
from preprocessing.system.errors import InputError


def weights_of(networks: Networks, *, averaged: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the weights of networks by their names in checkpoints.

    Args:
        networks: Networks with the weights.
        averaged: Names of the networks whose moving averages to use.
    """
    return {
        average_name(name) if name in averaged else name: {
            weight.path: weight.value for weight in network.weights
        }
        for name, network in networks._asdict().items()
        if network is not None
    }


def average_name(network: str) -> str:
    """Returns the name in checkpoints of the moving average of a network's weights."""
    return f"{network}_average"


def load_weights(
    networks: Networks, stage: StageFolder, *, weights: str = "auto"
) -> str:
    """Loads weights of a stage; returns the checkpoint's path.

    Args:
        networks: Networks to load the weights into.
        stage: Stage of the weights.
        weights: One of `weights_flag.WEIGHTS`. `last`: those of the newest checkpoint;
            `ema`: their moving averages; `auto`: `ema` if the stage was trained with
            it, else `last`; `best`: those of the best validation, averages if there
            are any.

    Raises:
        InputError: The stage has no readable checkpoint of these networks, or none of
            these weights.
    """
    averaged = stage.averaged() if weights in ("auto", "ema") else ()
    if weights == "ema" and not averaged:
        raise InputError(
            f"{stage.path}: was trained without --ema; there are no others"
        )
    checkpoint = tf.train.Checkpoint(**weights_of(networks, averaged=averaged))
    if weights != "best":
        return stage.restore(checkpoint, partial=True)
    scores = stage.best()
    if scores:
        path = checkpoint_files.path_of(stage.best_dir, scores["step"])
        if checkpoint_files.read(checkpoint, path, partial=True):
            return path
    raise InputError(
        f"{stage.best_dir}: has no readable checkpoint; only stages without D, "
        "trained with --validation_fraction, have best weights"
    )
