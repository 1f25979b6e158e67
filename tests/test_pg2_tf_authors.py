"""Checkpoints of the released code, fabricated small, and how they are read."""

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import network_batch

from pg2_tf.model import presets
from pg2_tf.model.networks import build_networks, generate
from pg2_tf.runs import original as authors

SIZES = {"market1501": (128, 64), "deepfashion": (256, 256)}
_MODULE = "pg2_tf.import_authors"


def convolutions(scope, shapes):
    for number, (kernel, inputs, outputs) in enumerate(shapes):
        name = f"{scope}/Conv" + (f"_{number}" if number else "")
        yield f"{name}/weights", (kernel, kernel, inputs, outputs)
        yield f"{name}/biases", (outputs,)


def variables_of(dataset, *, width=4, z=6, d_width=3):
    """Returns names and shapes of the released code's graph, from its description."""
    height, wide = SIZES[dataset]
    blocks = 5 if dataset == "market1501" else 6
    small = (height >> (blocks - 1)) * (wide >> (blocks - 1))
    first = [(3, 21, width)]
    for block in range(1, blocks + 1):
        first += [(3, width * block, width * block)] * 2
        if block < blocks:
            first.append((3, width * block, width * (block + 1)))
    channels = width
    for block in range(blocks, 0, -1):
        channels += width * block
        first += [(3, channels, channels)] * 2
        if block > 1:
            first.append((1, channels, width * (block - 1)))
            channels = width * (block - 1)
    first.append((3, channels, 3))
    second, channels = [(3, 6, width)], width
    for block in range(1, blocks - 1):
        second += [(3, channels, width * block), (3, width * block, width * block)]
        channels = width * block
        if block < blocks - 2:
            second.append((3, channels, channels))
    for block in range(blocks - 2, 0, -1):
        skip = dataset == "deepfashion" or block > 1
        second += [(3, channels + width * block * skip, width), (3, width, width)]
        channels = width
    second.append((3, width, 3))
    shapes = dict(convolutions("Pose_AE/G", first))
    for name, (inputs, outputs) in {
        "fully_connected": (small * width * blocks, z),
        "fully_connected_1": (z, small * width),
    }.items():
        shapes[f"Pose_AE/G/{name}/weights"] = (inputs, outputs)
        shapes[f"Pose_AE/G/{name}/biases"] = (outputs,)
    shapes.update(convolutions("UAEnoFC/G", second))
    channels = 3
    for layer in range(1, blocks):
        name, out = f"Discriminator.{layer}", d_width * min(2 ** (layer - 1), 8)
        shapes[f"{name}/{name}.Filters"] = (5, 5, channels, out)
        shapes[f"{name}/{name}.Biases"] = (out,)
        if layer > 1:
            for part in ("offset", "scale", "moving_mean", "moving_variance"):
                shapes[f"Discriminator.BN{layer}.{part}"] = (out,)
        channels = out
    pixels = (height >> (blocks - 1)) * (wide >> (blocks - 1))
    shapes["Discriminator.Output/Discriminator.Output.W"] = (channels * pixels, 1)
    shapes["Discriminator.Output/Discriminator.Output.b"] = (1,)
    return shapes


def random_values(shapes, seed=0):
    rng = np.random.default_rng(seed)
    values = {}
    for name, shape in shapes.items():
        scale = 1 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.2
        values[name] = (rng.normal(size=shape) * scale).astype(np.float32)
    return values


def write(path, values):
    """Writes what the authors' Saver writes: the values, counters, Adam's slots."""
    values = dict(values)
    for name in list(values):
        if "moving" not in name:
            values[f"{name}/Adam"] = values[f"{name}/Adam_1"] = values[name] * 0
    values |= dict.fromkeys(("beta1_power", "beta2_power", "g_lr"), np.float32(0.5))
    values["step"] = np.int32(7)
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )
    return path


def imported(path, dataset):
    base = presets.preset(dataset, profile="authors").model
    config = authors.model_config(base, authors.read_checkpoint(path))
    networks = build_networks(config, stage=2)
    return config, networks, authors.assign(networks, config, path)


