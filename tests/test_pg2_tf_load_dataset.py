"""`pg2_tf.load_dataset`: one pass over the pairs, as the networks take them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import TINY, tiny_config

import pg2_tf
from pg2_tf.data.dataset import read_split
from pg2_tf.data.pipeline import PairSource, training_batches
from pg2_tf.training.pg2 import PG2
from preprocessing.images.heatmaps import draw_heatmaps


@pytest.fixture(scope="module")
def split(people_dir):
    return read_split(people_dir, "train", image_size=(32, 32))


def load(data_dir, split="train", **options):
    return pg2_tf.load_dataset(data_dir, split, **{"batch_size": 4, **options})


def taken(batches):
    return list(batches.as_numpy_iterator())


def equal(one, other):
    return all(
        np.array_equal(a[key], b[key])
        for a, b in zip(one, other, strict=True)
        for key in a
    )


def test_tensors_have_the_networks_names_types_and_ranges(people_dir):
    batches = load(people_dir, heatmaps="stored")
    shapes = {name: tuple(spec.shape) for name, spec in batches.element_spec.items()}
    assert shapes == {
        "source": (4, 32, 32, 3),
        "target": (4, 32, 32, 3),
        "keypoints": (4, 18, 3),
        "mask": (4, 32, 32, 1),
        "heatmaps": (4, 32, 32, 18),
    }
    assert {spec.dtype for spec in batches.element_spec.values()} == {tf.float32}
    assert "heatmaps" not in load(people_dir).element_spec
    for batch in taken(batches):
        assert -1 <= batch["source"].min() < -0.3 < 0.3 < batch["source"].max() <= 1
        assert set(np.unique(batch["mask"])) == {0, 1}
        drawn = [draw_heatmaps(pose, size=(32, 32)) for pose in batch["keypoints"]]
        np.testing.assert_array_equal(batch["heatmaps"], 2.0 * np.stack(drawn) - 1)


@pytest.mark.parametrize("in_memory", ["yes", "no"])
def test_first_pass_is_that_of_the_command(people_dir, split, in_memory):
    batches = load(people_dir, seed=5, in_memory=in_memory)
    steps = len(split.pairs) // 4
    assert len(batches) == batches.cardinality() == steps
    command = training_batches(PairSource(split), batch_size=4, seed=5).take(steps)
    for ours, theirs in zip(taken(batches), taken(command), strict=True):
        np.testing.assert_array_equal(ours["keypoints"], theirs["keypoints"])
        expected = theirs["source"].astype(np.float32) / np.float32(127.5) - 1
        np.testing.assert_array_equal(ours["source"], expected)
        np.testing.assert_array_equal(ours["mask"], theirs["mask"])


def test_passes_differ_and_follow_from_the_seed(people_dir):
    batches = load(people_dir)
    first, second = taken(batches), taken(batches)
    assert not equal(first, second)
    again = load(people_dir)
    assert equal(first, taken(again))
    assert equal(second, taken(again))
    assert equal(second, taken(load(people_dir, first_epoch=1)))
    assert not equal(first, taken(load(people_dir, seed=1)))


def test_a_pass_takes_each_pair_once(people_dir, split):
    batches = load(people_dir, batch_size=5, flip=False, drop_remainder=False)
    for _ in range(2):
        poses = np.concatenate([batch["keypoints"] for batch in taken(batches)])
        expected = split.keypoints[split.pairs[:, 1]]
        assert sorted(map(bytes, poses)) == sorted(map(bytes, expected))


def test_test_split_is_in_order_and_whole(people_dir):
    split = read_split(people_dir, "test", image_size=(32, 32))
    batches = load(people_dir, "test", batch_size=5)
    for _ in range(2):
        poses = np.concatenate([batch["keypoints"] for batch in taken(batches)])
        np.testing.assert_array_equal(poses, split.keypoints[split.pairs[:, 1]])


def test_listed_pairs(people_dir, split, tmp_path):
    chosen = split.pairs[[7, 2]]
    lines = [f"{split.names[a]},{split.names[b]}" for a, b in chosen]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(["from,to", *lines]) + "\n")
    options = {"shuffle": False, "flip": False, "batch_size": 8, "pairs": path}
    (batch,) = taken(load(people_dir, **options))
    np.testing.assert_array_equal(batch["keypoints"], split.keypoints[chosen[:, 1]])


def test_model_fits_alone_and_under_a_strategy(people_dir):
    def load_two(split="train", **options):
        return load(people_dir, split, batch_size=2, **options)

    def fitted(batches, *, epochs):
        model = PG2(tiny_config(), TINY.stage1)
        # Adam divides by its second moment; a large epsilon hides rounding errors.
        model.compile(generator_optimizer=keras.optimizers.Adam(1e-3, epsilon=1e-3))
        history = model.fit(
            batches, validation_data=load_two("test"), epochs=epochs, verbose=0
        ).history
        assert all(np.isfinite(values).all() for values in history.values())
        assert any(name.startswith("val_") for name in history)
        return model.get_weights()

    passes = load_two().concatenate(load_two(first_epoch=1))
    expected = fitted(passes, epochs=1)
    alone = fitted(load_two(), epochs=2)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        mirrored = fitted(load_two(), epochs=2)
    for a, b, c in zip(expected, alone, mirrored, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_allclose(a, c, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0: must be at least 1"),
        ({"seed": -1}, "seed=-1: must be at least 0"),
        ({"heatmaps": "no"}, "heatmaps='no': must be one of drawn, stored"),
        ({"in_memory": "?"}, "in_memory='\\?': must be one of auto, yes, no"),
        ({"batch_size": 999}, "pairs, fewer than batch_size=999"),
        ({"split": "other"}, "has no other split, only train, test"),
        ({"pairs": "x.csv", "in_memory": "no"}, "a list of pairs needs"),
    ],
)
def test_wrong_arguments_are_refused(people_dir, options, message):
    with pytest.raises(pg2_tf.InputError, match=message):
        load(people_dir, **options)
