"""OpenPose's JSON: every version's keys and models, and what is no such JSON."""

import json

import numpy as np
import pytest

from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats.openpose import write_json
from preprocessing.poses.pose_files import PoseOptions, read_one
from preprocessing.system.errors import InputError

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


def only_person(path):
    """Returns the pose of the one person in a file."""
    (pose,) = read_one(path).people
    return pose


@pytest.mark.parametrize("key", [NEW, OLD])
def test_coco_of_new_and_old_versions(path, key):
    pose = only_person(write(path, [numbers(18)], key=key))
    assert pose.dtype == np.float32
    expected = [[1 + n, 1001 + n, 0.5] for n in range(18)]
    np.testing.assert_array_equal(pose, expected)


def test_the_bodies_of_the_first_versions(path):
    content = {"version": 0.1, "bodies": [{"joints": numbers(18)}]}
    path.write_text(json.dumps(content))
    assert only_person(path)[4].tolist() == [5, 1005, 0.5]


def test_body_25_drops_mid_hip_and_feet(path):
    pose = only_person(write(path, [numbers(25, start=0)]))
    names = "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
    names += "left_wrist MIDHIP right_hip right_knee right_ankle left_hip left_knee "
    names += "left_ankle right_eye left_eye right_ear left_ear"
    for place, name in enumerate(names.split()):
        if name != "MIDHIP":
            assert pose[kp.INDEX[name]].tolist() == [place, 1000 + place, 0.5]
    assert not np.isin([8, *range(19, 25)], pose[:, 0]).any()


def test_mpi_is_refused_with_the_reason(path):
    with pytest.raises(InputError, match=r"anna_keypoints.json: .*15.*MPI.*COCO"):
        read_one(write(path, [numbers(15)]))


@pytest.mark.parametrize("people", [[], [[0] * 54], [[0] * 75, [0] * 54], [[]]])
def test_nobody(path, people):
    found = read_one(write(path, people))
    assert found.people.shape == (0, 18, 3)
    assert found.scores.shape == (0,)


@pytest.mark.parametrize("body", [{}, {NEW: []}, {NEW: None}], ids=repr)
def test_a_face_or_a_hand_without_a_body_is_nobody(path, body):
    faces = [
        {"person_id": [-1], "face_keypoints_2d": numbers(70)} | body,
        {"hand_left_keypoints": [], "hand_right_keypoints": numbers(21)} | body,
    ]
    path.write_text(json.dumps({"people": faces}))
    assert len(read_one(path).people) == 0


def test_faces_and_hands_beside_a_body_are_passed_over(path):
    person = {
        "face_keypoints_2d": numbers(70),
        "pose_keypoints_3d": [],
        NEW: numbers(18),
    }
    path.write_text(json.dumps({"people": [person | {"hand_left_keypoints_2d": [7]}]}))
    assert only_person(path)[0].tolist() == [1, 1001, 0.5]


def test_all_people_scored_by_their_mean_confidence_over_all_keypoints(path):
    few = numbers(18, confidence=0.9, start=100)
    few[9:] = [0] * 45
    people = [few, numbers(18, confidence=0.4), numbers(25, confidence=0.6, start=200)]
    found = read_one(write(path, [*people, [0] * 54]))
    assert found.people[:, 0, 0].tolist() == [100, 1, 200]
    np.testing.assert_allclose(found.scores, [0.9 / 6, 0.4, 0.6], rtol=1e-6)


def test_joints_not_found_are_zeros(path):
    values = numbers(18)
    values[6:9] = [55, 66, 0]
    values[9:12] = [0, 0, 0]
    pose = only_person(write(path, [values]))
    assert not pose[2:4].any()
    assert kp.found(pose).sum() == 16


def test_what_was_written_is_read(path):
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 300, (18, 3)).round(2).astype(np.float32)
    pose[:, 2] = rng.uniform(0.1, 1, 18).round(2)
    pose[4] = 0
    write_json(path, pose)
    np.testing.assert_allclose(only_person(path), pose, rtol=1e-6)
    write_json(path, kp.missing_pose())
    assert len(read_one(path).people) == 0


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
        read_one(path, PoseOptions(format="openpose"))


@pytest.mark.parametrize("count", [1, 2, 53, 55])
def test_what_is_not_three_numbers_each_is_refused(path, count):
    with pytest.raises(InputError, match=rf"anna.*person 0 has {count} numbers"):
        read_one(write(path, [[1] * count]))


@pytest.mark.parametrize("count", [1, 19, 24, 70])
def test_other_models_are_refused_with_what_is_allowed(path, count):
    with pytest.raises(InputError, match=rf"anna.*{count} keypoints; allowed.*18.*25"):
        read_one(write(path, [numbers(count)]))


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
        read_one(path)


def test_a_number_too_long_for_python_is_refused_by_name(path):
    path.write_text(f'{{"people": [{{"{NEW}": [{"1" * 10_000}]}}]}}')
    with pytest.raises(InputError, match=r"anna_keypoints\.json: "):
        read_one(path)


def test_the_second_person_is_checked_too_and_named(path):
    with pytest.raises(InputError, match="person 1 has 2 numbers"):
        read_one(write(path, [numbers(18), [1, 2]]))


def test_utf_16_and_a_byte_order_mark_are_read(path):
    text = json.dumps({"people": [{NEW: numbers(18)}]})
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_bytes(text.encode(encoding))
        assert only_person(path)[0].tolist() == [1, 1001, 0.5]


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    (tmp_path / "folder.json").mkdir()
    for path in (tmp_path / "none.json", tmp_path / "folder.json", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_one(path)


def test_the_real_files_of_an_older_openpose(shared):
    paths = sorted((shared / "data" / "openpose_json").glob("*_keypoints.json"))
    assert len(paths) == 6
    for path in paths:
        people = [p[OLD] for p in json.loads(path.read_text())["people"]]
        found = read_one(path)
        assert not found.normalized
        np.testing.assert_array_equal(
            found.people, np.float32(people).reshape(-1, 18, 3)
        )
        assert (kp.found(found.people).sum(axis=1) >= 8).any()
