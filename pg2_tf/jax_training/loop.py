"""Trains one stage with JAX: data on the device, many steps in one call."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pg2_tf.data import ranges
from pg2_tf.jax_training.pairs import Pairs
from pg2_tf.jax_training.steps import State, Steps
from pg2_tf.jax_training.weights import load_weights
from pg2_tf.model.config import RunConfig, TrainConfig
from pg2_tf.model.networks import build_networks
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.model.steps import Batch
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

_MIRROR = np.array(kp.MIRROR)


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained stage.

    Attributes:
        steps: The stage's steps and networks.
        weights: Trainable weights to generate with, by the name of the network.
        figures: Number of steps, seconds, and losses over the steps.
    """

    steps: Steps
    weights: dict[str, list[Any]]
    figures: dict[str, Any]


def train(
    config: RunConfig,
    training: TrainConfig,
    data: Pairs,
    *,
    generator1: str | Path | None = None,
    steps_per_call: int = 100,
    seconds: float = float("inf"),
    report: Callable[[str], None] = print,
) -> Trained:
    """Trains one stage.

    Args:
        config: Configuration of the run.
        training: Training options of the stage.
        data: Training split.
        generator1: Weights file of stage 1; stage 2 needs it.
        steps_per_call: Steps in one call of the compiled function.
        seconds: Training stops after the call in which this time has passed.
        report: Function that prints a line of losses.

    Raises:
        InputError: An option is not available here, the data have another image size,
            or the weights do not fit.
        FloatingPointError: A loss is not finite.
    """
    if data.image_size != config.model.image_size:
        raise InputError(
            f"the images are {'{}x{}'.format(*data.image_size)}, the model needs "
            f"{'{}x{}'.format(*config.model.image_size)}"
        )
    steps = _build(config, training, generator1)
    state = steps.initial_state()
    run = _compiled(steps, config.model.image_size)
    stored = _on_device(data)
    log: list[dict[str, float]] = []
    begun, done = time.monotonic(), 0
    for count, chosen, flipped in _schedule(data, training, steps_per_call):
        state, values = run(state, stored, chosen, flipped)
        means = {name: float(value) for name, value in values.items()}
        done += count
        if not all(np.isfinite(list(means.values()))):
            raise FloatingPointError(f"step {done}: losses are not finite: {means}")
        log.append({"step": done, "seconds": time.monotonic() - begun, **means})
        report(json.dumps({k: round(v, 5) for k, v in log[-1].items()}))
        if log[-1]["seconds"] > seconds:
            break
    return Trained(steps, steps.generating_weights(state), _figures(log))


def _build(
    config: RunConfig, training: TrainConfig, generator1: str | Path | None
) -> Steps:
    networks = build_networks(
        config.model,
        stage=training.stage,
        adversarial=training.stage in config.recipe.adversarial,
        precision=training.precision,
        seed=training.seed,
    )
    if training.stage == 2:
        if generator1 is None:
            raise InputError("--generator1 is needed: the weights file of stage 1")
        load_weights(networks.generator1, generator1)
    return Steps(networks, config, training)


def _figures(log: list[dict[str, float]]) -> dict[str, Any]:
    """Returns the times of a training: its first call compiles, the others count."""
    first, last = log[0], log[-1]
    timed = max(1.0, last["step"] - first["step"])
    return {
        "device": str(jax.devices()[0].device_kind),
        "steps": int(last["step"]),
        "seconds": last["seconds"],
        "compile_seconds": first["seconds"],
        "step_seconds": (last["seconds"] - first["seconds"]) / timed,
        "log": log,
    }


