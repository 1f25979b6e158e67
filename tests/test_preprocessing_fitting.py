"""Any photo into a model's size: the pose stays on the picture."""

import numpy as np
import pytest

from pg2_tf.posing import named_poses
from preprocessing.images.framing import around, fit, fit_image, fit_pose, reframe
from preprocessing.poses import keypoints as kp

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
    scale = new_size[0] / fitted.framed[0]
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
    height, width = fitted.framed
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


@pytest.mark.parametrize("new_size", MODELS, ids=str)
@pytest.mark.parametrize("size", PHOTOS.values(), ids=PHOTOS.keys())
def test_a_crop_is_the_middle_of_the_photo(size, new_size):
    fitted = fit(size, new_size, mode="crop")
    height, width = fitted.framed
    assert height <= size[0]
    assert width <= size[1]
    assert height == size[0] or width == size[1]
    assert abs(height / new_size[0] - width / new_size[1]) * min(new_size) <= 0.5
    rows, columns = np.mgrid[: size[0], : size[1]]
    photo = np.stack([rows // 4, columns // 4, 0 * rows], axis=2).astype(np.uint8)
    image = fit_image(photo, fitted)
    assert image.shape == (*new_size, 3)
    middle = image[new_size[0] // 2, new_size[1] // 2]
    np.testing.assert_allclose(middle, (size[0] // 8, size[1] // 8, 0), atol=2)
    pose = kp.missing_pose()
    pose[3] = ((size[1] - 1) / 2, (size[0] - 1) / 2, 1)
    expected = ((new_size[1] - 1) / 2, (new_size[0] - 1) / 2)
    # Of an odd number of rows, one side loses one more.
    atol = 1 + new_size[0] / height / 2
    np.testing.assert_allclose(fit_pose(pose, fitted)[3, :2], expected, atol=atol)


def test_what_a_crop_cuts_off_is_not_found():
    pose = kp.missing_pose()
    pose[:4] = [(39, 10, 1), (40, 10, 1), (215, 10, 1), (216, 10, 1)]
    moved = fit_pose(pose, fit((256, 256), (256, 176), mode="crop"))
    assert moved[:4].tolist() == [[0, 0, 0], [0, 10, 1], [175, 10, 1], [0, 0, 0]]


def test_padding_keeps_keypoints_outside_the_photo():
    pose = kp.missing_pose()
    pose[5] = (-3, 50, 1)
    moved = fit_pose(pose, fit((128, 60), (128, 64)))
    assert moved[5].tolist() == [-1, 50, 1]


@pytest.mark.parametrize(
    ("size", "new_size", "place", "moved"),
    [
        # DeepFashion's images and their crops.
        ((256, 256), (256, 176), (128, 90), (88, 90)),
        ((256, 176), (256, 256), (88, 90), (128, 90)),
        # The same proportions, at twice the size: pixel centres are whole numbers.
        ((128, 64), (256, 128), (10, 20), (20.5, 40.5)),
        # Its high-resolution images, of which 256x256 were made with a frame.
        ((256, 256), (1101, 750), (127.5, 127.5), (374.5, 550)),
        ((128, 64), (128, 64), (10, 20), (10, 20)),
    ],
)
def test_a_pose_of_the_same_picture_at_another_size(size, new_size, place, moved):
    pose = kp.missing_pose()
    pose[8] = (*place, 0.5)
    result = reframe(pose, size, new_size)
    np.testing.assert_allclose(result[8], (*moved, 0.5), atol=0.3)
    assert not result[np.arange(18) != 8].any()
    assert pose[8].tolist() == [*place, 0.5]


# === Around a person ===


def person(size, *, height, middle):
    """A standing person's pose in a picture of `size`, cut off by its border."""
    pose = named_poses.named_pose("standing")
    low, high = pose[:, 1].min(), pose[:, 1].max()
    x = pose[kp.INDEX["neck"], 0]
    pose[:, :2] = (pose[:, :2] - (x, (low + high) / 2)) * height / (high - low) + middle
    return kp.within(kp.clean(pose), size)


@pytest.mark.parametrize("new_size", MODELS, ids=str)
@pytest.mark.parametrize(
    ("middle", "height"),
    [((500, 300), 200), ((30, 300), 200), ((500, 560), 300), ((990, 20), 400)],
)
def test_a_person_is_cropped_with_room_and_without_needless_borders(
    new_size, middle, height
):
    size = (600, 1000)
    pose = person(size, height=height, middle=middle)
    fitted = around(pose, size, new_size)
    rows, columns = fitted.framed
    assert columns / rows == pytest.approx(new_size[1] / new_size[0], abs=0.01)
    moved = fit_pose(pose, fitted)
    np.testing.assert_array_equal(kp.found(moved), kp.found(pose))
    assert rows >= np.ptp(pose[kp.found(pose), 1])
    # All of it is in the photo, which is large enough.
    assert 0 <= -fitted.top <= size[0] - rows
    assert 0 <= -fitted.left <= size[1] - columns
    assert fit_image(np.zeros((*size, 3), np.uint8), fitted).shape == (*new_size, 3)


def test_a_whole_person_fills_most_of_the_crop_but_not_all():
    pose = person((600, 1000), height=300, middle=(400, 300))
    fitted = around(pose, (600, 1000), (128, 64))
    assert 0.75 < 300 / fitted.framed[0] < 0.9
    moved = fit_pose(pose, fitted)
    assert moved[:, 1][kp.found(moved)].min() > 8
    assert 128 - moved[:, 1].max() > 5


@pytest.mark.parametrize("shoulder", ["right_shoulder", "neck"])
def test_a_portrait_keeps_the_top_of_the_head(shoulder):
    pose = kp.missing_pose()
    pose[kp.INDEX["right_eye"]] = (190, 200, 1)
    pose[kp.INDEX["left_eye"]] = (230, 200, 1)
    pose[kp.INDEX[shoulder]] = (200, 290, 1)
    fitted = around(pose, (600, 400), (256, 256))
    # The shoulders are 90 pixels below the eyes, and the top of the head above them.
    assert -fitted.top <= 200 - 90


@pytest.mark.parametrize("new_size", MODELS, ids=str)
@pytest.mark.parametrize("size", [(90, 400), (400, 60), (80, 80)])
def test_a_photo_too_small_for_the_crop_is_padded_by_its_border(size, new_size):
    pose = person(size, height=70, middle=(size[1] / 2, size[0] / 2))
    fitted = around(pose, size, new_size)
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    framed = fit_image(photo, fitted._replace(new_size=fitted.framed))
    rows = np.clip(np.arange(fitted.framed[0]) - fitted.top, 0, size[0] - 1)
    columns = np.clip(np.arange(fitted.framed[1]) - fitted.left, 0, size[1] - 1)
    np.testing.assert_array_equal(framed, photo[rows][:, columns])


def test_one_keypoint_is_enough_for_a_crop():
    pose = kp.missing_pose()
    pose[0] = (20, 30, 1)
    fitted = around(pose, (100, 100), (128, 64))
    assert fit_pose(pose, fitted)[0, 2] == 1
    assert fit_image(np.zeros((100, 100, 3), np.uint8), fitted).shape == (128, 64, 3)
