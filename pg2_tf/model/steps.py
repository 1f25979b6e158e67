"""The training steps: which losses, of which images, update which networks.

Stage I minimises equation 1 (`Stage1Step`). Stage II updates D and G2 in turn: as the
paper describes it (`PaperStep`), or as the released code does it (`AuthorsStep`). G1+D
(section 4.2) takes the same steps with G1's image in the place of G2's.

Everything else belongs to the `updates` that a step receives: parts of a batch,
replicas, gradients, clipping, optimizers, moving averages.

A batch is a mapping of `source` (I_A) and `target` (I_B), float32 [B, H, W, 3] in
[-1, 1]; the target pose (P_B) as `heatmaps`, float32 [B, H, W, 18] of -1 and +1, or
`keypoints`, float32 [B, 18, 3], whichever G1 takes; and the target's `mask` (M_B),
float32 [B, H, W, 1] of 0 and 1. Losses are scalars by name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from keras import ops

from pg2_tf.model import losses
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.discriminator import discriminator_inputs

Batch = Mapping[str, Any]
Images = Mapping[str, Any]
Losses = dict[str, Any]
# The networks as functions, by name: `generator1`, `generator2`, `discriminator`.
Functions = Mapping[str, Callable[..., Any]]


class Updates(Protocol):
    """Turns losses into updates of weights."""

    def passes(self, generate: Callable[[Batch], Images], batch: Batch) -> Any:
        """Returns the generators' passes over the parts of a batch."""

    def minimize(
        self,
        losses_of: Callable[[Batch, Images], Losses],
        passes: Any,
        networks: Sequence[str],
    ) -> Losses:
        """Takes one step of networks down the first loss; returns all losses."""


