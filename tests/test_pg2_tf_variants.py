"""The six models of the paper's Table 1: their networks and settings."""

import json

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    command_error,
    make_run,
    network_batch,
    random_networks,
    tiny_config,
)

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model import presets
from pg2_tf.model.config import VARIANTS, RunConfig
from pg2_tf.model.discriminator import build_discriminator
from pg2_tf.model.generator1 import build_generator1
from pg2_tf.model.networks import build_networks, generate
from pg2_tf.model.steps import make_step
from pg2_tf.runs.run_folder import RunFolder

# === Networks ===


def conv(kernel, channels, filters):
    return kernel**2 * channels * filters + filters


def dense(inputs, outputs):
    return inputs * outputs + outputs


def encoder(channels, model):
    width, last = model.width, model.num_blocks
    total = conv(3, channels, width)
    for block in range(1, last + 1):
        total += 2 * conv(3, block * width, block * width)
        total += conv(3, block * width, (block + 1) * width) * (block < last)
    return total


def decoder(model):
    width, last = model.width, model.num_blocks
    total, channels = 0, width
    for block in range(last, 0, -1):
        channels += block * width
        total += 2 * conv(3, channels, channels)
        total += conv(1, channels, (block - 1) * width) * (block > 1)
        channels = channels if block == 1 else (block - 1) * width
    return total + conv(3, channels, 3)


def parameters_by_arithmetic(model):
    """Counts G1's weights from the description of section 4.2."""
    step = 2 ** (model.num_blocks - 1)
    pixels = model.image_size[0] * model.image_size[1] // step**2
    features = pixels * model.width * model.num_blocks
    code, pose = model.bottleneck, 0
    if model.pose_embedding == "coordinate":
        pose = dense(18 * 3, code) + dense(code, code)
    if model.pose_embedding == "heatmap":
        pose = encoder(18, model) + dense(features, code)
    joined = code if model.pose_embedding == "concat" else 2 * code
    return (
        encoder(21 if model.pose_embedding == "concat" else 3, model)
        + dense(features, code)
        + pose
        + dense(joined, pixels * model.width)
        + decoder(model)
    )


def parameters_of(build, model):
    with tf.Graph().as_default():  # Without memory for the weights.
        network = build(model)
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


# One variant of each pose embedding: the others build the same G1.
@pytest.mark.parametrize("variant", ["G1-CE-L1", "G1-HME-L1", "G1-L1"])
@pytest.mark.parametrize("dataset", ["tiny", "market1501", "deepfashion"])
def test_first_generator_has_the_parameters_that_its_description_gives(
    dataset, variant
):
    model = presets.preset(dataset, variant=variant).model
    expected = parameters_by_arithmetic(model)
    assert parameters_of(build_generator1, model) == expected
    if variant == "G1-L1" and dataset != "tiny":
        released = {"market1501": 70_795_075, "deepfashion": 122_103_235}
        assert expected == released[dataset]


@pytest.mark.parametrize("dataset", ["tiny", "market1501", "deepfashion"])
def test_variants_with_the_papers_embedding_have_the_same_first_generator(dataset):
    models = [
        presets.preset(dataset, variant=name).model
        for name, variant in VARIANTS.items()
        if variant.pose_embedding == "concat"
    ]
    assert len(models) == 4
    assert set(models) == {presets.preset(dataset).model}


@pytest.mark.parametrize("dataset", ["tiny", "market1501", "deepfashion"])
def test_one_stage_discriminator_is_that_of_two_stages(dataset):
    preset = presets.preset(dataset, variant="G1+D")
    model, width = preset.model, preset.model.discriminator_width
    channels, total = 6, 0
    for layer in range(model.num_discriminator_layers):
        filters = width * min(2**layer, 8)
        total += conv(5, channels, filters) + 2 * filters * (layer > 0)
        channels = filters
    step = 2**model.num_discriminator_layers
    pixels = model.image_size[0] * model.image_size[1] // step**2
    expected = total + dense(pixels * channels, 1)
    assert parameters_of(build_discriminator, model) == expected
    networks = build_networks(presets.preset("tiny").model, stage=1, adversarial=True)
    assert [network is None for network in networks] == [False, True, False]


def tiny_networks(variant):
    return random_networks(tiny_config(variant=variant).model, stage=1)


def changed(networks, batch, name, other):
    """Returns how far the coarse image moves when one input is another one."""
    images = [
        generate(
            networks, each["source"], each["heatmaps"], keypoints=each["keypoints"]
        )["coarse"]
        for each in (batch, {**batch, name: other[name]})
    ]
    return float(np.abs(images[0] - images[1]).max())


def test_coordinate_embedding_reads_keypoints_and_no_heatmaps():
    networks = tiny_networks("G1-CE-L1")
    batch, other = network_batch(2), network_batch(2, seed=1)
    assert set(networks.generator1.input) == {"source", "keypoints"}
    assert changed(networks, batch, "heatmaps", other) == 0
    assert changed(networks, batch, "keypoints", other) > 1e-4
    assert changed(networks, batch, "source", other) > 1e-4
    # Where a keypoint that was not found is said to be does not matter.
    poses = batch["keypoints"].numpy()
    poses[:, 3] = (5, 7, 0)
    hidden = {"keypoints": tf.constant(poses)}
    poses = poses.copy()
    poses[:, 3, :2] = np.nan
    assert (
        changed(networks, {**batch, **hidden}, "keypoints", {"keypoints": poses}) == 0
    )
    poses[:, 3] = (5, 7, 1)
    assert changed(networks, {**batch, **hidden}, "keypoints", {"keypoints": poses}) > 0


