"""Annotation CSVs: the forms that are around, and rows that are none."""

import math

import numpy as np
import pytest

from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats.annotation_csv import read_csv, write_csv
from preprocessing.system.errors import InputError

HEADING = "name:keypoints_y:keypoints_x"
Y = [10, 20, 30.5, -1, *range(50, 64)]
X = [1, 2, 3, -1, *range(5, 19)]
EXPECTED = [
    [0, 0, 0] if y < 0 else [x, y, 1] for x, y in zip(X, Y, strict=True)
]  # y stands first in the file, x first in a pose.


def write(path, *rows, ending="\n"):
    path.write_text(ending.join(rows) + ending)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "annotation.csv"


@pytest.mark.parametrize("heading", [[HEADING], ["name: keypoints_y: keypoints_x"], []])
@pytest.mark.parametrize("colon", [":", ": ", " : "])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_with_and_without_heading_and_spaces(path, heading, colon, ending):
    row = colon.join(["anna.jpg", str(Y), str(X)])
    poses = read_csv(write(path, *heading, row, "", ending=ending))
    assert list(poses) == ["anna.jpg"]
    assert poses["anna.jpg"].dtype == np.float32
    np.testing.assert_array_equal(poses["anna.jpg"], EXPECTED)


def test_names_may_have_folders_and_order_is_kept(path):
    names = ["b/01.jpg", "a/01.jpg", "a b.jpg"]
    poses = read_csv(write(path, *(f"{name}:{Y}:{X}" for name in names)))
    assert list(poses) == names


def test_one_negative_coordinate_is_enough_to_be_not_found(path):
    y, x = list(Y), list(X)
    y[5], x[7] = -1, -1
    pose = read_csv(write(path, f"anna:{y}:{x}"))["anna"]
    assert np.flatnonzero(~kp.found(pose)).tolist() == [3, 5, 7]
    assert not pose[[3, 5, 7]].any()


def test_a_keypoint_at_the_origin_was_found(path):
    zeros = [0] * 18
    assert kp.found(read_csv(write(path, f"anna:{zeros}:{zeros}"))["anna"]).all()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"bad.jpg: {Y[:17]}: {X}", "17"),
        (f"bad.jpg: {Y}: {X[:17]}", "17"),
        (f"bad.jpg: {[*Y, 1]}: {X}", "19"),
        ("bad.jpg: []: []", "0"),
        (f"bad.jpg: {Y}", "expected"),
        (f"bad.jpg {Y} {X}", "expected"),
        (f"bad.jpg: {Y}: {X}: {X}", "expected"),
        (f": {Y}: {X}", "expected"),
        (f"bad.jpg: {Y[:17]}, 'a': {X}", "list of numbers"),
        (f"bad.jpg: {[*Y[:17], 'a']}: {X}", "list of numbers"),
        (f"bad.jpg: {[*Y[:17], None]}: {X}", "list of numbers"),
        (f"bad.jpg: {[*Y[:17], True]}: {X}".replace("True", "true"), "list of"),
        (f"bad.jpg: {[*Y[:17], math.nan]}: {X}".replace("nan", "NaN"), "list of"),
        (f"bad.jpg: {Y}: {[*X[:17], '1e999']}".replace("'", ""), "list of"),
        (f"bad.jpg: {Y}: {[*X[:17], 10**400]}", "list of"),
        (f"bad.jpg: {Y}: {[*X[:17], 10**8]}", "list of"),
        (f"bad.jpg: {Y}: 3", "list of"),
        (f"bad.jpg: {Y}: {'[' * 100_000}", "list of"),
        ("a line of text", "expected"),
    ],
    ids=lambda value: value[:24] + "..." + value[-12:],
)
def test_a_malformed_row_is_refused_by_file_and_row(path, row, reason):
    write(path, HEADING, f"anna.jpg: {Y}: {X}", row, f"ben.jpg: {Y}: {X}")
    with pytest.raises(InputError) as refused:
        read_csv(path)
    message = str(refused.value)
    assert message.startswith(f"{path}, row 3: ")
    assert reason in message
    assert "\n" not in message
    assert len(message) < 250 + len(str(path))


def test_a_second_other_pose_is_refused_and_a_repetition_is_not(path):
    other = [*Y[:17], 1]
    assert len(read_csv(write(path, f"anna:{Y}:{X}", f"anna:{Y}:{X}"))) == 1
    with pytest.raises(InputError, match=r"annotation\.csv, row 3: .*anna"):
        read_csv(write(path, f"anna:{Y}:{X}", f"ben:{Y}:{X}", f"anna:{other}:{X}"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        HEADING.encode(),
        b"\xff\xd8\xff\xe0JFIF",
        b"PK\x03\x04\0\0",
        "anna".encode("utf-16"),
        b"name,keypoints\nanna,1\n",
    ],
    ids=repr,
)
def test_a_file_without_annotations_is_refused_by_name(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"annotation\.csv"):
        read_csv(path)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_csv(path)


def test_what_was_written_is_read(path):
    rng = np.random.default_rng(0)
    poses = {}
    for name in ("anna/01.jpg", "ben.png", "nobody.jpg"):
        pose = np.ones((18, 3), np.float32)
        pose[:, :2] = rng.uniform(0, 250, (18, 2))
        pose[rng.random(18) < (1 if name == "nobody.jpg" else 0.3)] = 0
        poses[name] = pose
    write_csv(path, poses)
    assert path.read_text().splitlines()[0] == HEADING
    back = read_csv(path)
    assert list(back) == list(poses)
    for name, pose in poses.items():
        np.testing.assert_allclose(back[name], pose, atol=6e-4)
        np.testing.assert_array_equal(kp.found(back[name]), kp.found(pose))


def test_what_was_written_has_y_first_and_minus_one_where_not_found(path):
    pose = kp.missing_pose()
    pose[0] = (7, 9, 0.4)
    write_csv(path, {"anna": pose})
    row = path.read_text().splitlines()[1].replace(" ", "").replace(".0", "")
    nothing = ",-1" * 17
    assert row == f"anna:[9{nothing}]:[7{nothing}]"
