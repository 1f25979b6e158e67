"""Which keypoints of a target pose count as found again in an image."""

import numpy as np
import pytest
from preprocessing_estimation_helpers import SIDE, box_model, picture, real_people

from pg2_tf.evaluation.metrics.pose_accuracy import PoseAccuracy, compare, head_sizes
from preprocessing.estimation import movenet
from preprocessing.poses import keypoints as kp
from preprocessing.system import files
from preprocessing.system.errors import InputError


class FakeEstimator:
    """Finds the pose that belongs to an image's first pixel."""

    def __init__(self, poses):
        self._poses = poses

    def estimate(self, image):
        """Returns that pose."""
        return self._poses[image[0, 0, 0]]


def numbered_images(count):
    return np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))


def person():
    """Returns a pose whose head, from ear to ear and eyes to neck, is 12x20."""
    pose = np.ones((18, 3), np.float32)
    pose[:, 0] = 40 + np.arange(18)
    pose[:, 1] = 60 + 5 * np.arange(18)
    head = {
        "right_ear": (30, 12),
        "left_ear": (42, 12),
        "right_eye": (34, 10),
        "left_eye": (38, 10),
        "nose": (36, 14),
        "neck": (36, 30),
    }
    for name, place in head.items():
        pose[kp.INDEX[name], :2] = place
    return pose


def test_the_head_is_the_box_around_its_keypoints():
    poses = np.stack([person()] * 4)
    poses[1, [kp.INDEX["neck"], kp.INDEX["left_ear"]]] = 0
    only = [kp.INDEX["neck"], kp.INDEX["nose"]]
    poses[2, [i for i in range(18) if i not in only]] = 0
    poses[3, [i for i in range(18) if i != kp.INDEX["neck"]]] = 0
    sizes = head_sizes(poses)
    np.testing.assert_array_equal(sizes[:3], [(12, 20), (8, 4), (0, 16)])
    assert np.isnan(sizes[3]).all()


@pytest.mark.parametrize(
    ("across", "down", "correct"),
    [
        (0, 0, True),
        (5.99, 9.99, True),
        (-5.99, -9.99, True),
        (6, 0, False),
        (0, -10, False),
        (6.01, 9, False),
        (5, 10.01, False),
    ],
)
def test_a_keypoint_may_be_off_by_less_than_half_the_head(across, down, correct):
    target, found = person()[None], person()[None]
    knee = kp.INDEX["left_knee"]
    found[0, knee, :2] += (across, down)
    right, counted = compare(found, target)
    assert counted.all()
    assert right[0, knee] == correct
    assert right.sum() == 17 + correct


def test_keypoints_that_either_pose_lacks():
    target, found = person()[None], person()[None]
    target[0, [4, 7]] = 0
    found[0, [7, 10, 13]] = 0
    right, counted = compare(found, target)
    np.testing.assert_array_equal(np.flatnonzero(~counted[0]), [4, 7])
    np.testing.assert_array_equal(np.flatnonzero(~right[0]), [4, 7, 10, 13])


def test_a_missing_keypoint_is_not_found_at_the_corner_where_it_is_stored():
    target, found = person()[None], person()[None]
    target[0, 4, :2] = 1
    found[0, 4] = 0
    right, counted = compare(found, target)
    assert counted[0, 4]
    assert not right[0, 4]


def test_poses_without_a_head_do_not_count_and_flat_heads_are_never_right():
    targets = np.stack([person()] * 3)
    targets[0, list(range(14, 18))] = 0
    targets[0, 0] = 0
    targets[1, list(range(14, 18))] = 0
    right, counted = compare(np.stack([person()] * 3), targets)
    assert not counted[0].any()
    assert counted[1].sum() == 14
    np.testing.assert_array_equal(right.sum(axis=1), [0, 0, 18])


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_each_image_is_compared_with_its_own_pose(workers):
    rng = np.random.default_rng(0)
    poses = np.stack([person()] * 13)
    found = poses.copy()
    wrong = rng.random((13, 18)) < 0.3
    found[wrong, 0] += 50
    measure = PoseAccuracy([FakeEstimator(found)] * workers)
    right, counted = measure.correct(numbered_images(13), poses)
    assert (right.dtype, counted.dtype) == (bool, bool)
    np.testing.assert_array_equal(right, ~wrong)
    assert counted.all()


def test_shapes_that_do_not_belong_together_are_refused():
    measure = PoseAccuracy([FakeEstimator([])])
    with pytest.raises(ValueError, match=r"needed \[B, H, W, 3\] and \[B, 18, 3\]"):
        measure.correct(numbered_images(3), np.stack([person()] * 2))


def test_the_shipped_estimator_finds_its_own_poses_again(tmp_path):
    path = tmp_path / "box.tflite"
    path.write_bytes(box_model())
    measure = PoseAccuracy.load(path)
    assert measure.checksum == files.sha256(path)
    size = (SIDE, SIDE)
    boxes = [(4, 2, 27, 29), (6, 1, 25, 30), (3, 3, 28, 28)]
    images = np.stack([picture(size, box) for box in boxes])
    poses = np.stack([measure._estimators[0].estimate(image) for image in images])
    right, counted = measure.correct(images, poses)
    assert counted.all()
    assert right.all()
    right, counted = measure.correct(np.zeros_like(images), poses)
    assert counted.all()
    assert not right.any()


def test_models_that_are_none_are_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such model file"):
        PoseAccuracy.load(tmp_path / "nowhere.tflite")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "pg2_tf" / movenet.NAME
    path.parent.mkdir()
    path.write_bytes(b"another model")
    with pytest.raises(
        InputError, match="or name a copy of it with --pose_model"
    ) as error:
        PoseAccuracy.load(None)
    assert str(error.value).startswith(f"{path}: its SHA-256 is ")


@pytest.mark.parametrize(
    ("archive", "folder", "table", "least"),
    [
        (
            "market1501.zip",
            "market1501/bounding_box_test/",
            "market1501/market-annotation-test.csv",
            0.8,
        ),
        (
            "deepfashion.zip",
            "deepfashion/flat/images/",
            "deepfashion/flat/fasion-annotation.csv",
            0.85,
        ),
    ],
)
def test_real_people_are_found_where_openpose_found_them(
    shared, tmp_path, archive, folder, table, least
):
    people = real_people(shared / "data" / archive, tmp_path, folder, table)
    images = np.stack([image for image, _ in people])
    poses = np.stack([pose for _, pose in people])
    measure = PoseAccuracy.load(shared / "models" / movenet.NAME)
    right, counted = measure.correct(images, poses)
    assert counted.sum() > 5 * len(people)
    real = right.sum() / counted.sum()
    assert real > least
    others, _ = measure.correct(images[::-1], poses)
    assert others.sum() / counted.sum() < 0.5 * real
