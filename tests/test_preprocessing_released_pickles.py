"""The pickles of the released code: who was found, and which images are pairs."""

import pickle

import numpy as np
import pytest
import tensorflow as tf

from preprocessing.poses import detections
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.system.errors import InputError

NAME = "0002_c1s1_000151_01.jpg"


def joints(**peaks):
    """Returns 18 lists of peaks; `j3=[...]` gives those of joint 3."""
    return [peaks.get(f"j{joint}", []) for joint in range(18)]


def person(score, **ids):
    """Returns a row of a subset; `j3=7` gives it the peak of id 7 for joint 3."""
    row = np.full(20, -1.0)
    for joint, number in ids.items():
        row[int(joint[1:])] = number
    row[-2:] = score, len(ids)
    return row


def write(folder, peaks, subsets, *, kind="Market-1501_train", protocol=0):
    path = folder / f"all_peaks_dic_{kind}.p"
    path.write_bytes(pickle.dumps(peaks, protocol))
    if subsets is not None:
        beside = folder / f"subsets_dic_{kind}.p"
        beside.write_bytes(pickle.dumps(subsets, protocol))
    return path


TWO = joints(
    j0=[(np.int64(10), np.int64(20), np.float64(0.9), 0), (30, 21, 0.8, 1)],
    j1=[(31, 40, 0.7, 2), (11, 41, 0.6, 3)],
    j4=[(50, 60, 0.5, 4)],
)
PEOPLE = np.array([person(7.5, j0=0, j1=3), person(9.25, j0=1, j1=2, j4=4)])


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_peaks_are_put_together_to_people(tmp_path, protocol):
    path = write(tmp_path, {NAME: TWO}, {NAME: PEOPLE}, protocol=protocol)
    (found,) = pickles.read_peaks(path).values()
    assert found.people.shape == (2, 18, 3)
    assert not found.normalized
    np.testing.assert_allclose(found.scores, [7.5, 9.25])
    first, second = np.zeros((2, 18, 3))
    first[0], first[1] = (10, 20, 0.9), (11, 41, 0.6)
    second[0], second[1], second[4] = (30, 21, 0.8), (31, 40, 0.7), (50, 60, 0.5)
    np.testing.assert_allclose(found.people, [first, second], rtol=1e-6)
    pose = detections.choose(found, (128, 64))
    np.testing.assert_allclose(pose, second, rtol=1e-6)


def test_where_nobody_was_put_together_the_first_peaks_are_one_person(tmp_path):
    empty = "0002_c1s1_000151_02.jpg"
    subsets = {NAME: np.zeros((0, 20)), empty: np.zeros((0, 20))}
    path = write(tmp_path, {NAME: TWO, empty: joints()}, subsets)
    found = pickles.read_peaks(path)
    (pose,) = found[NAME].people
    np.testing.assert_allclose(pose[[0, 1, 4], 0], [10, 31, 50])
    assert found[NAME].scores.tolist() == [0]
    assert found[empty].people.shape == (0, 18, 3)


@pytest.mark.parametrize(
    ("peaks", "subsets", "says"),
    [
        ({NAME: TWO}, None, r"needs subsets_dic_Market-1501_train\.p beside it"),
        ({NAME: TWO}, {"b.jpg": PEOPLE}, rf"subsets_dic.*no entry for {NAME}, which"),
        ({}, {NAME: PEOPLE}, r"all_peaks_dic.*: holds no image"),
        ([TWO], {NAME: PEOPLE}, "holds no dict of image names"),
        ({1: TWO}, {NAME: PEOPLE}, "holds no dict of image names"),
        ({NAME: TWO[:17]}, {NAME: PEOPLE}, rf"{NAME}: not 18 lists of peaks"),
        ({NAME: None}, {NAME: PEOPLE}, "not 18 lists of peaks"),
        ({NAME: joints(j0=[(1, 2, 0.5)])}, {NAME: PEOPLE}, "a peak is not .x, y, conf"),
        ({NAME: joints(j0=[(1, "2", 0.5, 0)])}, {NAME: PEOPLE}, "a peak is not"),
        ({NAME: joints(j0=[(1, 10**9, 0.5, 0)])}, {NAME: PEOPLE}, "a peak is not"),
        ({NAME: joints(j0=[(1, np.nan, 0.5, 0)])}, {NAME: PEOPLE}, "a peak is not"),
        ({NAME: joints(j0=7)}, {NAME: PEOPLE}, "a peak is not"),
        (
            {NAME: TWO},
            {NAME: PEOPLE[:, :19]},
            r"array \[2, 19\], needed is .persons, 2",
        ),
        ({NAME: TWO}, {NAME: PEOPLE.tolist()}, rf"{NAME}: not an array of numbers"),
        ({NAME: TWO}, {NAME: np.full((1, 20), np.inf)}, "not all numbers are finite"),
    ],
)
def test_files_that_are_none_of_peaks_are_one_line(tmp_path, peaks, subsets, says):
    path = write(tmp_path, peaks, subsets)
    with pytest.raises(InputError, match=says):
        pickles.read_peaks(path)


