"""Where an estimator looks in an image, what it returns, and which models it takes."""

import builtins
import sys

import numpy as np
import pytest
import tensorflow as tf
from preprocessing_estimation_helpers import (
    SIDE,
    box_model,
    convert,
    picture,
    real_people,
)

from preprocessing.estimation import squares
from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.estimation.squares import Square
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "box.tflite"
    path.write_bytes(box_model())
    return path


def box_of(pose):
    """Returns the box around a pose: left, top, right, bottom."""
    places = pose[kp.found(pose), :2]
    return [*places.min(axis=0), *places.max(axis=0)]


def test_the_whole_is_the_smallest_square_around_an_image():
    assert squares.whole((128, 64)) == Square(-32, 0, 128)
    assert squares.whole((64, 128)) == Square(0, -32, 128)
    assert squares.whole((5, 5)) == Square(0, 0, 5)


@pytest.mark.parametrize("size", [(400, 640), (640, 400), (512, 512), (90, 400)])
def test_parts_cover_an_image_and_overlap_by_half(size):
    parts = squares.parts(size, smallest=192)
    side = max(size) // 2
    assert {part.side for part in parts} == {side}
    seen = np.zeros(size, bool)
    for left, top, _ in parts:
        seen[max(top, 0) : top + side, max(left, 0) : left + side] = True
    assert seen.all()
    for starts in ({part.left for part in parts}, {part.top for part in parts}):
        assert max(np.diff(sorted(starts)), default=0) <= side / 2 + 1


def test_no_parts_where_they_would_show_no_more_than_the_whole():
    assert squares.parts((383, 200), smallest=192) == []
    assert squares.parts((384, 200), smallest=192)


def test_a_square_around_points_has_them_in_the_middle_with_a_margin():
    square = squares.around(np.array([[10, 20], [30, 60], [20, 30]]))
    assert square == Square(-4, 16, 50)
    assert squares.around(np.array([[7, 9]])).side == 1


def test_what_lies_beyond_the_border_is_black():
    image = np.full((20, 10, 3), 200, np.uint8)
    shown = squares.cut(image, Square(-5, 0, 20), 20)
    assert shown.shape == (20, 20, 3)
    assert (shown[:, 5:15] == 200).all()
    assert not shown[:, :5].any()
    assert not shown[:, 15:].any()
    corner = squares.cut(image, Square(8, 18, 4), 4)[..., 0]
    assert (corner == np.pad(np.full((2, 2), 200), (0, 2))).all()


@pytest.mark.parametrize("size", [(SIDE, SIDE), (64, 32), (32, 64), (75, 120)])
def test_a_pose_is_in_pixels_of_the_image(model, size):
    box = (5, 3, 24, 29)
    pose = PoseEstimator(model).estimate(picture(size, box))
    assert pose.dtype == np.float32
    assert pose.shape == (18, 3)
    assert kp.found(pose).all()
    np.testing.assert_allclose(box_of(pose), box, atol=max(size) / SIDE)


def test_left_and_right_are_the_persons_own(model):
    pose = PoseEstimator(model).estimate(picture((SIDE, SIDE), (6, 2, 25, 29)))
    for name, (x, _, _) in zip(kp.NAMES, pose, strict=True):
        side = name.split("_")[0]
        expected = {"left": 25, "right": 6}.get(side, 15.5)
        assert x == pytest.approx(expected, abs=0.01), name


def test_the_neck_is_the_middle_of_the_shoulders(model):
    pose = PoseEstimator(model).estimate(picture((SIDE, SIDE), (6, 2, 25, 29)))
    _, neck, right, _, _, left = pose[:6]
    np.testing.assert_allclose(neck, (right + left) / 2, rtol=1e-5)


def test_a_mirrored_image_has_the_mirrored_pose(model):
    estimator = PoseEstimator(model)
    image = picture((64, 64), (10, 4, 33, 60))
    pose = estimator.estimate(image)
    mirrored = pose[list(kp.MIRROR)]
    mirrored[:, 0] = 63 - mirrored[:, 0]
    found = estimator.estimate(np.ascontiguousarray(image[:, ::-1]))
    np.testing.assert_allclose(found, mirrored, atol=1e-3)


def test_a_small_person_is_looked_at_from_nearer_by(model):
    """What the network sees as one pixel is 16 of the image at first, then 4."""
    box = (301, 150, 349, 247)
    pose = PoseEstimator(model).estimate(picture((400, 512), box))
    np.testing.assert_allclose(box_of(pose), box, atol=4)


def test_a_person_too_small_for_the_whole_is_found_in_a_part(model):
    """6 pixels in 4 of the whole's 16x16: too dark to say where to look."""
    box = (333, 77, 338, 82)
    assert squares.whole((512, 512)).side / SIDE == 16
    pose = PoseEstimator(model).estimate(picture((512, 512), box))
    np.testing.assert_allclose(box_of(pose), box, atol=1)


@pytest.mark.parametrize("brightness", [0, 90])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (32, 32), (400, 300)])
def test_nobody_in_an_image_without_bright_pixels(model, size, brightness):
    image = picture(size, (0, 0, size[1] - 1, size[0] - 1), brightness=brightness)
    pose = PoseEstimator(model).estimate(image)
    np.testing.assert_array_equal(pose, kp.missing_pose())


def test_keypoints_less_sure_than_min_confidence_were_not_found(model):
    image = picture((SIDE, SIDE), (6, 2, 25, 29), brightness=153)
    for min_confidence, found in ((0.59, True), (0.61, False)):
        estimator = PoseEstimator(model, min_confidence=min_confidence)
        assert kp.found(estimator.estimate(image)).all() == found


