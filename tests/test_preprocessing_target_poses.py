"""Poses from files, names, photos, folders and videos."""

import json

import numpy as np
import pytest

from pg2_tf.posing import named_poses
from pg2_tf.posing.retargeting import smooth_sequence
from pg2_tf.posing.target_poses import TargetReader
from preprocessing.images import image_files, video
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import openpose
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError


class SpotEstimator:
    """Finds the nose and neck of a person at the first of the brightest pixels."""

    def estimate(self, image):
        pose = kp.missing_pose()
        if image.max() > 200:
            row, column = np.unravel_index(np.argmax(image[..., 0]), image.shape[:2])
            pose[:2] = (column, row, 1)
        return pose


def spot(x, size=(40, 60)):
    picture = np.zeros((*size, 3), np.uint8)
    if x is not None:
        picture[18:23, x - 2 : x + 3] = 255
    return picture


def write(path, x, size=(40, 60)):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(image_files.encode_png(spot(x, size)))
    return path


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def reader(notes):
    return TargetReader(SpotEstimator, notes=notes, pose_size=(64, 32))


def test_every_named_pose_is_a_whole_body_inside_its_image(reader):
    assert 8 <= len(named_poses.NAMES) <= 16
    poses = []
    for name in named_poses.NAMES:
        (target,) = reader.read(name)
        assert (target.name, target.size) == (name, named_poses.SIZE)
        assert target.frames_per_second == 0
        (pose,) = target.poses
        assert kp.has_torso(pose)
        assert kp.found(pose)[:14].sum() >= 13  # Seen from behind, there is no nose.
        np.testing.assert_array_equal(kp.within(pose, named_poses.SIZE), pose)
        poses.append(pose[:, :2])
    apart = [np.abs(a - b).max() for i, a in enumerate(poses) for b in poses[:i]]
    assert min(apart) > 5


def test_named_poses_match_their_names():
    at = {
        name: dict(zip(kp.NAMES, named_poses.named_pose(name), strict=True))
        for name in named_poses.NAMES
    }
    for side in ("right", "left"):
        up = at["hands-up"]
        assert up[f"{side}_wrist"][1] < up[f"{side}_eye"][1]
        sitting = at["sitting"]
        thigh = sitting[f"{side}_knee"][1] - sitting[f"{side}_hip"][1]
        assert thigh < 0.4 * (sitting[f"{side}_ankle"][1] - sitting[f"{side}_knee"][1])
    assert at["standing"]["right_hip"][0] < at["standing"]["left_hip"][0]
    assert at["standing-back"]["right_hip"][0] > at["standing-back"]["left_hip"][0]
    assert at["standing-left"]["nose"][0] < at["standing-left"]["neck"][0]
    assert at["standing-right"]["nose"][0] > at["standing-right"]["neck"][0]


def test_a_pose_file_and_a_folder_of_them(reader, tmp_path):
    for number, name in enumerate(("walking", "sitting")):
        path = tmp_path / "poses" / f"{number}_{name}_keypoints.json"
        openpose.write_json(path, named_poses.named_pose(name))
    targets = reader.read(str(tmp_path / "poses"))
    assert [target.name for target in targets] == ["0_walking", "1_sitting"]
    (alone,) = reader.read(str(path))
    np.testing.assert_array_equal(alone.poses, targets[1].poses)
    np.testing.assert_allclose(
        alone.poses[0], named_poses.named_pose("sitting"), atol=1e-3
    )
    assert alone.size == (64, 32)


def test_sequences_leave_out_frames_without_a_person(notes, tmp_path):
    reader = TargetReader(
        SpotEstimator,
        notes=notes,
        pose_size=(9, 9),
        sequence=True,
        most_frames=4,
        smooth=False,
    )
    poses = [
        named_poses.named_pose("walking"),
        kp.missing_pose(),
        *[named_poses.named_pose("sitting")] * 3,
    ]
    for number, pose in enumerate(poses):
        openpose.write_json(tmp_path / "clip" / f"{number}_keypoints.json", pose)
    (target,) = reader.read(str(tmp_path / "clip"))
    assert target.poses.shape == (3, 18, 3)
    assert (target.name, target.frames_per_second) == ("clip", 12)
    said = "\n".join(notes.lines())
    assert "first 4 of 5 frames used" in said
    assert "1 of 4 frames without a person left out" in said


def test_a_photo_gives_its_pose_and_size(reader, tmp_path):
    (target,) = reader.read(str(write(tmp_path / "other.png", 31)))
    assert (target.name, target.size) == ("other", (40, 60))
    np.testing.assert_allclose(target.poses[0, 0], (29, 18, 1))


