"""The loss functions: scalars, means over batch, pixels and channels.

Images are float32 [B, H, W, 3], masks float32 [B, H, W, 1] of 0 and 1, logits float32
[B]. The paper writes sums; means (released trainer.py:259-264) make the learning rate
independent of image and batch size.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from keras import ops

from pg2_tf.config import Term


def l1(image: Any, target: Any) -> Any:
    """Mean absolute difference."""
    return ops.mean(ops.abs(image - target))


def masked_l1(image: Any, target: Any, mask: Any) -> Any:
    """The pose mask loss: |(image - target) * (1 + mask)| (equation 1)."""
    error = ops.abs(image - target)
    return ops.mean(error) + ops.mean(error * mask)


def cross_entropy(logits: Any, label: float) -> Any:
    """Binary cross entropy of logits against one label, 0 or 1."""
    # softplus(-x) = -log sigmoid(x), softplus(x) = -log(1 - sigmoid(x))
    real, fake = ops.softplus(-logits), ops.softplus(logits)
    return ops.mean(label * real + (1.0 - label) * fake)


def adversarial(logits: Mapping[str, Any], terms: Sequence[Term]) -> Any:
    """Weighted sum of cross entropies (equations 2 and 3).

    Args:
        logits: what D says of each image, by the image's name.
        terms: which of them count, with their labels and weights.
    """
    return sum(
        term.weight * cross_entropy(logits[term.image], term.label) for term in terms
    )
