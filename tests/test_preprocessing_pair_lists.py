"""Lists of pairs that others published: found again by name, and counted."""

import pickle

import numpy as np
import pytest

from preprocessing.dataset import pair_index
from preprocessing.dataset.pair_index import PairList
from preprocessing.poses import keypoints as kp
from preprocessing.poses.pose_files import default_key
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

NAMES = ["anna/1.jpg", "anna/2.jpg", "ben/1.jpg"]
POSES = np.ones((3, 18, 3), np.float32)


def pair_list(path, *rows, heading="from,to"):
    path.write_text("\n".join([heading, *rows]) + "\n")
    return PairList(path, pair_index.read(path), key=default_key)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pairs.csv"


def test_listed_pairs_keep_their_order_and_direction(path):
    rows = ["ben/1.jpg,anna/2.jpg", "anna/1.jpg,anna/2.jpg", "anna/2.jpg,anna/1.jpg"]
    listed = pair_list(path, *rows)
    pairs = listed.pairs(NAMES, POSES, Notes())
    assert pairs.dtype == np.int32
    assert pairs.tolist() == [[2, 1], [0, 1], [1, 0]]
    assert (listed.used, len(listed.rows)) == (3, 3)


def test_listed_names_may_have_another_suffix_and_columns_another_order(path):
    listed = pair_list(path, "7,anna/2.png,anna/1", heading="score,to,from")
    assert listed.pairs(NAMES, POSES, Notes()).tolist() == [[0, 1]]


def test_listed_names_that_are_not_there_are_counted(path):
    rows = ["anna/1.jpg,anna/2.jpg", "anna/1.jpg,cleo/1.jpg", "cleo/1.jpg,anna/1.jpg"]
    listed = pair_list(path, *rows, "", "x.jpg,y.jpg")
    assert listed.pairs(NAMES[:2], POSES[:2], Notes()).tolist() == [[0, 1]]
    assert (listed.used, len(listed.rows)) == (1, 4)
    # Shard by shard, what was used adds up.
    assert listed.pairs(NAMES[2:], POSES[2:], Notes()).shape == (0, 2)
    assert listed.used == 1


def test_listed_pairs_without_a_pose_are_left_out_and_noted(path):
    listed = pair_list(path, "anna/1.jpg,anna/2.jpg", "ben/1.jpg,anna/2.jpg")
    notes = Notes()
    poses = [kp.missing_pose(), *POSES[1:]]
    assert listed.pairs(NAMES, poses, notes).tolist() == [[2, 1]]
    assert notes.counts == {"listed pairs without a pose left out": 1}
    assert listed.used == 2


@pytest.mark.parametrize("heading", ["from", "to", "source,target", "From,To", ""])
def test_a_missing_column_is_refused_by_name(path, heading):
    with pytest.raises(InputError, match=r"pairs\.csv: .*from,to"):
        pair_list(path, "a.jpg,b.jpg", heading=heading)


@pytest.mark.parametrize("row", ["a.jpg", "a.jpg,", ",b.jpg"])
def test_a_row_with_one_name_is_refused(path, row):
    with pytest.raises(InputError, match=r"pairs\.csv: "):
        pair_list(path, "a.jpg,b.jpg", row)


@pytest.mark.parametrize(
    "content", [b"", b"from,to\n", b"\xff\xd8\xff\xe0", b"from,to\n\xff,\xfe\n"]
)
def test_what_is_no_text_is_refused_by_name(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"pairs\.csv: "):
        pair_index.read(path)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            pair_index.read(path)


def test_a_listed_pair_of_an_image_with_itself_is_left_out_and_counted(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("from,to\na.jpg,a.jpg\na.jpg,b.jpg\n")
    notes = Notes()
    poses = [np.ones((18, 3), np.float32)] * 2
    listed = PairList(path, pair_index.read(path), key=default_key)
    pairs = listed.pairs(["a.jpg", "b.jpg"], poses, notes)
    assert pairs.tolist() == [[0, 1]]
    assert notes.counts["listed pairs of an image with itself left out"] == 1


def test_a_pair_listed_twice_is_taken_once(path):
    listed = pair_list(path, *["anna/1.jpg,anna/2.jpg"] * 3, "anna/2.jpg,anna/1.jpg")
    notes = Notes()
    assert listed.pairs(NAMES, POSES, notes).tolist() == [[0, 1], [1, 0]]
    assert notes.counts == {"pairs listed twice left out": 2}


def test_pickled_pairs_of_the_released_code(tmp_path):
    path = tmp_path / "p_pairs_train.p"
    path.write_bytes(pickle.dumps([["anna/1.jpg", "ben/1.jpg"]], protocol=0))
    assert pair_index.read(path) == [("anna/1.jpg", "ben/1.jpg")]
