"""The loss functions: scalars, means over batch, pixels and channels.

Images are float32 [B, H, W, 3] in [-1, 1], masks float32 [B, H, W, 1] of 0 and 1,
logits float32 [B]. The paper sums over pixels; means (released trainer.py:259-264) make
the learning rate independent of image and batch size.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops


def l1(image: Any, target: Any) -> Any:
    """Mean absolute difference."""
    return ops.mean(ops.abs(image - target))


def masked_l1(image: Any, target: Any, mask: Any) -> Any:
    """The pose mask loss: |(image - target) * (1 + mask)| (equation 1)."""
    error = ops.abs(image - target)
    return ops.mean(error) + ops.mean(error * mask)


def reconstruction(name: str, image: Any, target: Any, mask: Any) -> Any:
    """The loss named by `Variant.reconstruction`: `l1` or `masked_l1`."""
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


def generator_hinge(logits: Any, label: float) -> Any:
    """The generator's loss against a D with the hinge loss: linear in the logits."""
    return ops.mean((1.0 - 2.0 * label) * logits)


def least_squares(logits: Any, label: float) -> Any:
    """Half the squared distance of logits from the label (Mao et al. 2017)."""
    return ops.mean(ops.square(logits - label)) / 2.0


class AdversarialLoss(NamedTuple):
    """Loss functions of logits and a label, 0 or 1.

    Attributes:
        discriminator: D's loss.
        generator: Loss of the generator.
    """

    discriminator: Callable[[Any, float], Any]
    generator: Callable[[Any, float], Any]


# By the values of `TrainConfig.adversarial_loss`.
ADVERSARIAL = {
    "cross_entropy": AdversarialLoss(cross_entropy, cross_entropy),
    "hinge": AdversarialLoss(hinge, generator_hinge),
    "least_squares": AdversarialLoss(least_squares, least_squares),
}


def feature_matching(real: Sequence[Any], fake: Sequence[Any]) -> Any:
    """Mean absolute difference of D's hidden activations (Wang et al. 2018).

    Args:
        real: Activations of the target image, one tensor for each hidden layer; no
            gradient reaches them.
        fake: Activations of the generated image, likewise.
    """
    layers = [
        l1(ops.cast(f, "float32"), ops.cast(ops.stop_gradient(r), "float32"))
        for r, f in zip(real, fake, strict=True)
    ]
    return sum(layers) / len(layers)
