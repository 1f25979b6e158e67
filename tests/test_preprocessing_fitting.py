"""Any photo into a model's size: the pose stays on the picture."""

import numpy as np
import pytest

from preprocessing import keypoints as kp
from preprocessing.fitting import fit, fit_image, fit_pose

PHOTOS = {
    "tall": (900, 300),
    "wide": (300, 1000),
    "square": (500, 500),
    "same shape": (512, 256),
    "odd": (333, 217),
    "small": (50, 31),
    "same size": (128, 64),
}
MODELS = [(128, 64), (256, 256), (64, 128)]


@pytest.mark.parametrize("new_size", MODELS, ids=str)
@pytest.mark.parametrize("size", PHOTOS.values(), ids=PHOTOS.keys())
def test_a_dot_is_found_at_the_moved_keypoint(size, new_size):
    fitted = fit(size, new_size)
    scale = new_size[0] / fitted.padded[0]
    rows, columns = np.mgrid[: size[0], : size[1]]
    for down, across in ((0.3, 0.4), (0.62, 0.71)):
        x, y = round(across * size[1]), round(down * size[0])
        spread = 1.2 / min(scale, 1)
        dot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))
        photo = np.repeat(np.uint8(255 * dot)[..., None], 3, axis=2)
        image = fit_image(photo, fitted)
        assert image.shape == (*new_size, 3)
        pose = kp.missing_pose()
        pose[7] = (x, y, 0.6)
        moved = fit_pose(pose, fitted)
        weights = image[..., 0].astype(float)
        around = np.mgrid[: new_size[0], : new_size[1]]
        row, column = (weights * around).sum(axis=(1, 2)) / weights.sum()
        np.testing.assert_allclose(moved[7], (column, row, 0.6), atol=0.12)
        assert not moved[np.arange(18) != 7].any()


@pytest.mark.parametrize("new_size", MODELS, ids=str)
@pytest.mark.parametrize("size", PHOTOS.values(), ids=PHOTOS.keys())
def test_the_whole_photo_is_kept_in_the_middle_and_in_proportion(size, new_size):
    fitted = fit(size, new_size)
    height, width = fitted.padded
    assert height >= size[0]
    assert width >= size[1]
    assert height == size[0] or width == size[1]
    assert abs(2 * fitted.top + size[0] - height) <= 1
    assert abs(2 * fitted.left + size[1] - width) <= 1
    # The nearest whole number of pixels to the model's proportions.
    assert abs(height / new_size[0] - width / new_size[1]) * min(new_size) <= 0.5


def test_a_photo_of_the_models_size_is_not_touched():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (128, 64, 3), dtype=np.uint8)
    pose = rng.uniform(1, 60, (18, 3)).astype(np.float32)
    fitted = fit((128, 64), (128, 64))
    np.testing.assert_array_equal(fit_image(photo, fitted), photo)
    np.testing.assert_array_equal(fit_pose(pose, fitted), pose)


def test_the_frame_repeats_the_border_of_the_photo():
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[0], photo[-1] = (200, 0, 0), (0, 0, 200)
    image = fit_image(photo, fit((100, 100), (128, 64)))
    assert (image[:28] == (200, 0, 0)).all()
    assert (image[-28:] == (0, 0, 200)).all()
    assert not image[40:88].any()


def test_the_corners_of_the_photo_are_where_the_frame_puts_them():
    fitted = fit((100, 100), (128, 64))
    pose = kp.missing_pose()
    # Not the middle of the corner pixels but their outer corners.
    pose[0], pose[1] = (-0.5, -0.5, 1), (99.5, 99.5, 1)
    moved = fit_pose(pose, fitted)
    np.testing.assert_allclose(moved[:2, :2], [[-0.5, 31.5], [63.5, 95.5]], atol=1e-4)


# The second is only padded, the third neither padded nor resized.
@pytest.mark.parametrize("size", [(300, 500), (128, 40), (128, 64)])
def test_a_missing_keypoint_stays_missing_and_the_pose_given_is_kept(size):
    pose = np.tile(np.float32([10, 20, 0.5]), (18, 1))
    pose[4] = (0, 0, 0)
    before = pose.copy()
    moved = fit_pose(pose, fit(size, (128, 64)))
    np.testing.assert_array_equal(pose, before)
    assert np.flatnonzero(~kp.found(moved)).tolist() == [4]
    assert not moved[4].any()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_the_strangest_photos_fit(size):
    photo = np.full((*size, 3), 77, np.uint8)
    image = fit_image(photo, fit(size, (128, 64)))
    assert image.shape == (128, 64, 3)
    assert (image == 77).all()
