"""The training steps of `pg2_tf.model.steps` as pure functions of JAX arrays.

A state is a dictionary of arrays, so that `jax.lax.scan` runs many steps in one call.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras

from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.discriminator import with_activations
from pg2_tf.model.networks import Networks
from pg2_tf.model.steps import Batch, Images, Losses, make_step
from pg2_tf.training.learning_rates import learning_rate
from preprocessing.system.errors import InputError

State = dict[str, Any]
Weights = dict[str, list[Any]]
_EPSILON = 1e-8  # As `updates.adam`.


class Steps:
    """The training step of one stage.

    Args:
        networks: Networks of the stage, built with Keras on JAX.
        config: Configuration of the run.
        training: Training options of the stage.

    Raises:
        InputError: The options include one that only the TensorFlow trainer has.
    """

    def __init__(
        self, networks: Networks, config: RunConfig, training: TrainConfig
    ) -> None:
        if config.profile != "paper":
            raise InputError("profile authors: train it with pg2_tf.train")
        if training.accumulate > 1 or training.remat:
            raise InputError("--accumulate and --remat: only pg2_tf.train has them")
        self.networks: dict[str, keras.Model] = {
            name: network
            for name, network in networks._asdict().items()
            if network is not None
        }
        self.config = config
        self.training = training
        self.learning_rate = learning_rate(training)
        self.functions = dict(self.networks)
        if training.feature_matching and "discriminator" in self.functions:
            self.functions["discriminator"] = with_activations(
                self.networks["discriminator"]
            )

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the networks that the stage trains."""
        adversarial = self.training.stage in self.config.recipe.adversarial
        return (*self.training.trained_generators, *("discriminator",) * adversarial)

    def initial_state(self) -> State:
        """Returns the state before the first step, with the networks' weights."""
        # Copies: a call that runs steps takes over the buffers of its state.
        weights = {
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

    def __call__(self, state: State, batch: Batch) -> tuple[State, Losses]:
        """Takes one step.

        Args:
            state: State from `initial_state` or from the step before.
            batch: A batch as in `pg2_tf.model.steps`.

        Returns:
            The state after the step, and the losses, scalars by name.
        """
        updates = _Updates(self, state)
        step = make_step(updates.functions(), self.config, self.training)
        values = step.update(batch, updates)
        return {**updates.state, "step": state["step"] + 1.0}, values

    def generate(self, weights: Weights, batch: Batch) -> Images:
        """Runs the generators.

        Args:
            weights: Trainable weights by the name of the network.
            batch: `source` and the target pose of a batch.

        Returns:
            `coarse` and, in stage 2, `refined`, float32 [B, H, W, 3], not clipped.
        """
        fixed: Weights = {name: [] for name in weights}
        updates = _Updates(self, {"weights": weights, "fixed": fixed})
        step = make_step(updates.functions(), self.config, self.training)
        return step.generate(batch)

    def generating_weights(self, state: State) -> Weights:
        """Returns the weights to generate with: moving averages where there are."""
        return {**state["weights"], **state["averages"]}


class _Passes(NamedTuple):
    """The generators' pass over a batch, and the way back to their weights."""

    batch: Batch
    images: Images
    backward: Callable[[Images], tuple[Weights]]


class _Updates:
    """Updates networks in a state while JAX traces a step; see `steps.Updates`.

    Args:
        steps: The stage.
        state: The state before the step; `state` is the one after it.
    """

    def __init__(self, steps: Steps, state: State):
        self._steps = steps
        self.state = dict(state)

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Returns the networks as functions that read their weights from the state."""

        def function(name: str, network: keras.Model) -> Callable[..., Any]:
            def call(inputs: Any, training: bool = False) -> Any:
                weights, fixed = (self.state[k][name] for k in ("weights", "fixed"))
                outputs, after = network.stateless_call(
                    weights, fixed, inputs, training=training
                )
                if training:
                    self._set("fixed", name, after)
                return outputs

            return call

        return {
            name: function(name, net) for name, net in self._steps.functions.items()
        }

    def passes(self, generate: Callable[[Batch], Images], batch: Batch) -> _Passes:
        """Runs the generators once, for the updates of all networks."""
        names = self._steps.training.trained_generators
        before = self.state

        def images_of(weights: Weights) -> Images:
            self.state = {**before, "weights": {**before["weights"], **weights}}
            return generate(batch)

        trained = {name: before["weights"][name] for name in names}
        images, backward = jax.vjp(images_of, trained)
        self.state = before
        return _Passes(batch, images, backward)

    def minimize(
        self,
        losses_of: Callable[[Batch, Images], Losses],
        passes: _Passes,
        networks: Sequence[str],
    ) -> Losses:
        """Takes one step of networks down the first loss; returns all losses."""
        before = self.state
        of_discriminator = "discriminator" in networks

        def loss(argument: Any) -> tuple[Any, Any]:
            images = passes.images
            if of_discriminator:
                weights = {**before["weights"], "discriminator": argument}
                self.state = {**before, "weights": weights}
            else:
                images = argument
            values = losses_of(passes.batch, images)
            return next(iter(values.values())), (values, self.state["fixed"])

        argument = (
            before["weights"]["discriminator"] if of_discriminator else passes.images
        )
        (_, (values, fixed)), found = jax.value_and_grad(loss, has_aux=True)(argument)
        self.state = {**before, "fixed": fixed}
        gradients = (
            {"discriminator": found} if of_discriminator else passes.backward(found)[0]
        )
        for name in networks:
            self._apply(name, gradients[name])
        return values

    def _apply(self, name: str, gradients: list[Any]) -> None:
        """Moves a network's weights, and their averages, by one step."""
        training, step = self._steps.training, self.state["step"]
        rate = self._steps.learning_rate
        weights, momentums, velocities = adam(
            self.state["weights"][name],
            self.state["momentums"][name],
            self.state["velocities"][name],
            clip_gradients(gradients, training.clip_norm),
            step=step,
            rate=rate(step) if callable(rate) else rate,
            training=training,
        )
        self._set("weights", name, weights)
        self._set("momentums", name, momentums)
        self._set("velocities", name, velocities)
        if name in self.state["averages"]:
            # Grows from 0, so that the first weights are forgotten sooner.
            momentum = jnp.minimum(training.ema, step / (step + 9.0))
            pairs = zip(self.state["averages"][name], weights, strict=True)
            means = [momentum * mean + (1.0 - momentum) * now for mean, now in pairs]
            self._set("averages", name, means)

    def _set(self, key: str, name: str, values: list[Any]) -> None:
        self.state = {**self.state, key: {**self.state[key], name: values}}


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
    """Takes one step of Adam (Kingma and Ba 2015).

    Args:
        weights: float32 arrays.
        momentums: Running means of the gradients, of the weights' shapes.
        velocities: Running means of the squared gradients, of the weights' shapes.
        gradients: Gradients of the loss, of the weights' shapes.
        step: Number of steps before this one, a float32 scalar.
        rate: Learning rate.
        training: Settings with `beta_1` and `beta_2`.

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


def clip_gradients(gradients: list[Any], norm: float) -> list[Any]:
    """Scales gradients to a global norm of at most `norm`; 0 leaves them."""
    if not norm:
        return gradients
    whole = jnp.sqrt(sum(jnp.sum(jnp.square(each)) for each in gradients))
    return [each * (norm / jnp.maximum(whole, norm)) for each in gradients]
