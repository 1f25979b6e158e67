"""Whether poses of DeepFashion were found in 256x256 images or in 176 columns."""

import zipfile

import numpy as np
import pytest

from preprocessing.poses.formats.annotation_csv import read_csv
from preprocessing.sources.deepfashion import pose_size
from preprocessing.system.errors import InputError

WHOLE, CROPPED = (256, 256), (256, 176)
ANNOTATIONS = (
    "deepfashion/flat/fasion-annotation.csv",
    "deepfashion/inshop/keypoints-movenet.csv",
)


def standing(middle, *, count=8, reach=40, seed=0):
    """Returns poses [count, 18, 3] about a column, within `reach` of it."""
    rng = np.random.default_rng(seed)
    poses = np.ones((count, 18, 3), np.float32)
    poses[..., 0] = middle + rng.uniform(-reach, reach, (count, 18))
    poses[:, [1, 2, 5, 8, 11], 0] = middle + rng.uniform(-8, 8, (count, 5))
    poses[..., 1] = rng.uniform(5, 250, (count, 18))
    return poses


def cropped(poses):
    """Cuts 40 columns off at the left: whom that hides is not found."""
    moved = poses.copy()
    moved[..., 0] -= 40 * (poses[..., 2] > 0)
    moved[moved[..., 0] < 0] = 0
    return moved


def test_the_middle_tells():
    assert pose_size(standing(128)) == WHOLE
    assert pose_size(standing(88)) == CROPPED
    assert pose_size([standing(88, count=2), *standing(88, seed=1)]) == CROPPED


def test_a_keypoint_beyond_the_cut_tells_of_a_single_pose():
    pose = standing(128, count=1)
    with pytest.raises(
        InputError, match=r"^1 poses of DeepFashion do not tell in which"
    ):
        pose_size(pose)
    pose[0, 4, 0] = 200
    assert pose_size(pose) == WHOLE


def test_a_stray_keypoint_does_not_tell():
    poses = standing(88, count=200)
    poses[17, 4, 0] = 200
    assert pose_size(poses) == CROPPED


@pytest.mark.parametrize(
    "poses", [standing(108), standing(88, count=4), standing(64)[:3]]
)
def test_what_is_not_clear_is_asked_for(poses):
    with pytest.raises(InputError, match="give --pose_size=256x256, or 256x176 for"):
        pose_size(poses)


def test_keypoints_beyond_the_cut_about_the_middle_of_it_are_not_clear():
    poses = standing(88)
    poses[:, 4, 0] = 200
    with pytest.raises(InputError, match="do not tell"):
        pose_size(poses)


def test_poses_of_larger_images_and_no_poses_are_those_of_the_images():
    larger = standing(128)
    larger[..., 1] *= 4
    wider = standing(128)
    wider[..., 0] *= 3
    for poses in (larger, wider, [], [np.zeros((0, 18, 3))], np.zeros((3, 18, 3))):
        assert pose_size(poses) is None


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_real_poses_and_random_choices_of_them(shared, tmp_path, name):
    with zipfile.ZipFile(shared / "data" / "deepfashion.zip") as archive:
        poses = np.stack(list(read_csv(archive.extract(name, tmp_path)).values()))
    rng = np.random.default_rng(0)
    for people, size in ((poses, WHOLE), (cropped(poses), CROPPED)):
        assert pose_size(people) == size
        for count, undecided in ((5, 0.1), (10, 0.01), (20, 0)):
            answers = [answer(rng.permutation(people)[:count]) for _ in range(200)]
            assert set(answers) <= {size, "undecided"}
            assert answers.count("undecided") <= undecided * len(answers)


def answer(poses):
    try:
        return pose_size(poses)
    except InputError:
        return "undecided"
