"""Generators against D, alternately (paper section 3.2)."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from pg2_tf.model import losses
from pg2_tf.model.config import AdversaryConfig
from pg2_tf.training.parts import in_parts
from pg2_tf.training.trainer import Trainer, replicas


class AdversarialTrainer(Trainer):
    """Trains generators against D.

    Batches are as in `Stage1Trainer`. The generators' step comes first, as in the
    released code. D's step then judges the very images that the generators were scored
    on, so that one forward pass serves both; with `adversary.own_batch` it takes a
    batch of its own and the images of the updated generators.

    With `accumulate` batch statistics in D go over one part of the batch at a time, so
    that a step is not quite that of the whole batch; with spectral normalisation the
    power iteration takes a step with each part. In both cases any number of replicas
    does the same.

    Args:
        generators: those that are trained, by their names.
        discriminator: D.
        adversary: who is scored, and how.
        l1_weight: lambda of equation 4.
        adversarial_loss: of `losses.ADVERSARIAL`.
        reconstructed: the images that equation 4 holds against the target, by the name
            of the loss.
        options: of `Trainer`.
    """

    def __init__(
        self,
        generators: dict[str, keras.Model],
        discriminator: keras.Model,
        *,
        adversary: AdversaryConfig,
        l1_weight: float,
        adversarial_loss: str,
        reconstructed: dict[str, str],
        **options: Any,
    ):
        super().__init__(**options)
        self.generators = generators
        self.discriminator = discriminator
        self.adversary = adversary
        self.l1_weight = l1_weight
        self.reconstructed = reconstructed
        self._judge_loss, self._generator_loss = losses.ADVERSARIAL[adversarial_loss]

    def compile(
        self,
        *,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        generator1_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizers.

        Args:
            generator_optimizer: of the last generator.
            discriminator_optimizer: of D.
            generator1_optimizer: of a G1 that is trained beside G2.
            kwargs: of `keras.Model.compile`.
        """
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer = discriminator_optimizer
        self.generator1_optimizer = generator1_optimizer

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The losses that `train_step` returns."""
        return ("generator", *self.reconstructed, "adversarial", "discriminator")

    @property
    def own_batch(self) -> bool:
        """Whether a step takes a batch for the generators and one for D."""
        return self.adversary.own_batch

    def images_of(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns a batch's images and what the generators make of it, by name."""
        raise NotImplementedError

    def losses_of(
        self, batch: dict[str, Any], *, training: bool = False
    ) -> dict[str, Any]:
        """Computes all losses of a batch: scalars, by name.

        `generator`: equation 4; `masked_l1` and `adversarial`: its two parts;
        `discriminator`: equation 2.

        Args:
            batch: as in `Stage1Trainer`.
            training: whether D's state (of spectral normalisation) moves on.
        """
        images = self.images_of(batch)
        logits = self._scores(images, training=training)
        errors = {
            name: losses.masked_l1(images[image], batch["target"], batch["mask"])
            for name, image in self.reconstructed.items()
        }
        adversarial = losses.adversarial(
            logits, self.adversary.generator_terms, self._generator_loss
        )
        return {
            "generator": adversarial + self.l1_weight * sum(errors.values()),
            **errors,
            "adversarial": adversarial,
            "discriminator": self._judged(logits),
        }

    def train_step(self, batches: Any) -> dict[str, Any]:
        """Takes a step of the generators and a step of D; returns the losses before.

        Args:
            batches: one batch, or with `own_batch` a batch for the generators and one
                for D.
        """
        if self.own_batch:
            for_generators, for_discriminator = batches
            values = self.train_generator(for_generators)
            return {**values, **self.train_discriminator(for_discriminator)}
        values, gradients, judges = in_parts(self._joint, batches, self.accumulate)
        self._step_generators(gradients)
        self.apply(self.discriminator, self.discriminator_optimizer, judges)
        return values

    def train_generator(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes a step of the generators alone; returns their losses before it."""

        def gradients_of(part: dict[str, Any]) -> Any:
            with tf.GradientTape() as tape:
                values = self.losses_of(part)
                share = values["generator"] / replicas()
            values.pop("discriminator")
            return values, tape.gradient(share, self._variables())

        values, gradients = in_parts(gradients_of, batch, self.accumulate)
        self._step_generators(gradients)
        return values

    def train_discriminator(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes a step of D alone; returns its loss before it."""

        def gradients_of(part: dict[str, Any]) -> Any:
            images = self.images_of(part)
            with tf.GradientTape() as tape:
                loss = self._judged(self._scores(images, training=True))
                share = loss / replicas()
            variables = self.discriminator.trainable_variables
            return {"discriminator": loss}, tape.gradient(share, variables)

        values, gradients = in_parts(gradients_of, batch, self.accumulate)
        self.apply(self.discriminator, self.discriminator_optimizer, gradients)
        return values

    def _joint(self, batch: dict[str, Any]) -> Any:
        """Returns the losses, and the generators' and D's gradients, of one pass."""
        with tf.GradientTape(persistent=True) as tape:
            values = self.losses_of(batch, training=True)
            share = values["generator"] / replicas()
            judge_share = values["discriminator"] / replicas()
        return (
            values,
            tape.gradient(share, self._variables()),
            tape.gradient(judge_share, self.discriminator.trainable_variables),
        )

    def _variables(self) -> dict[str, list[Any]]:
        return {name: net.trainable_variables for name, net in self.generators.items()}

    def _step_generators(self, gradients: dict[str, list[Any]]) -> None:
        *_, last = self.generators
        for name, network in self.generators.items():
            optimizer = self.optimizer if name == last else self.generator1_optimizer
            self.apply(network, optimizer, gradients[name])

    def _judged(self, logits: dict[str, Any]) -> Any:
        terms = self.adversary.discriminator_terms
        return losses.adversarial(logits, terms, self._judge_loss)

    def _scores(self, images: dict[str, Any], *, training: bool) -> dict[str, Any]:
        scored = ops.concatenate([images[name] for name in self.adversary.scored])
        if self.discriminator.input_shape[-1] == 6:
            sources = [images["source"]] * len(self.adversary.scored)
            scored = ops.concatenate([scored, ops.concatenate(sources)], axis=-1)
        logits = self.discriminator(scored, training=training)
        parts = ops.split(logits, len(self.adversary.scored))
        return dict(zip(self.adversary.scored, parts, strict=True))


class OneStageTrainer(AdversarialTrainer):
    """Trains G1 against D from the start: the paper's G1+D (section 4.2).

    Equations 2 to 4 with the coarse image where they have the refined one.

    Args:
        generator1, discriminator: G1, D.
        adversary, l1_weight, adversarial_loss: of `AdversarialTrainer`.
        options: of `Trainer`.
    """

    def __init__(
        self,
        generator1: keras.Model,
        discriminator: keras.Model,
        *,
        adversary: AdversaryConfig,
        l1_weight: float,
        adversarial_loss: str = "cross_entropy",
        **options: Any,
    ):
        super().__init__(
            {"generator1": generator1},
            discriminator,
            adversary=adversary,
            l1_weight=l1_weight,
            adversarial_loss=adversarial_loss,
            reconstructed={"masked_l1": "coarse"},
            **options,
        )
        self.generator1 = generator1
        self._run1 = self.trained(generator1)

    def images_of(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns `source`, `target` and `coarse`."""
        coarse = self._run1({name: batch[name] for name in self.generator1.input})
        return {"source": batch["source"], "target": batch["target"], "coarse": coarse}
