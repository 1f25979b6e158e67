"""Stage II: G2 refines, D judges, alternately (paper section 3.2)."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from pg2_tf import losses
from pg2_tf.config import AdversaryConfig
from pg2_tf.training.stage1 import replicas


class Stage2Trainer(keras.Model):
    """Trains G2 against D; G1 stays as stage I left it.

    Batches are as in `Stage1Trainer`. G2's step comes first, as in the released code.
    D's step then judges the very images that G2 was scored on, so that one forward
    pass serves both; with `adversary.own_batch` it takes a batch of its own and the
    images of the updated G2.

    Args:
        generator1, generator2, discriminator: G1, G2, D.
        adversary: the adversarial losses.
        l1_weight: lambda of equation 4.
    """

    loss_names = ("generator", "masked_l1", "adversarial", "discriminator")

    def __init__(
        self,
        generator1: keras.Model,
        generator2: keras.Model,
        discriminator: keras.Model,
        *,
        adversary: AdversaryConfig,
        l1_weight: float,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.generator1 = generator1
        self.generator2 = generator2
        self.discriminator = discriminator
        self.adversary = adversary
        self.l1_weight = l1_weight

    def compile(
        self,
        *,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizers of G2 and D."""
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer = discriminator_optimizer

    @property
    def own_batch(self) -> bool:
        """Whether a step takes a batch for G2 and one for D."""
        return self.adversary.own_batch

    @property
    def metrics(self) -> list:
        """None: `train_step` returns its losses as they are."""
        return []

    def losses_of(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Computes all losses of a batch: scalars, by name.

        `generator`: equation 4; `masked_l1` and `adversarial`: its two parts;
        `discriminator`: equation 2.
        """
        images = self._images(batch)
        logits = self._scores(images)
        masked_l1 = losses.masked_l1(images["refined"], batch["target"], batch["mask"])
        adversarial = losses.adversarial(logits, self.adversary.generator_terms)
        return {
            "generator": adversarial + self.l1_weight * masked_l1,
            "masked_l1": masked_l1,
            "adversarial": adversarial,
            "discriminator": losses.adversarial(
                logits, self.adversary.discriminator_terms
            ),
        }

    def train_step(self, batches: Any) -> dict[str, Any]:
        """Takes a step of G2 and a step of D; returns the losses before each.

        Args:
            batches: one batch, or with `adversary.own_batch` a batch for G2 and one
                for D.
        """
        if not self.adversary.own_batch:
            with tf.GradientTape(persistent=True) as tape:
                values = self.losses_of(batches)
                generator_share = values["generator"] / replicas()
                discriminator_share = values["discriminator"] / replicas()
            self._step_generator(tape, generator_share)
            self._step_discriminator(tape, discriminator_share)
            return values
        for_generator, for_discriminator = batches
        values = self.train_generator(for_generator)
        return {**values, **self.train_discriminator(for_discriminator)}

    def train_generator(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes a step of G2 alone; returns its losses before it."""
        with tf.GradientTape() as tape:
            values = self.losses_of(batch)
            share = values["generator"] / replicas()
        self._step_generator(tape, share)
        return {key: values[key] for key in ("generator", "masked_l1", "adversarial")}

    def train_discriminator(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes a step of D alone; returns its loss before it."""
        images = self._images(batch)
        with tf.GradientTape() as tape:
            logits = self._scores(images)
            loss = losses.adversarial(logits, self.adversary.discriminator_terms)
            share = loss / replicas()
        self._step_discriminator(tape, share)
        return {"discriminator": loss}

    def _images(self, batch: dict[str, Any]) -> dict[str, Any]:
        source = batch["source"]
        coarse = self.generator1({"source": source, "heatmaps": batch["heatmaps"]})
        coarse = ops.stop_gradient(coarse)
        difference = self.generator2({"coarse": coarse, "source": source})
        return {
            "source": source,
            "target": batch["target"],
            "coarse": coarse,
            "refined": coarse + difference,
        }

    def _scores(self, images: dict[str, Any]) -> dict[str, Any]:
        scored = ops.concatenate([images[name] for name in self.adversary.scored])
        if self.discriminator.input_shape[-1] == 6:
            sources = [images["source"]] * len(self.adversary.scored)
            scored = ops.concatenate([scored, ops.concatenate(sources)], axis=-1)
        logits = ops.split(self.discriminator(scored), len(self.adversary.scored))
        return dict(zip(self.adversary.scored, logits, strict=True))

    def _step_generator(self, tape: tf.GradientTape, loss: Any) -> None:
        variables = self.generator2.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)

    def _step_discriminator(self, tape: tf.GradientTape, loss: Any) -> None:
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(loss, variables), variables)
