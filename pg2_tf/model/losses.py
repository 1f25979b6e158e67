"""The loss functions: scalars, means over batch, pixels and channels.

Images are float32 [B, H, W, 3], masks float32 [B, H, W, 1] of 0 and 1, logits float32
[B]. The paper writes sums; means (released trainer.py:259-264) make the learning rate
independent of image and batch size.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras import ops

from pg2_tf.model.config import Term


def l1(image: Any, target: Any) -> Any:
    """Mean absolute difference."""
    return ops.mean(ops.abs(image - target))


def masked_l1(image: Any, target: Any, mask: Any) -> Any:
    """The pose mask loss: |(image - target) * (1 + mask)| (equation 1)."""
    error = ops.abs(image - target)
    return ops.mean(error) + ops.mean(error * mask)


def reconstruction(name: str, image: Any, target: Any, mask: Any) -> Any:
    """The loss of `Variant.reconstruction`: `l1` or `masked_l1`."""
    return masked_l1(image, target, mask) if name == "masked_l1" else l1(image, target)


def cross_entropy(logits: Any, label: float) -> Any:
    """Binary cross entropy of logits against one label, 0 or 1."""
    # softplus(-x) = -log sigmoid(x), softplus(x) = -log(1 - sigmoid(x))
    real, fake = ops.softplus(-logits), ops.softplus(logits)
    return ops.mean(label * real + (1.0 - label) * fake)


def hinge(logits: Any, label: float) -> Any:
    """D's hinge loss: 0 where logits are beyond +1 or -1 (Lim and Ye 2017)."""
    real, fake = ops.relu(1.0 - logits), ops.relu(1.0 + logits)
    return ops.mean(label * real + (1.0 - label) * fake)


def against_hinge(logits: Any, label: float) -> Any:
    """The generator's loss against a D with the hinge loss: linear in the logits."""
    return ops.mean((1.0 - 2.0 * label) * logits)


def least_squares(logits: Any, label: float) -> Any:
    """Half the squared distance of logits from the label (Mao et al. 2017)."""
    return ops.mean(ops.square(logits - label)) / 2.0


# By the name of `TrainConfig`: of D, and of the generator against it.
ADVERSARIAL = {
    "cross_entropy": (cross_entropy, cross_entropy),
    "hinge": (hinge, against_hinge),
    "least_squares": (least_squares, least_squares),
}


def adversarial(
    logits: Mapping[str, Any],
    terms: Sequence[Term],
    loss: Callable[[Any, float], Any] = cross_entropy,
) -> Any:
    """Weighted sum of losses of logits (equations 2 and 3).

    Args:
        logits: what D says of each image, by the image's name.
        terms: which of them count, with their labels and weights.
        loss: of logits against one label.
    """
    return sum(term.weight * loss(logits[term.image], term.label) for term in terms)
