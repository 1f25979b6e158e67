"""The flags of a training's options, one for each in `TrainConfig`."""

from typing import Any

from absl import flags

from pg2_tf.model.config import ADVERSARIAL_LOSSES, HEATMAPS, SCHEDULES


def define_training() -> dict[str, Any]:
    """Defines the flags of training options; they hold for every stage trained.

    Returns:
        The flags by their names, which are those of `TrainConfig`; a value of None
        leaves the preset's. `precision` is not among them.
    """
    defined = (
        flags.DEFINE_integer("steps", None, "Steps in all. Default: preset's."),
        flags.DEFINE_integer(
            "batch_size",
            None,
            "Pairs in a step, over all devices. Default: preset's.",
        ),
        flags.DEFINE_float("learning_rate", None, "Of Adam. Default: preset's."),
        flags.DEFINE_enum(
            "schedule",
            None,
            SCHEDULES,
            "Of the learning rate; cosine, linear: down to 0 at the last step; step: "
            "halved every --halve_every steps. Default: preset's.",
        ),
        flags.DEFINE_integer("halve_every", None, "Steps, of --schedule=step."),
        flags.DEFINE_integer(
            "warm_up",
            None,
            "Steps in which the learning rate grows to its full size.",
        ),
        flags.DEFINE_float(
            "clip_norm", None, "Largest norm of a network's gradient. Default: any."
        ),
        flags.DEFINE_float(
            "ema",
            None,
            "Momentum of a moving average of the generators' weights, which generation "
            "and export then use, such as 0.999. Default: none.",
        ),
        flags.DEFINE_float(
            "l1_weight", None, "Lambda of equation 4. Default: preset's."
        ),
        flags.DEFINE_enum(
            "adversarial_loss", None, ADVERSARIAL_LOSSES, "Default: cross_entropy."
        ),
        flags.DEFINE_float(
            "feature_matching",
            None,
            "Weight of the difference between D's hidden activations of the target and "
            "of the generated image. Default: preset's.",
        ),
        flags.DEFINE_boolean(
            "finetune_generator1", None, "Train G1 on in stage 2. Default: no."
        ),
        flags.DEFINE_integer(
            "accumulate",
            None,
            "Parts that a device takes its share of a batch in, one after the other, "
            "to need less memory. Default: 1.",
        ),
        flags.DEFINE_boolean(
            "remat",
            None,
            "Compute activations again in the backward pass, to need less memory. "
            "Default: no.",
        ),
        flags.DEFINE_integer(
            "shard_groups",
            None,
            "In how many groups the shards are read, a batch in equal parts from each. "
            "Default: the number of workers, which must divide it.",
        ),
        flags.DEFINE_float(
            "validation_fraction",
            None,
            "Fraction of the training identities that is held out for validation, such "
            "as 0.02. Default: preset's; 0 trains on all of them, as the paper does, "
            "without validation.",
        ),
        flags.DEFINE_enum(
            "heatmaps",
            None,
            HEATMAPS,
            "drawn: draw the heatmaps from the keypoints, on the device. stored: use "
            "those of the records, for data sets with heatmaps of their own. Default: "
            "drawn.",
        ),
        flags.DEFINE_boolean(
            "flip", None, "Mirror half of the pairs. Default: preset's, which is yes."
        ),
        flags.DEFINE_integer(
            "seed",
            None,
            "Seed of weights, order and flips. Default: preset's, which is 0.",
            lower_bound=0,
        ),
    )
    return {flag.name: flag for flag in defined}
