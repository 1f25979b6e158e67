"""How long a plan takes on this machine, and how much disk, before it is begun."""

from collections.abc import Sequence
from dataclasses import dataclass

from pg2_tf.machine import arithmetic, ceiling
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.networks import build_networks
from pg2_tf.paper.table1.plan import Step
from pg2_tf.training.checkpoints import KEEP

# Of the rate of a large matrix product, what training steps were measured to reach at
# full width (`benchmark --what=train`); narrow networks reach less.
_SHARE = {128: 0.85, 64: 0.7, 32: 0.5}
_NARROW = 0.3
_SECONDS_A_PAIR = 0.02
_PRODUCT_SECONDS = 1.0
# The scores and names of a pair, in pairs.csv.
_BYTES_A_PAIR = 300


@dataclass(frozen=True)
class Cost:
    """What a step takes: `seconds`, and `disk` in bytes."""

    seconds: float
    disk: int


def costs(steps: Sequence[Step], *, num_pairs: int) -> list[Cost]:
    """Estimates what is left of each step.

    A training takes its arithmetic at this machine's rate of a large matrix product,
    which is measured now, times the share that steps of such a width reach of it.

    Args:
        steps: of a plan.
        num_pairs: that are scored of each model.
    """
    rates: dict[str, float] = {}
    found = []
    for step in steps:
        if step.is_done():
            found.append(Cost(0, 0))
        elif step.training:
            found.append(_training(*step.training, rates, step.share_left()))
        elif step.copies:
            found.append(Cost(0, 0))
        else:
            found.append(Cost(_SECONDS_A_PAIR * num_pairs, _BYTES_A_PAIR * num_pairs))
    return found


def _training(
    config: RunConfig, training: TrainConfig, rates: dict[str, float], left: float
) -> Cost:
    adversarial = training.stage in config.recipe.adversarial
    networks = build_networks(
        config.model,
        stage=training.stage,
        adversarial=adversarial,
        precision=training.precision,
    )
    counted = arithmetic.operations(networks, training, batch_size=training.batch_size)
    dtype = training.precision
    if dtype not in rates:
        rates[dtype] = ceiling.product_rate(dtype, seconds=_PRODUCT_SECONDS)
    share = _SHARE.get(config.model.width, _NARROW)
    seconds = arithmetic.total_flops(counted) / (rates[dtype] * share)
    kept = arithmetic.predicted_bytes(
        networks, training, batch_size=training.batch_size
    )
    checkpoint = kept["weights"] + kept["Adam's moments"]
    # The last few checkpoints, the next one while it is written, and the best weights.
    disk = (KEEP + 1) * checkpoint + kept["weights"]
    return Cost(left * training.steps * seconds, disk)
