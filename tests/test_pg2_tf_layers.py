"""Heatmaps drawn in the graph against those that preprocessing draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from preprocessing.images.heatmaps import draw_heatmaps
from preprocessing.poses import keypoints as kp


def expected(poses, *, size, radius=4):
    drawn = [draw_heatmaps(kp.clean(pose), size=size, radius=radius) for pose in poses]
    return 2.0 * np.stack(drawn) - 1.0


def wild_poses(count, *, size, seed):
    """Returns poses in and far around an image, at whole and at broken places."""
    rng = np.random.default_rng(seed)
    scale = rng.choice([0.3, 1, 3, 1e4, 1e9], (count, 18, 1))
    poses = np.ones((count, 18, 3), np.float32)
    places = (rng.uniform(-0.5, 1.5, (count, 18, 2)) * scale) * size[::-1]
    poses[..., :2] = np.where(rng.random((count, 18, 1)) < 0.3, places.round(), places)
    poses[..., 2] = rng.choice([0, -1, 1e-6, 0.5, 1], (count, 18))
    return poses


@pytest.mark.parametrize("size", [(32, 32), (128, 64), (40, 72)])
@pytest.mark.parametrize("radius", [4, 1])
def test_heatmaps_equal_those_drawn_in_numpy(size, radius):
    poses = wild_poses(24, size=size, seed=size[0] + radius)
    drawn = np.array(PoseHeatmaps(size, radius=radius)(poses))
    assert drawn.dtype == np.float32
    assert (drawn == 1).any()
    np.testing.assert_array_equal(drawn, expected(poses, size=size, radius=radius))


@pytest.mark.parametrize(
    ("x", "y"),
    [(-0.9, -0.9), (-1, 5), (-4.99, 5), (31.99, 31.99), (32, 5), (36, 5), (5, 35.9)],
)
def test_keypoints_about_the_border_are_truncated_as_in_numpy(x, y):
    poses = np.zeros((1, 18, 3), np.float32)
    poses[0, 3] = x, y, 1
    drawn = np.array(PoseHeatmaps((32, 32))(poses))
    np.testing.assert_array_equal(drawn, expected(poses, size=(32, 32)))


@pytest.mark.parametrize(
    "keypoint",
    [
        (5, 5, 0),
        (5, 5, -1),
        (5, 5, np.nan),
        (np.nan, 5, 1),
        (5, np.nan, 1),
        (np.inf, 5, 1),
        (5, -np.inf, 1),
        (np.nan, np.nan, np.nan),
    ],
)
def test_keypoint_that_was_not_found_leaves_its_channel_empty(keypoint):
    poses = np.zeros((1, 18, 3), np.float32)
    poses[0, 3] = keypoint
    poses[0, 4] = 9, 9, 1
    drawn = np.array(PoseHeatmaps((32, 32))(poses))
    assert (drawn[..., 3] == -1).all()
    assert (drawn[..., 4] == 1).sum() == 49


def test_disc_is_centred_on_the_pixel_of_its_keypoint():
    poses = np.zeros((1, 18, 3), np.float32)
    poses[0, 0] = 20.7, 10.2, 1
    rows, columns = np.nonzero(np.array(PoseHeatmaps((32, 32))(poses))[0, ..., 0] == 1)
    assert (rows.mean(), columns.mean()) == (10, 20)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 14, 16, 24)


def test_heatmaps_are_the_same_in_a_data_set_and_in_a_function():
    poses = wild_poses(6, size=(32, 32), seed=3)
    layer = PoseHeatmaps((32, 32))
    eager = np.array(layer(poses))
    batches = tf.data.Dataset.from_tensor_slices(poses).batch(4).map(layer)
    assert batches.element_spec.shape.as_list() == [None, 32, 32, 18]
    piped = np.concatenate(list(batches.as_numpy_iterator()))
    np.testing.assert_array_equal(piped, eager)
    compiled = tf.function(layer, input_signature=[tf.TensorSpec((None, 18, 3))])
    np.testing.assert_array_equal(compiled(poses), eager)


def test_heatmaps_stay_float32_under_a_narrow_policy():
    poses = wild_poses(4, size=(128, 64), seed=5)
    old = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layers = [PoseHeatmaps((128, 64)), PoseHeatmaps((128, 64), dtype="bfloat16")]
        drawn = [layer(poses) for layer in layers]
    finally:
        keras.config.set_dtype_policy(old)
    for heatmaps in drawn:
        assert heatmaps.dtype == tf.float32
        np.testing.assert_array_equal(heatmaps, expected(poses, size=(128, 64)))


def test_configuration_makes_the_same_layer():
    layer = PoseHeatmaps((32, 48), radius=2, name="pose")
    again = PoseHeatmaps.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.image_size, again.radius, again.name) == ((32, 48), 2, "pose")
    poses = wild_poses(2, size=(32, 48), seed=0)
    np.testing.assert_array_equal(again(poses), layer(poses))


def test_saved_model_with_the_layer_loads_without_custom_objects(tmp_path):
    poses = keras.Input((18, 3))
    heatmaps = PoseHeatmaps((32, 48), radius=3)(poses)
    assert heatmaps.shape == (None, 32, 48, 18)
    model = keras.Model(poses, heatmaps)
    model.save(tmp_path / "model.keras")
    values = wild_poses(3, size=(32, 48), seed=1)
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(values), model(values))
    np.testing.assert_array_equal(
        again(values), expected(values, size=(32, 48), radius=3)
    )
