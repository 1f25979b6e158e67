"""OpenPose's JSON: every version's keys and models, and what is no such JSON."""

import json

import numpy as np
import pytest

from preprocessing import keypoints as kp
from preprocessing.errors import InputError
from preprocessing.openpose import read_json, write_json

NEW, OLD = "pose_keypoints_2d", "pose_keypoints"


def numbers(count, *, confidence=0.5, start=1):
    """Returns `count` keypoints: x counts up from `start`, y is x + 1000."""
    return [
        number
        for index in range(count)
        for number in (start + index, 1000 + start + index, confidence)
    ]


def write(path, people, key=NEW):
    content = {"version": 1.2, "people": [{key: values} for values in people]}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "anna_keypoints.json"


@pytest.mark.parametrize("key", [NEW, OLD])
def test_coco_of_new_and_old_versions(path, key):
    pose, people = read_json(write(path, [numbers(18)], key=key))
    assert people == 1
    assert pose.dtype == np.float32
    expected = [[1 + n, 1001 + n, 0.5] for n in range(18)]
    np.testing.assert_array_equal(pose, expected)


def test_body_25_drops_mid_hip_and_feet(path):
    pose, _ = read_json(write(path, [numbers(25, start=0)]))
    names = "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
    names += "left_wrist MIDHIP right_hip right_knee right_ankle left_hip left_knee "
    names += "left_ankle right_eye left_eye right_ear left_ear"
    for place, name in enumerate(names.split()):
        if name != "MIDHIP":
            assert pose[kp.INDEX[name]].tolist() == [place, 1000 + place, 0.5]
    assert not np.isin([8, *range(19, 25)], pose[:, 0]).any()


def test_mpi_is_refused_with_the_reason(path):
    with pytest.raises(InputError, match=r"anna_keypoints.json: .*15.*MPI.*COCO"):
        read_json(write(path, [numbers(15)]))


@pytest.mark.parametrize("people", [[], [[0] * 54], [[0] * 75, [0] * 54]])
def test_nobody(path, people):
    pose, count = read_json(write(path, people))
    assert pose is None
    assert count == 0


def test_of_several_people_the_one_with_the_highest_mean_confidence(path):
    # Higher where found, but found in few joints: the mean is over all 18.
    few = numbers(18, confidence=0.95, start=100)
    few[9:] = [0] * 45
    people = [few, numbers(18, confidence=0.4), numbers(25, confidence=0.6, start=200)]
    pose, count = read_json(write(path, [*people, [0] * 54]))
    assert count == 3
    assert pose[0].tolist() == [200, 1200, np.float32(0.6)]


def test_joints_not_found_are_zeros(path):
    values = numbers(18)
    values[6:9] = [55, 66, 0]
    values[9:12] = [0, 0, 0]
    pose, _ = read_json(write(path, [values]))
    assert not pose[2:4].any()
    assert kp.found(pose).sum() == 16


def test_what_was_written_is_read(path):
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 300, (18, 3)).round(2).astype(np.float32)
    pose[:, 2] = rng.uniform(0.1, 1, 18).round(2)
    pose[4] = 0
    write_json(path, pose)
    back, people = read_json(path)
    assert people == 1
    np.testing.assert_allclose(back, pose, rtol=1e-6)
    write_json(path, kp.missing_pose())
    assert read_json(path).pose is None


def test_what_was_written_is_openpose_coco_json(path):
    write_json(path, np.tile([1.5, 2.25, 0.5], (18, 1)))
    (person,) = json.loads(path.read_text())["people"]
    assert person[NEW] == [1.5, 2.25, 0.5] * 18


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\x00\xff\xfe\x89PNG",
        b"[]",
        b"null",
        b'"people"',
        b"{}",
        b'{"people": null}',
        b'{"people": {}}',
        b'{"people": [1]}',
        b'{"people": [[]]}',
        b'{"people": [{}]}',
        b'{"people": [{"pose_keypoints_2d": null}]}',
        b'{"people": [{"pose_keypoints_2d": "1,2,3"}]}',
        b'{"people": [{"pose_keypoints_2d": {"nose": 1}}]}',
        b"[" * 100_000,
        b'{"people": ' * 2_000,
    ],
    ids=lambda content: repr(content[:40]),
)
def test_what_is_no_openpose_json_is_refused_by_name(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"anna_keypoints\.json: "):
        read_json(path)


@pytest.mark.parametrize("count", [1, 2, 53, 55, 17 * 3, 70 * 3, 26 * 3])
def test_other_lengths_are_refused_with_what_is_allowed(path, count):
    with pytest.raises(InputError, match=rf"anna.*{count} numbers.*54.*75"):
        read_json(write(path, [[1] * count]))


@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "Infinity", "-Infinity", "1e999", "1e8", "1" * 400, "-" + "9" * 30),
        *("null", "true", '"1"', "[1]", "{}"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_no_number_of_a_pose_is_refused_by_name(path, value, place):
    values = ["1"] * 54
    values[3 + place] = value
    path.write_text(f'{{"people": [{{"{NEW}": [{",".join(values)}]}}]}}')
    with pytest.raises(InputError, match=r"anna_keypoints\.json: person 0"):
        read_json(path)


def test_a_number_too_long_for_python_is_refused_by_name(path):
    path.write_text(f'{{"people": [{{"{NEW}": [{"1" * 10_000}]}}]}}')
    with pytest.raises(InputError, match=r"anna_keypoints\.json: "):
        read_json(path)


def test_the_second_person_is_checked_too_and_named(path):
    with pytest.raises(InputError, match="person 1 has 2 numbers"):
        read_json(write(path, [numbers(18), [1, 2]]))


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_json(path)


def test_the_real_files_of_an_older_openpose(shared):
    paths = sorted((shared / "data" / "openpose_json").glob("*_keypoints.json"))
    assert len(paths) == 6
    for path in paths:
        people = [p[OLD] for p in json.loads(path.read_text())["people"]]
        pose, count = read_json(path)
        assert count == len(people)
        best = max(people, key=lambda values: sum(values[2::3]))
        expected = np.float32(best).reshape(18, 3)
        np.testing.assert_array_equal(pose, expected)
        assert kp.found(pose).sum() >= 8
        assert (pose[kp.found(pose), :2] > 0).all()