def test_a_folder_of_photos_and_a_video_are_sequences(notes, tmp_path):
    reader = TargetReader(SpotEstimator, notes=notes, pose_size=(9, 9), smooth=False)
    places = [10, 20, None, 30]
    for number, x in enumerate(places):
        write(tmp_path / "frames" / f"{number}.png", x)
    (target,) = reader.read(str(tmp_path / "frames"))
    np.testing.assert_allclose(target.poses[:, 0, 0], (8, 18, 28))
    assert target.frames_per_second == 12
    assert "1 of 4 frames without a person left out" in "\n".join(notes.lines())
    content = video.write_gif([spot(x) for x in places], frames_per_second=5)
    (tmp_path / "clip.gif").write_bytes(content)
    (target,) = reader.read(str(tmp_path / "clip.gif"))
    assert target.poses.shape[0] == 3
    assert target.frames_per_second == pytest.approx(5)
    assert target.size == (40, 60)


def test_unusable_poses_are_refused_in_one_line(reader, tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    (tmp_path / "none.gif").write_bytes(
        video.write_gif([spot(None)] * 3, frames_per_second=5)
    )
    (tmp_path / "text.json").write_text("no pose")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "mixed" / "1.png", 10)
    write(tmp_path / "mixed" / "2.png", 10, size=(50, 50))
    write(tmp_path / "dark.png", None)
    openpose.write_json(tmp_path / "nobody.json", kp.missing_pose())
    for name, message in (
        ("text.jpg", "cannot be decoded as an image"),
        ("text.json", "not JSON"),
        ("none.gif", "no person in any of 3 frames"),
        ("empty", "no JSON file or image in this folder"),
        ("mixed", "the frames have different sizes"),
        ("dark.png", "no person found"),
        ("nobody.json", "no person in this file"),
        ("gone.png", "cannot be read"),
        ("gone.json", "cannot be read"),
    ):
        with pytest.raises(InputError) as error:
            reader.read(str(tmp_path / name))
        assert message in str(error.value)
        assert name in str(error.value)
        assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_known_ones(reader):
    with pytest.raises(InputError) as error:
        reader.read("handstand")
    assert "handstand" in str(error.value)
    for name in named_poses.NAMES:
        assert name in str(error.value)


# === Smoothing ===


def path_of(poses):
    return poses[kp.found(poses)][:, :2]


@pytest.mark.parametrize("name", named_poses.MOTIONS)
def test_smoothing_removes_jitter_and_keeps_the_motion(name):
    clean = np.tile(named_poses.motion(name), (3, 1, 1))
    jittered = clean.copy()
    noise = np.random.default_rng(0).normal(0, 2, (*clean.shape[:2], 2))
    jittered[..., :2] += noise.astype(np.float32) * kp.found(clean)[..., None]
    rate = named_poses.FRAMES_PER_SECOND
    smoothed = smooth_sequence(jittered, frames_per_second=rate)
    before, after = (
        np.abs(np.diff(path_of(poses - clean + (0, 0, 1)), axis=0)).mean()
        for poses in (jittered, smoothed)
    )
    assert after < 0.75 * before
    quiet = smooth_sequence(clean, frames_per_second=rate)
    reach = [np.ptp(poses[:, kp.INDEX["left_wrist"], 0]) for poses in (clean, quiet)]
    assert reach[1] > 0.9 * reach[0]


def test_short_gaps_are_filled_and_long_ones_stay(notes, tmp_path):
    poses = np.tile(named_poses.motion("walk"), (2, 1, 1))
    knee, wrist = kp.INDEX["right_knee"], kp.INDEX["left_wrist"]
    poses[5:8, knee] = 0
    poses[10:20, wrist] = 0
    smoothed = smooth_sequence(poses, frames_per_second=12)
    assert kp.found(smoothed[:, knee]).all()
    truth = np.tile(named_poses.motion("walk"), (2, 1, 1))[5:8, knee, :2]
    assert np.abs(smoothed[5:8, knee, :2] - truth).max() < 12
    assert not kp.found(smoothed[10:20, wrist]).any()
    assert not smoothed[10:20, wrist].any()
    assert (kp.found(smoothed) >= kp.found(poses)).all()


def test_smoothing_can_be_turned_off(notes, tmp_path):
    places = [10, 20, 12, 22, 14, 24, 16, 26, 18, 28]
    content = video.write_gif([spot(x) for x in places], frames_per_second=10)
    (tmp_path / "clip.gif").write_bytes(content)
    paths = {}
    for smooth in (True, False):
        reader = TargetReader(
            SpotEstimator, notes=notes, pose_size=(9, 9), smooth=smooth
        )
        (target,) = reader.read(str(tmp_path / "clip.gif"))
        paths[smooth] = target.poses[:, 0, 0]
    np.testing.assert_allclose(paths[False], np.array(places) - 2)
    assert np.abs(np.diff(paths[True])).mean() < 0.6 * np.abs(np.diff(places)).mean()


def test_a_pose_file_that_declares_its_image_size_keeps_its_proportions(
    tmp_path, reader
):
    pose = [10.0, 20.0, 1.0] * 18
    canvas = {"canvas_height": 100, "canvas_width": 400}
    path = tmp_path / "pose.json"
    path.write_text(json.dumps([{"people": [{"pose_keypoints_2d": pose}], **canvas}]))
    (target,) = reader.read(str(path))
    assert target.size == (100, 400)
    assert target.poses[0, 0].tolist() == [10, 20, 1]