def test_coordinates_are_relative_to_the_image_and_mirror_with_it():
    layer = build_generator1(tiny_config(variant="G1-CE-L1").model).get_layer(
        "coordinates"
    )
    poses = np.zeros((1, 18, 3), np.float32)
    poses[0, :3] = [(0, 0, 0.2), (31, 31, 1), (15.5, 15.5, 1)]
    values = np.array(layer(poses)).reshape(18, 3)
    edge = 1 - 1 / 32
    np.testing.assert_allclose(values[:3, :2], [[-edge] * 2, [edge] * 2, [0, 0]])
    np.testing.assert_array_equal(values[:, 2], [1] * 3 + [0] * 15)
    assert not values[3:].any()
    mirrored = poses.copy()
    mirrored[0, :3, 0] = 31 - poses[0, :3, 0]
    flipped = np.array(layer(mirrored)).reshape(18, 3)
    np.testing.assert_allclose(flipped[:, 0], -values[:, 0], atol=1e-7)
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(poses), layer(poses))


def test_heatmap_embedding_meets_the_image_at_the_bottleneck_alone():
    networks = tiny_networks("G1-HME-L1")
    batch, other = network_batch(2), network_batch(2, seed=1)
    assert changed(networks, batch, "keypoints", other) == 0
    assert changed(networks, batch, "heatmaps", other) > 1e-4
    kernel = networks.generator1.get_layer("expand").kernel
    code = tiny_config().model.bottleneck
    value = kernel.numpy()
    value[code:] = 0  # The rows that read the pose's features.
    kernel.assign(value)
    assert changed(networks, batch, "heatmaps", other) == 0
    assert changed(networks, batch, "source", other) > 1e-4


# === Settings ===


def test_variants_are_the_papers_rows():
    rows = {
        name: (v.pose_embedding, v.reconstruction, v.stages, v.adversarial)
        for name, v in VARIANTS.items()
    }
    assert rows == {
        "G1-CE-L1": ("coordinate", "l1", (1,), ()),
        "G1-HME-L1": ("heatmap", "l1", (1,), ()),
        "G1-L1": ("concat", "l1", (1,), ()),
        "G1-poseMaskLoss": ("concat", "masked_l1", (1,), ()),
        "G1+D": ("concat", "masked_l1", (1,), (1,)),
        "G1+G2+D": ("concat", "masked_l1", (1, 2), (2,)),
    }


@pytest.mark.parametrize("dataset", ["market1501", "deepfashion"])
def test_one_stage_model_is_trained_as_long_as_two_stages(dataset):
    two, one = presets.preset(dataset), presets.preset(dataset, variant="G1+D")
    assert one.stage1.steps == two.stage1.steps + two.stage2.steps
    assert one.stage1.l1_weight == two.stage2.l1_weight
    assert one.stage1.stage == 1
    assert presets.preset(dataset, variant="G1-L1").stage1 == two.stage1


@pytest.mark.parametrize(
    ("dataset", "profile", "scored"),
    [
        ("tiny", "paper", ("target", "coarse")),
        ("market1501", "authors", ("target", "source", "coarse")),
        ("deepfashion", "authors", ("target", "coarse", "source")),
    ],
)
def test_one_stage_adversary_has_the_coarse_image_for_the_refined(
    dataset, profile, scored
):
    two, one = (
        make_step(
            {},
            RunConfig(dataset, profile, preset.model, variant),
            preset.stage1 if variant == "G1+D" else preset.stage2,
        )
        for variant in ("G1+G2+D", "G1+D")
        for preset in [presets.preset(dataset, profile=profile, variant=variant)]
    )
    assert one.judged == scored
    assert one.takes_two_batches == two.takes_two_batches
    logits = {
        name: np.random.default_rng(i).normal(size=3)
        for i, name in enumerate(("target", "source", "coarse"))
    }
    for_two = {**logits, "refined": logits["coarse"]}
    assert one.discriminator_loss(logits) == two.discriminator_loss(for_two)
    assert one.adversarial_loss(logits) == two.adversarial_loss(for_two)


def test_configuration_of_an_earlier_version_is_the_whole_model(tmp_path):
    run = make_run(tmp_path / "run")
    path = run / "config.json"
    content = json.loads(path.read_text())
    assert list(content) == ["dataset", "profile", "variant", "model"]
    del content["variant"]
    for name in ("pose_embedding", "discriminator_norm"):
        del content["model"][name]
    path.write_text(json.dumps(content))
    assert RunFolder(run).config() == tiny_config()
    assert PoseTransfer.load(run).stage == 2


def test_unknown_variant_in_a_run_folder_is_named(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    path = run / "config.json"
    path.write_text(path.read_text().replace("G1+G2+D", "G3"))
    error = command_error(
        capsys, "pg2_tf.export", f"--run_dir={run}", f"--out={tmp_path}"
    )
    assert "variant 'G3'" in error
