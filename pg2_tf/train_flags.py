"""The flags of training settings, one for each field of `TrainConfig`."""

from typing import Any

from absl import flags

from pg2_tf.model.config import ADVERSARIAL_LOSSES, HEATMAPS, SCHEDULES

_INTEGERS = {
    "steps": "Total number of training steps.",
    "batch_size": "Number of pairs in a step, over all devices.",
    "halve_every": "For --schedule=step: interval in steps.",
    "warm_up": "Number of steps in which the learning rate grows to its full value.",
    "accumulate": "Number of parts that a device divides its share of a batch into, to "
    "need less memory.",
    "shard_groups": "Number of groups that the shards are read in; a batch takes equal "
    "parts of each. Default: the number of workers, which must divide it.",
}
_SEED = "Seed of weights, order and flips."
_FLOATS = {
    "learning_rate": "Learning rate of Adam.",
    "clip_norm": "Largest norm of the gradient of a network; 0 for any.",
    "ema": "Momentum of the moving average of the generators' weights, such as 0.999. "
    "Generation and export then use the average. 0 for none.",
    "l1_weight": "Lambda of equation 4.",
    "feature_matching": "Weight of the difference between D's hidden activations for "
    "target and generated images; 0 for none.",
    "validation_fraction": "Fraction of the training identities to hold out for "
    "validation, such as 0.02; 0 trains on all of them, as the paper does, without "
    "validation.",
}
_BOOLEANS = {
    "finetune_generator1": "Train G1 in stage 2, too.",
    "remat": "Compute activations again in the backward pass, to need less memory.",
    "flip": "Mirror half of the pairs.",
}
_ENUMS = {
    "schedule": (
        SCHEDULES,
        "Schedule of the learning rate. cosine, linear: to 0 at the last step; step: "
        "halved every --halve_every steps.",
    ),
    "adversarial_loss": (ADVERSARIAL_LOSSES, "Loss of D and of the generator."),
    "heatmaps": (
        HEATMAPS,
        "drawn: draw heatmaps from the keypoints, on the device; stored: use the "
        "heatmaps in the records.",
    ),
}


def define_training() -> dict[str, Any]:
    """Defines the flags of the training settings, for every stage that is trained.

    Returns:
        The flags by name, which is the name of the field of `TrainConfig`. A value of
        None leaves the preset's value. `precision` is not included.
    """
    defined = [
        *(flags.DEFINE_integer(name, None, _help(t)) for name, t in _INTEGERS.items()),
        flags.DEFINE_integer("seed", None, _help(_SEED), lower_bound=0),
        *(flags.DEFINE_float(name, None, _help(t)) for name, t in _FLOATS.items()),
        *(flags.DEFINE_boolean(name, None, _help(t)) for name, t in _BOOLEANS.items()),
        *(
            flags.DEFINE_enum(name, None, values, _help(text))
            for name, (values, text) in _ENUMS.items()
        ),
    ]
    return {flag.name: flag for flag in defined}


def _help(text: str) -> str:
    return text if "Default:" in text else f"{text} Default: the preset's."