class Stage1Step:
    """Moves the coarse image towards the target.

    Args:
        networks: The networks as functions.
        config: The run's configuration.
        training: The stage's configuration.
    """

    takes_two_batches = False

    def __init__(self, networks: Functions, config: RunConfig, training: TrainConfig):
        self._networks = networks
        self._pose = config.model.pose_input
        self._trained = training.trained_generators
        self._reconstruction = config.recipe.reconstruction

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The names of the losses, in the order of the log."""
        return (self._reconstruction,)

    def update(self, batch: Batch, updates: Updates) -> Losses:
        """Updates G1; returns the loss before."""
        passes = updates.passes(self.generate, batch)
        return updates.minimize(self.generator_losses, passes, self._trained)

    def losses(self, batch: Batch) -> Losses:
        """Returns the loss without an update."""
        return self.generator_losses(batch, self.generate(batch))

    def generate(self, batch: Batch) -> Images:
        """Returns `coarse` = G1(I_A, P_B)."""
        inputs = {name: batch[name] for name in ("source", self._pose)}
        return {"coarse": self._networks["generator1"](inputs)}

    def generator_losses(self, batch: Batch, images: Images) -> Losses:
        """Returns equation 1, or the plain L1 of section 4.2."""
        name, coarse = self._reconstruction, images["coarse"]
        loss = losses.reconstruction(name, coarse, batch["target"], batch["mask"])
        return {name: loss}


class Judgement(NamedTuple):
    """Outputs of D by the names of the images.

    Attributes:
        logits: float32 [B] each; above 0 means real.
        features: D's hidden activations of each image; none without feature matching.
    """

    logits: dict[str, Any]
    features: dict[str, Sequence[Any]]


class AdversarialStep:
    """The common parts of the two steps with D: images, D's view and equation 4.

    Args:
        networks: The networks as functions. With feature matching `discriminator`
            returns its hidden activations before its logits, see
            `discriminator.with_activations`.
        config: The run's configuration.
        training: The stage's configuration.
    """

    takes_two_batches = False

    def __init__(self, networks: Functions, config: RunConfig, training: TrainConfig):
        self._networks = networks
        self._config = config
        self._pose = config.model.pose_input
        self._training = training
        self._trained = training.trained_generators
        self._finetunes = training.stage == 2 and training.finetune_generator1
        # The generated image that D judges.
        self._generated = "coarse" if training.stage == 1 else "refined"
        # Binary cross entropy in the paper.
        self._bce, self._generator_bce = losses.ADVERSARIAL[training.adversarial_loss]

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The names of the losses, in the order of the log."""
        names = ["generator", "masked_l1", "adversarial", "discriminator"]
        if self._finetunes:
            names.insert(2, "coarse_masked_l1")
        if self._training.feature_matching:
            names.insert(-1, "feature_matching")
        return tuple(names)

    def generate(self, batch: Batch) -> Images:
        """Returns `coarse` = G1(I_A, P_B), `refined` = coarse + G2(I_A, coarse)."""
        source = batch["source"]
        inputs = {name: batch[name] for name in ("source", self._pose)}
        coarse = self._networks["generator1"](inputs)
        if self._training.stage == 1:
            return {"coarse": coarse}
        if not self._finetunes:
            coarse = ops.stop_gradient(coarse)
        difference = self._networks["generator2"]({"coarse": coarse, "source": source})
        return {"coarse": coarse, "refined": coarse + difference}

    def generator_losses(self, batch: Batch, images: Images) -> Losses:
        """Returns equation 4 and its terms."""
        judgement = self.judge(batch, images)
        target, mask = batch["target"], batch["mask"]
        l1 = {"masked_l1": losses.masked_l1(images[self._generated], target, mask)}
        if self._finetunes:
            # Equation 1 as well, for the coarse image to stay an image.
            l1["coarse_masked_l1"] = losses.masked_l1(images["coarse"], target, mask)
        adversarial = self.adversarial_loss(judgement.logits)
        total = adversarial + self._training.l1_weight * sum(l1.values())  # equation 4
        values = {"generator": total, **l1, "adversarial": adversarial}
        if self._training.feature_matching:
            real, fake = (judgement.features[k] for k in ("target", self._generated))
            values["feature_matching"] = losses.feature_matching(real, fake)
            values["generator"] += (
                self._training.feature_matching * values["feature_matching"]
            )
        return values

    def discriminator_losses(
        self, batch: Batch, images: Images, *, training: bool = False
    ) -> Losses:
        """Returns D's loss; in `training` spectral normalisation moves on."""
        judgement = self.judge(batch, images, training=training)
        return {"discriminator": self.discriminator_loss(judgement.logits)}

    def losses(self, batch: Batch) -> Losses:
        """Returns all losses without an update."""
        images = self.generate(batch)
        return {
            **self.generator_losses(batch, images),
            **self.discriminator_losses(batch, images),
        }

    def judge(
        self, batch: Batch, images: Images, *, training: bool = False
    ) -> Judgement:
        """Shows D the images of `judged`, all in one batch."""
        known = {"source": batch["source"], "target": batch["target"], **images}
        shown = [known[name] for name in self.judged]
        outputs = self._networks["discriminator"](
            discriminator_inputs(self._config.model, shown, batch), training=training
        )
        *layers, logits = outputs if isinstance(outputs, list) else [outputs]
        split = [ops.split(layer, len(shown)) for layer in layers]
        return Judgement(
            dict(zip(self.judged, ops.split(logits, len(shown)), strict=True)),
            {name: [part[i] for part in split] for i, name in enumerate(self.judged)},
        )

    # === Differences of the two steps ===

    @property
    def judged(self) -> tuple[str, ...]:
        """The names of the images that D sees in one batch.

        D's batch normalisation takes its statistics over all of them.
        """
        raise NotImplementedError

    def discriminator_loss(self, logits: Mapping[str, Any]) -> Any:
        """Returns D's loss, given the logits of the judged images."""
        raise NotImplementedError

    def adversarial_loss(self, logits: Mapping[str, Any]) -> Any:
        """Returns the generator's adversarial loss, given the same logits."""
        raise NotImplementedError

    def update(self, batch: Any, updates: Updates) -> Losses:
        """Updates D and the generators; returns the losses before each update."""
        raise NotImplementedError

    def _update_generators(self, passes: Any, updates: Updates) -> Losses:
        return updates.minimize(self.generator_losses, passes, self._trained)

    def _update_discriminator(self, passes: Any, updates: Updates) -> Losses:
        def losses_of(batch: Batch, images: Images) -> Losses:
            return self.discriminator_losses(batch, images, training=True)

        return updates.minimize(losses_of, passes, ("discriminator",))


