"""Stage II: G2 refines, D judges, alternately (paper section 3.2)."""

from typing import Any

import keras
from keras import ops

from pg2_tf.model.config import AdversaryConfig
from pg2_tf.training.adversarial import AdversarialTrainer


class Stage2Trainer(AdversarialTrainer):
    """Trains G2 against D; G1 stays as stage I left it.

    With `finetune_generator1` G1 is trained on: equation 4 reaches it through the
    coarse image, and for that to stay an image equation 1 is added to equation 4, with
    the same weight, as `coarse_masked_l1`.

    Args:
        generator1, generator2, discriminator: G1, G2, D.
        adversary, l1_weight, adversarial_loss: of `AdversarialTrainer`.
        finetune_generator1: whether G1 is trained too.
        options: of `Trainer`.
    """

    def __init__(
        self,
        generator1: keras.Model,
        generator2: keras.Model,
        discriminator: keras.Model,
        *,
        adversary: AdversaryConfig,
        l1_weight: float,
        adversarial_loss: str = "cross_entropy",
        finetune_generator1: bool = False,
        **options: Any,
    ):
        generators, reconstructed = {"generator2": generator2}, {"masked_l1": "refined"}
        if finetune_generator1:
            generators = {"generator1": generator1, **generators}
            reconstructed["coarse_masked_l1"] = "coarse"
        super().__init__(
            generators,
            discriminator,
            adversary=adversary,
            l1_weight=l1_weight,
            adversarial_loss=adversarial_loss,
            reconstructed=reconstructed,
            **options,
        )
        self.generator1 = generator1
        self.generator2 = generator2
        self.finetune_generator1 = finetune_generator1
        self._run1 = self.trained(generator1) if finetune_generator1 else generator1
        self._run2 = self.trained(generator2)

    def images_of(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns `source`, `target`, `coarse` and `refined`."""
        source = batch["source"]
        coarse = self._run1({name: batch[name] for name in self.generator1.input})
        if not self.finetune_generator1:
            coarse = ops.stop_gradient(coarse)
        difference = self._run2({"coarse": coarse, "source": source})
        return {
            "source": source,
            "target": batch["target"],
            "coarse": coarse,
            "refined": coarse + difference,
        }