def generate(
    trained: Trained, data: Pairs, positions: np.ndarray, *, batch_size: int = 50
) -> dict[str, np.ndarray]:
    """Generates the images of pairs.

    Args:
        trained: The trained stage.
        data: The pairs' split.
        positions: int [N], positions among `data.pairs`.
        batch_size: Pairs in one call.

    Returns:
        `coarse` and, in stage 2, `refined`, uint8 [N, H, W, 3].
    """
    draw = PoseHeatmaps(data.image_size)

    @jax.jit
    def run(weights: Any, source: Any, keypoints: Any) -> dict[str, Any]:
        batch = {
            "source": ranges.to_signed(source),
            "heatmaps": draw(keypoints),
            "keypoints": keypoints,
        }
        made = trained.steps.generate(weights, batch)
        return {name: ranges.to_pixels(image) for name, image in made.items()}

    weights = {n: w for n, w in trained.weights.items() if n.startswith("generator")}
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(positions), batch_size):
        some = positions[start : start + batch_size]
        # A whole batch each time: one compilation.
        padded = np.resize(some, batch_size)
        sources, targets = data.pairs[padded].T
        made = run(weights, data.images[sources], data.keypoints[targets])
        for name, images in made.items():
            parts.setdefault(name, []).append(np.asarray(images)[: len(some)])
    return {name: np.concatenate(each) for name, each in parts.items()}


def batch_inputs(
    stored: dict[str, Any], chosen: Any, flipped: Any, draw: PoseHeatmaps
) -> Batch:
    """Gathers and mirrors a batch on the device, as `data.pipeline` does.

    Args:
        stored: `images` uint8 [N, H, W, 3], `keypoints` float32 [N, 18, 3], `masks`
            uint8 [N, ceil(H * W / 8)], on the device.
        chosen: int32 [B, 2], positions of source and target.
        flipped: bool [B], the pairs to mirror.
        draw: The layer that draws heatmaps.
    """
    height, width = stored["images"].shape[1:3]
    turn = flipped[:, None, None, None]

    def mirrored(images: Any) -> Any:
        return jnp.where(turn, images[:, :, ::-1], images)

    pose = stored["keypoints"][chosen[:, 1]]
    swapped = pose[:, _MIRROR]
    # Truncated as `int(x)` does, so that a keypoint stays in its pixel.
    x = jnp.where(swapped[..., 2] > 0, width - 1 - jnp.trunc(swapped[..., 0]), 0.0)
    swapped = jnp.stack([x, swapped[..., 1], swapped[..., 2]], -1)
    pose = jnp.where(flipped[:, None, None], swapped, pose)
    bits = jnp.unpackbits(stored["masks"][chosen[:, 1]], axis=1)
    mask = bits[:, : height * width].reshape(-1, height, width, 1)
    return {
        "source": ranges.to_signed(mirrored(stored["images"][chosen[:, 0]])),
        "target": ranges.to_signed(mirrored(stored["images"][chosen[:, 1]])),
        "keypoints": pose,
        "heatmaps": draw(pose),
        "mask": mirrored(mask).astype("float32"),
    }


def _on_device(data: Pairs) -> dict[str, Any]:
    return {
        name: jnp.asarray(getattr(data, name))
        for name in ("images", "keypoints", "masks")
    }


def _compiled(steps: Steps, image_size: tuple[int, int]) -> Callable[..., Any]:
    draw = PoseHeatmaps(image_size)

    def run(state: State, stored: Any, chosen: Any, flipped: Any) -> Any:
        def step(state: State, places: Any) -> Any:
            chosen, flipped = places
            return steps(state, batch_inputs(stored, chosen, flipped, draw))

        state, values = jax.lax.scan(step, state, (chosen, flipped))
        return state, {name: jnp.mean(value) for name, value in values.items()}

    return jax.jit(run, donate_argnums=0)


def _schedule(
    data: Pairs, training: TrainConfig, steps_per_call: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields the pairs of each call; every pair comes once before any comes again."""
    rng = np.random.default_rng(training.seed)
    order = np.empty(0, np.int64)
    for start in range(0, training.steps, steps_per_call):
        count = min(steps_per_call, training.steps - start)
        needed = count * training.batch_size
        while len(order) < needed:
            order = np.concatenate([order, rng.permutation(len(data.pairs))])
        chosen, order = data.pairs[order[:needed]], order[needed:]
        flipped = (rng.random(needed) < 0.5) & training.flip
        yield (
            count,
            chosen.reshape(count, training.batch_size, 2),
            flipped.reshape(count, training.batch_size),
        )
