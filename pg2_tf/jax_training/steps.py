"""Training steps of both stages as pure functions of JAX arrays.

They compute what the trainers of `pg2_tf.training` compute: the same networks, losses,
learning rates and Adam. A state is a dictionary of arrays, so that `jax.lax.scan` runs
many steps in one call.
"""

from typing import Any

import jax
import jax.numpy as jnp
import keras

from pg2_tf.model import losses, presets
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.networks import Networks
from pg2_tf.training import optimizers
from preprocessing.system.errors import InputError

State = dict[str, Any]
Batch = dict[str, Any]
_EPSILON = 1e-8  # As `optimizers.adam`.


class Steps:
    """The training step of one stage.

    Args:
        networks: networks of the stage, built with Keras on JAX.
        config: configuration of the run.
        training: training options of the stage.

    Raises:
        InputError: the options include one that only the TensorFlow trainer has.
    """

    def __init__(
        self, networks: Networks, config: RunConfig, training: TrainConfig
    ) -> None:
        self.networks = {n: net for n, net in networks._asdict().items() if net}
        self.config = config
        self.training = training
        self.adversary = presets.adversary(config)
        self.is_adversarial = training.stage in config.recipe.adversarial
        if self.is_adversarial and self.adversary.own_batch:
            raise InputError("profile authors: its steps run with pg2_tf.train only")
        if training.accumulate > 1 or training.remat:
            raise InputError("--accumulate and --remat: for pg2_tf.train only")
        self._learning_rate = optimizers.learning_rate(training)
        self._loss = losses.ADVERSARIAL[training.adversarial_loss]
        if self.is_adversarial:
            self._scorer = _with_features(self.networks["discriminator"])

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the networks that the stage trains."""
        judge = ("discriminator",) if self.is_adversarial else ()
        return (*self.training.trained_generators, *judge)

    def initial_state(self) -> State:
        """Returns the state before the first step, with the networks' weights."""
        weights = {
            # Copies: a call that runs steps takes over the buffers of its state.
            name: [jnp.array(v.value) for v in network.trainable_variables]
            for name, network in self.networks.items()
        }
        trained = {name: weights[name] for name in self.trained}
        return {
            "step": jnp.zeros((), "float32"),
            "weights": weights,
            "fixed": {
                name: [jnp.array(v.value) for v in network.non_trainable_variables]
                for name, network in self.networks.items()
            },
            "momentums": jax.tree.map(jnp.zeros_like, trained),
            "velocities": jax.tree.map(jnp.zeros_like, trained),
            "averages": {
                name: [jnp.array(weight) for weight in weights[name]]
                for name in self.training.averaged
            },
        }

    def __call__(self, state: State, batch: Batch) -> tuple[State, dict[str, Any]]:
        """Takes one step.

        Args:
            state: from `initial_state` or from the step before.
            batch: `source`, `target` float32 [B, H, W, 3] in [-1, 1], `heatmaps`
                float32 [B, H, W, 18] of -1 and +1, `keypoints` float32 [B, 18, 3],
                `mask` float32 [B, H, W, 1] of 0 and 1.

        Returns:
            The state after the step, and the losses, scalars by name.
        """
        take = self._adversarial_step if self.is_adversarial else self._coarse_step
        after, values = take(state, batch)
        return {**after, "step": state["step"] + 1.0}, values

    def generate(self, weights: dict[str, list[Any]], batch: Batch) -> dict[str, Any]:
        """Runs the generators.

        Args:
            weights: trainable weights by the name of the network.
            batch: `source`, `heatmaps` and `keypoints` of a batch.

        Returns:
            `coarse` and, in stage 2, `refined`, float32 [B, H, W, 3], not clipped.
        """
        coarse = self._coarse(weights, batch)
        if "generator2" not in self.networks:
            return {"coarse": coarse}
        return {"coarse": coarse, "refined": self._refined(weights, coarse, batch)}

    def generating_weights(self, state: State) -> dict[str, list[Any]]:
        """Returns the weights to generate with: moving averages where there are."""
        return {**state["weights"], **state["averages"]}

    def _coarse_step(self, state: State, batch: Batch) -> tuple[State, Any]:
        name = self.config.recipe.reconstruction

        def loss(weights: list[Any]) -> Any:
            coarse = self._coarse({"generator1": weights}, batch)
            return losses.reconstruction(name, coarse, batch["target"], batch["mask"])

        value, gradients = jax.value_and_grad(loss)(state["weights"]["generator1"])
        return self._update(state, {"generator1": gradients}), {name: value}

    def _adversarial_step(self, state: State, batch: Batch) -> tuple[State, Any]:
        """D's update, then the generators' against the new D (paper section 3.2)."""
        trained = self.training.trained_generators
        images, backward = jax.vjp(
            lambda weights: self._images({**state["weights"], **weights}, batch),
            {name: state["weights"][name] for name in trained},
        )

        def discriminator_loss(weights: list[Any]) -> Any:
            fixed = state["fixed"]["discriminator"]
            logits, _, fixed = self._scores(weights, fixed, images, batch, moves=True)
            terms = self.adversary.discriminator_terms
            return losses.adversarial(logits, terms, self._loss[0]), fixed

        (judged, fixed), gradients = jax.value_and_grad(
            discriminator_loss, has_aux=True
        )(state["weights"]["discriminator"])
        state = self._update(state, {"discriminator": gradients})

        def generator_loss(images: dict[str, Any]) -> Any:
            weights = state["weights"]["discriminator"]
            logits, features, _ = self._scores(weights, fixed, images, batch)
            return self._generator_losses(images, batch, logits, features)

        (_, values), of_images = jax.value_and_grad(generator_loss, has_aux=True)(
            images
        )
        (gradients,) = backward(of_images)
        state = self._update(state, gradients)
        state = {**state, "fixed": {**state["fixed"], "discriminator": fixed}}
        return state, {**values, "discriminator": judged}

    def _generator_losses(
        self, images: dict[str, Any], batch: Batch, logits: Any, features: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the generators' whole loss (equation 4) and its parts."""
        adversarial = losses.adversarial(
            logits, self.adversary.generator_terms, self._loss[1]
        )
        values = {"adversarial": adversarial}
        generated = "refined" if "generator2" in self.networks else "coarse"
        reconstructed = {"masked_l1": generated}
        if self.training.finetune_generator1:
            reconstructed["coarse_masked_l1"] = "coarse"
        total = adversarial
        for name, image in reconstructed.items():
            values[name] = losses.masked_l1(
                images[image], batch["target"], batch["mask"]
            )
            total += self.training.l1_weight * values[name]
        if self.training.feature_matching:
            values["feature_matching"] = sum(
                losses.l1(
                    each[generated].astype("float32"),
                    jax.lax.stop_gradient(each["target"]).astype("float32"),
                )
                for each in features
            ) / len(features)
            total += self.training.feature_matching * values["feature_matching"]
        return total, {"generator": total, **values}

    def _scores(
        self,
        weights: list[Any],
        fixed: list[Any],
        images: dict[str, Any],
        batch: Batch,
        *,
        moves: bool = False,
    ) -> tuple[dict[str, Any], list[dict[str, Any]], list[Any]]:
        """Returns D's logits and hidden activations by image, and its new state."""
        images = {"source": batch["source"], "target": batch["target"], **images}
        names = self.adversary.scored
        count = len(names)
        beside = {"image": (), "pair": ("source",)}.get(
            self.config.model.discriminator_input, ("source", "heatmaps")
        )
        inputs = [jnp.concatenate([images[name] for name in names])]
        inputs += [jnp.concatenate([batch[name]] * count) for name in beside]
        outputs, after = self._scorer.stateless_call(
            weights, fixed, jnp.concatenate(inputs, -1), training=moves
        )
        *features, logits = [
            dict(zip(names, jnp.split(output, count), strict=True))
            for output in outputs
        ]
        return logits, features, after if moves else fixed

    def _images(self, weights: dict[str, list[Any]], batch: Batch) -> dict[str, Any]:
        coarse = self._coarse(weights, batch)
        if "generator2" not in self.networks:
            return {"coarse": coarse}
        if not self.training.finetune_generator1:
            coarse = jax.lax.stop_gradient(coarse)
        return {"coarse": coarse, "refined": self._refined(weights, coarse, batch)}

    def _coarse(self, weights: dict[str, list[Any]], batch: Batch) -> Any:
        network = self.networks["generator1"]
        inputs = {name: batch[name] for name in network.input}
        return _call(network, weights["generator1"], inputs)

    def _refined(self, weights: dict[str, list[Any]], coarse: Any, batch: Batch) -> Any:
        inputs = {"coarse": coarse, "source": batch["source"]}
        return coarse + _call(
            self.networks["generator2"], weights["generator2"], inputs
        )

    def _update(self, state: State, gradients: dict[str, list[Any]]) -> State:
        """Moves the weights of some networks, and their averages, by one step."""
        step, new = state["step"], dict(state)
        rate = self._learning_rate
        rate = rate(step) if callable(rate) else rate
        for name, each in gradients.items():
            weights, momentums, velocities = adam(
                state["weights"][name],
                state["momentums"][name],
                state["velocities"][name],
                clipped(each, self.training.clip_norm),
                step=step,
                rate=rate,
                training=self.training,
            )
            new["weights"] = {**new["weights"], name: weights}
            new["momentums"] = {**new["momentums"], name: momentums}
            new["velocities"] = {**new["velocities"], name: velocities}
            if name in state["averages"]:
                # The first weights are forgotten sooner, as in `training.trainer`.
                share = jnp.minimum(self.training.ema, step / (step + 9.0))
                new["averages"] = {
                    **new["averages"],
                    name: [
                        share * mean + (1.0 - share) * weight
                        for mean, weight in zip(
                            state["averages"][name], weights, strict=True
                        )
                    ],
                }
        return new


def adam(
    weights: list[Any],
    momentums: list[Any],
    velocities: list[Any],
    gradients: list[Any],
    *,
    step: Any,
    rate: Any,
    training: TrainConfig,
) -> tuple[list[Any], list[Any], list[Any]]:
    """Takes one step of Adam (Kingma and Ba 2015, algorithm 1 with its last remark).

    Args:
        weights: float32 arrays.
        momentums, velocities: Adam's two moments, of the weights' shapes.
        gradients: gradients of the loss, of the weights' shapes.
        step: number of steps before this one, a float32 scalar.
        rate: learning rate.
        training: gives `beta_1` and `beta_2`.

    Returns:
        The new weights, momentums and velocities.
    """
    first, second = training.beta_1, training.beta_2
    rate = rate * jnp.sqrt(1.0 - second ** (step + 1.0)) / (1.0 - first ** (step + 1.0))
    momentums = [
        first * m + (1.0 - first) * g for m, g in zip(momentums, gradients, strict=True)
    ]
    velocities = [
        second * v + (1.0 - second) * g * g
        for v, g in zip(velocities, gradients, strict=True)
    ]
    weights = [
        w - rate * m / (jnp.sqrt(v) + _EPSILON)
        for w, m, v in zip(weights, momentums, velocities, strict=True)
    ]
    return weights, momentums, velocities


def clipped(gradients: list[Any], norm: float) -> list[Any]:
    """Scales gradients down to a global norm of at most `norm`; 0 means any."""
    if not norm:
        return gradients
    whole = jnp.sqrt(sum(jnp.sum(jnp.square(each)) for each in gradients))
    return [each * (norm / jnp.maximum(whole, norm)) for each in gradients]


def _call(network: keras.Model, weights: list[Any], inputs: dict[str, Any]) -> Any:
    fixed = [variable.value for variable in network.non_trainable_variables]
    outputs, _ = network.stateless_call(weights, fixed, inputs)
    return outputs


def _with_features(discriminator: keras.Model) -> keras.Model:
    """Returns D with its hidden activations as outputs before the logits."""
    hidden = [
        layer.output
        for layer in discriminator.layers
        if isinstance(layer, keras.layers.LeakyReLU)
    ]
    model = keras.Model(discriminator.input, [*hidden, discriminator.output])
    for kind in ("trainable_variables", "non_trainable_variables"):
        paths: list[list[str]] = [
            [variable.path for variable in getattr(each, kind)]
            for each in (model, discriminator)
        ]
        assert paths[0] == paths[1], "the order of D's weights"
    return model