def fixed_model(path, keypoints):
    """Writes a model that always returns the same keypoints [17, 3]."""
    answer = tf.constant(keypoints, tf.float32)

    def find(image):
        return answer[None, None] + 0 * tf.cast(image[0, 0, 0, 0], tf.float32)

    path.write_bytes(convert(find, (1, 8, 8, 3)))
    return path


def test_keypoints_outside_the_image_are_dropped(tmp_path):
    """The image is the middle half of the square that the network sees."""
    places = np.full((17, 3), 0.9)
    places[:, 0] = np.linspace(0.1, 0.9, 17)
    places[:, 1] = 0.5
    places[[9, 10], 1] = 0.2, 0.8  # The wrists, which mirroring does not move.
    model = fixed_model(tmp_path / "model.tflite", places)
    pose = PoseEstimator(model).estimate(picture((16, 8)))
    lost = {kp.NAMES[index] for index in np.flatnonzero(~kp.found(pose))}
    assert lost == {"left_wrist", "right_wrist"}


def test_keypoints_outside_the_image_do_not_say_where_to_look(tmp_path, monkeypatch):
    places = np.tile([0.05, 0.5, 0.9], (17, 1))
    model = fixed_model(tmp_path / "model.tflite", places)
    looked_at, cut = [], squares.cut

    def noted(image, square, side):
        looked_at.append(square)
        return cut(image, square, side)

    monkeypatch.setattr(squares, "cut", noted)
    pose = PoseEstimator(model).estimate(picture((8, 16)))
    np.testing.assert_array_equal(pose, kp.missing_pose())
    assert looked_at == [squares.whole((8, 16))]


@pytest.mark.parametrize(("sure", "found"), [([1, 2], 0), ([0, 1, 2], 3)])
def test_fewer_than_three_keypoints_are_no_person(tmp_path, sure, found):
    places = np.full((17, 3), 0.5)
    places[:, 2] = 0.9 * np.isin(np.arange(17), sure)
    model = fixed_model(tmp_path / "model.tflite", places)
    assert kp.found(PoseEstimator(model).estimate(picture((8, 8)))).sum() == found


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(InputError, match=rf"{path}: no such model file"):
        PoseEstimator(path)
    whole = box_model()
    for content in (b"", b"<html>not found</html>", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{path}: not a TensorFlow Lite model"):
            PoseEstimator(path)


@pytest.mark.parametrize(
    ("shape", "dtype", "returned"),
    [
        ((1, 8, 8, 3), tf.float32, (1, 1, 17, 3)),
        ((1, 8, 9, 3), tf.uint8, (1, 1, 17, 3)),
        ((1, 8, 8, 3), tf.uint8, (1, 6, 56)),
        ((8,), tf.uint8, (1, 1, 17, 3)),
    ],
)
def test_another_model_is_refused_with_what_it_takes(tmp_path, shape, dtype, returned):
    path = tmp_path / "model.tflite"

    def other(values):
        return tf.zeros(returned) + tf.reduce_sum(tf.cast(values, tf.float32))

    path.write_bytes(convert(other, shape, dtype))
    said = f"it takes {dtype.name} {list(shape)} and returns float32 {list(returned)};"
    with pytest.raises(InputError) as error:
        PoseEstimator(path)
    assert str(error.value).startswith(
        f"{path}: not a MoveNet SinglePose model: {said}"
    )


def test_litert_is_only_needed_to_estimate(model, monkeypatch):
    monkeypatch.delitem(sys.modules, "ai_edge_litert.interpreter", raising=False)
    real = builtins.__import__

    def without(name, *arguments):
        if name.startswith("ai_edge_litert"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="pip install ai-edge-litert"):
        PoseEstimator(model)


def median_error(people, estimated):
    """Returns the median distance of keypoints found in both, in image heights."""
    errors = []
    for (image, openpose), pose in zip(people, estimated, strict=True):
        both = kp.found(pose) & kp.found(openpose)
        apart = pose[both, :2] - openpose[both, :2]
        errors += list(np.linalg.norm(apart, axis=1) / image.shape[0])
    return np.median(errors)


@pytest.mark.parametrize(
    ("archive", "folder", "table", "allowed"),
    [
        (
            "market1501.zip",
            "market1501/bounding_box_test/",
            "market1501/market-annotation-test.csv",
            0.03,
        ),
        (
            "deepfashion.zip",
            "deepfashion/flat/images/",
            "deepfashion/flat/fasion-annotation.csv",
            0.02,
        ),
    ],
)
def test_real_people_have_about_the_pose_that_openpose_found(
    shared, tmp_path, archive, folder, table, allowed
):
    people = real_people(shared / "data" / archive, tmp_path, folder, table)
    path = shared / "models" / "movenet_singlepose_lightning_int8_4.tflite"
    estimator = PoseEstimator(path)
    estimated = [estimator.estimate(image) for image, _ in people]
    assert median_error(people, estimated) <= allowed
    swapped = [pose[list(kp.MIRROR)] for pose in estimated]
    assert median_error(people, swapped) > 2 * allowed
    found = kp.found(np.stack(estimated))
    expected = kp.found(np.stack([openpose for _, openpose in people]))
    # OpenPose misses more keypoints than MoveNet, most of all in small images.
    assert (found & expected).sum() >= 0.75 * found.sum()
    assert (found & expected).sum() >= 0.9 * expected.sum()
    assert found.any(axis=1).mean() > 0.95