def test_files_of_other_names_are_not_taken_for_peaks(tmp_path):
    path = write(tmp_path, {NAME: TWO}, {NAME: PEOPLE})
    other = path.rename(tmp_path / "peaks.p")
    with pytest.raises(InputError, match=r"peaks\.p: peaks are in files named all_pe"):
        pickles.read_peaks(other)
    with pytest.raises(InputError, match="cannot be read"):
        pickles.read_peaks(path)
    names = ["all_peaks_dic_DeepFashion.p", "all_peaks_dic_DeepFashion_Flip.p"]
    names += ["subsets_dic_DeepFashion.p", "all_peaks_dic_DeepFashion.csv"]
    assert [pickles.is_peaks_file(tmp_path / name) for name in names] == [
        *(True, False, False, False)
    ]


def test_pairs_are_lists_of_two_names(tmp_path):
    path = tmp_path / "p_pairs_train.p"
    path.write_bytes(pickle.dumps([["a.jpg", "b.jpg"], ("b.jpg", "a.jpg")], 0))
    assert pickles.read_pairs(path) == [("a.jpg", "b.jpg"), ("b.jpg", "a.jpg")]
    for content, says in (
        (5, "holds int, not a list of pairs"),
        ([["a.jpg", "b.jpg"], ["a.jpg"]], "entry 1 is not a pair of image names"),
        ([["a.jpg", 3]], "entry 0 is not a pair"),
        ([["a.jpg", ""]], "entry 0 is not a pair"),
        (["ab"], "entry 0 is not a pair"),
    ):
        path.write_bytes(pickle.dumps(content, 0))
        with pytest.raises(InputError, match=rf"p_pairs_train\.p: {says}"):
            pickles.read_pairs(path)
    with pytest.raises(InputError, match=r"negative pairs.*are in p_pairs_\*\.p"):
        pickles.read_pairs(path.rename(tmp_path / "n_pairs_train.p"))


def test_golden_people_have_the_poses_of_the_authors_records(shared):
    place = shared / "golden" / "records"
    poses = place / "market_raw" / "Market-1501_PoseFiltered"
    # The first four records are of flipped images, whose peaks are in their own file.
    found = [
        pickles.read_peaks(poses / f"all_peaks_dic_Market-1501_train{flip}.p")
        for flip in ("_Flip", "")
    ]
    assert max(len(detection.people) for detection in found[1].values()) == 2
    (path,) = place.glob("Market_train_data/*.tfrecord")
    checked = 0
    for number, content in enumerate(tf.data.TFRecordDataset(str(path))):
        feature = tf.train.Example.FromString(content.numpy()).features.feature
        for which in "01":
            name = feature[f"image_name_{which}"].bytes_list.value[0].decode()
            rcv = feature[f"pose_peaks_{which}_rcv"].float_list.value
            row, column, visible = np.reshape(rcv, (18, 3)).T
            pose = detections.choose(found[number // 4][name], (128, 64))
            np.testing.assert_array_equal(pose[:, 2] > 0, visible == 1)
            np.testing.assert_array_equal(pose[:, 0], column)
            np.testing.assert_array_equal(pose[:, 1], row)
            checked += 1
    assert checked == 16


def test_golden_pairs(shared):
    folder = shared / "golden" / "records" / "Market_train_data"
    pairs = pickles.read_pairs(folder / "p_pairs_train.p")
    assert len(pairs) == len(set(pairs)) == 4
    assert all(a[:4] == b[:4] and a != b for a, b in pairs)
    assert pickles.read_pairs(folder / "p_pairs_train_flip.p") == pairs
    with pytest.raises(InputError, match="negative pairs"):
        pickles.read_pairs(folder / "n_pairs_train.p")
    with pytest.raises(InputError, match="holds int"):
        pickles.read_pairs(folder / "pn_pairs_num_train.p")