class PaperStep(AdversarialStep):
    """The paper's step (section 3.2): D is updated, then the generator against it.

    D tells the pair (target, source) from the pair (generated image, source).
    """

    @property
    def judged(self) -> tuple[str, ...]:
        """Real and generated images."""
        return ("target", self._generated)

    def discriminator_loss(self, logits: Mapping[str, Any]) -> Any:
        """Returns equation 2."""
        real, fake = logits["target"], logits[self._generated]
        return self._bce(real, 1.0) + self._bce(fake, 0.0)

    def adversarial_loss(self, logits: Mapping[str, Any]) -> Any:
        """Returns equation 3."""
        return self._generator_bce(logits[self._generated], 1.0)

    def update(self, batch: Batch, updates: Updates) -> Losses:
        """Updates D, then the generators, on one batch and one pass of theirs."""
        passes = updates.passes(self.generate, batch)
        discriminator = self._update_discriminator(passes, updates)
        generators = self._update_generators(passes, updates)
        return {**generators, **discriminator}


class AuthorsStep(AdversarialStep):
    """The released code's step: the generator is updated, then D on another batch.

    D judges single images and counts the source image as generated. It sees the coarse
    image as well, which takes part in the batch statistics alone (trainer.py:251-323).
    """

    takes_two_batches = True

    @property
    def judged(self) -> tuple[str, ...]:
        """All four images; in G1+D the coarse image is the generated one."""
        return tuple(dict.fromkeys(("target", "source", "coarse", self._generated)))

    def discriminator_loss(self, logits: Mapping[str, Any]) -> Any:
        """Half of equation 2, with the source image as a second generated one."""
        real, source, fake = (logits[k] for k in ("target", "source", self._generated))
        return (
            0.5 * self._bce(real, 1.0)
            + 0.25 * self._bce(source, 0.0)
            + 0.25 * self._bce(fake, 0.0)
        )

    def adversarial_loss(self, logits: Mapping[str, Any]) -> Any:
        """Returns equation 3."""
        return self._generator_bce(logits[self._generated], 1.0)

    def update(self, batches: tuple[Batch, Batch], updates: Updates) -> Losses:
        """Updates the generators on the first batch, then D on the second."""
        for_generators, for_discriminator = batches
        passes = updates.passes(self.generate, for_generators)
        generators = self._update_generators(passes, updates)
        passes = updates.passes(self.generate, for_discriminator)
        discriminator = self._update_discriminator(passes, updates)
        return {**generators, **discriminator}


class AuthorsDeepFashionStep(AuthorsStep):
    """The released DeepFashion code's step (trainer256.py:32-69)."""

    @property
    def judged(self) -> tuple[str, ...]:
        """Real, generated and source images."""
        return ("target", self._generated, "source")

    def adversarial_loss(self, logits: Mapping[str, Any]) -> Any:
        """Equation 3, averaged over the generated and the source image."""
        fake, source = logits[self._generated], logits["source"]
        return 0.5 * self._generator_bce(fake, 1.0) + 0.5 * self._generator_bce(
            source, 1.0
        )


Step = Stage1Step | AdversarialStep


def make_step(networks: Functions, config: RunConfig, training: TrainConfig) -> Step:
    """Returns the step of a stage.

    Args:
        networks: The networks as functions; see `AdversarialStep`.
        config: The run's configuration.
        training: The stage's configuration.
    """
    if training.stage not in config.recipe.adversarial:
        return Stage1Step(networks, config, training)
    if config.profile == "paper":
        return PaperStep(networks, config, training)
    if config.dataset == "deepfashion":
        return AuthorsDeepFashionStep(networks, config, training)
    return AuthorsStep(networks, config, training)