def by_hand(values, dataset, batch):
    """Computes both generators from the authors' variables alone."""
    numbers = dict.fromkeys(("Pose_AE/G", "UAEnoFC/G"), 0)

    def conv(scope, x, stride=1, relu=True):
        number, numbers[scope] = numbers[scope], numbers[scope] + 1
        name = f"{scope}/Conv" + (f"_{number}" if number else "")
        x = tf.nn.conv2d(x, values[f"{name}/weights"], stride, "SAME")
        x += values[f"{name}/biases"]
        return tf.nn.relu(x) if relu else x

    def double(x):
        return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)

    blocks, scope = (5 if dataset == "market1501" else 6), "Pose_AE/G"
    x = conv(scope, tf.concat([batch["source"], batch["heatmaps"]], -1))
    kept = []
    for block in range(blocks):
        x += conv(scope, conv(scope, x))
        kept.append(x)
        x = conv(scope, x, stride=2) if block < blocks - 1 else x
    shape = x.shape
    x = tf.reshape(x, (shape[0], -1))
    for name in ("fully_connected", "fully_connected_1"):
        x = x @ values[f"{scope}/{name}/weights"] + values[f"{scope}/{name}/biases"]
    x = tf.reshape(x, (*shape[:3], -1))
    for block in reversed(range(blocks)):
        x = tf.concat([x, kept[block]], -1)
        x += conv(scope, conv(scope, x))
        x = conv(scope, double(x)) if block else x
    coarse = conv(scope, x, relu=False)
    blocks, scope, kept = blocks - 2, "UAEnoFC/G", []
    x = conv(scope, tf.concat([coarse, batch["source"]], -1))
    for block in range(blocks):
        x = conv(scope, conv(scope, x))
        kept.append(x)
        x = conv(scope, x, stride=2) if block < blocks - 1 else x
    for block in reversed(range(blocks)):
        if block or dataset == "deepfashion":
            x = tf.concat([x, kept[block]], -1)
        x = conv(scope, conv(scope, x))
        x = double(x) if block else x
    return coarse, conv(scope, x, relu=False)


@pytest.mark.parametrize("dataset", list(SIZES))
def test_imported_generators_compute_what_the_released_graph_does(dataset, tmp_path):
    values = random_values(variables_of(dataset))
    config, networks, passed_over = imported(write(tmp_path / "m", values), dataset)
    assert (config.width, config.bottleneck, config.discriminator_width) == (4, 6, 3)
    assert config.discriminator_input == "image"
    skips = {"market1501": "inner", "deepfashion": "all"}[dataset]
    assert config.generator2_skips == skips
    batch = network_batch(1, size=SIZES[dataset])
    made = generate(networks, batch["source"], batch["heatmaps"])
    coarse, difference = by_hand(values, dataset, batch)
    scale = float(tf.reduce_max(tf.abs(coarse)))
    np.testing.assert_allclose(made["coarse"], coarse, rtol=0, atol=1e-5 * scale)
    scale = float(tf.reduce_max(tf.abs(difference)))
    np.testing.assert_allclose(
        made["difference"], difference, rtol=0, atol=1e-5 * scale
    )
    expected = {"beta1_power", "beta2_power", "g_lr", "step"}
    expected |= {
        f"{n}/Adam{e}" for n in values if "moving" not in n for e in ("", "_1")
    }
    assert expected <= set(passed_over)
    assert {n for n in set(passed_over) - expected if "moving" not in n} == set()


@pytest.mark.parametrize("dataset", list(SIZES))
def test_imported_discriminator_computes_what_the_released_graph_does(
    dataset, tmp_path
):
    values = random_values(variables_of(dataset))
    _, networks, _ = imported(write(tmp_path / "m", values), dataset)
    x = images = network_batch(3, size=SIZES[dataset])["source"]
    for layer in range(1, 5 if dataset == "market1501" else 6):
        name = f"Discriminator.{layer}"
        x = tf.nn.conv2d(x, values[f"{name}/{name}.Filters"], 2, "SAME")
        x += values[f"{name}/{name}.Biases"]
        if layer > 1:
            mean, variance = tf.nn.moments(x, [0, 1, 2])
            name = f"Discriminator.BN{layer}"
            scale, offset = values[f"{name}.scale"], values[f"{name}.offset"]
            x = tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-5)
        x = tf.maximum(0.2 * x, x)
    flat = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), (3, -1))  # C, H, W.
    name = "Discriminator.Output/Discriminator.Output"
    logits = (flat @ values[f"{name}.W"] + values[f"{name}.b"])[:, 0]
    np.testing.assert_allclose(
        networks.discriminator(images), logits, rtol=0, atol=2e-4
    )


def test_fabricated_names_are_those_of_a_real_checkpoint(shared):
    lines = (shared / "golden/market_h16/variables.txt").read_text().splitlines()
    real = {line.split("\t")[0]: line.split("\t")[1] for line in lines}
    made = variables_of("market1501", width=16, z=64, d_width=64)
    assert {n: str(list(s)) for n, s in made.items()}.items() <= real.items()
    assert set(real) - set(made) == {"step", "g_lr", "d_lr"}
