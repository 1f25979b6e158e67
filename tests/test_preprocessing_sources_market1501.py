"""Market-1501: its folders, boxes that show nobody, and what errors say."""

import pytest
from preprocessing_sources_helpers import touch

from preprocessing.sources import market1501
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

TRAIN, TEST, QUERY, DRAWN = (
    "bounding_box_train",
    "bounding_box_test",
    "query",
    "gt_bbox",
)


def box(identity, number=0):
    return f"{identity}_c1s1_000151_{number:02d}.jpg"


def read(root, **options):
    """Returns the split of each box, and the notes."""
    notes = Notes()
    samples = list(market1501.samples(root, notes, **options))
    assert all(sample.name.startswith(sample.identity) for sample in samples)
    return {sample.name: sample.split for sample in samples}, notes


@pytest.fixture
def whole(tmp_path):
    """All folders: one identity is only for training, one for testing, one unknown."""
    touch(tmp_path, f"{TRAIN}/{box('0002', 1)}", f"{TEST}/{box('0001', 1)}")
    touch(tmp_path, f"{QUERY}/{box('0001')}", f"{QUERY}/{box('0003')}")
    touch(tmp_path, *(f"{DRAWN}/{box(i)}" for i in ("0001", "0002", "0003", "0004")))
    return touch(tmp_path, "gt_query/0001_c1s1_001051_00_good.mat", "readme.txt")


@pytest.mark.parametrize(
    "name",
    [
        "0001_c1_f0046282.jpg",
        "0001_c2_21.png",
        "0001_000_01_0303morning_0008_0.jpg",
    ],
)
def test_names_of_other_data_sets_in_the_same_layout(tmp_path, name):
    splits, notes = read(touch(tmp_path, f"{TRAIN}/{name}"))
    assert splits == {name: "train"}
    assert not notes.counts


def test_identities_are_taken_and_the_rest_is_counted(tmp_path):
    touch(tmp_path, f"{TRAIN}/{box('0002')}", f"{TRAIN}/{box('0002', 1)}")
    touch(tmp_path, f"{TEST}/{box('0001')}", f"{TEST}/{box('1501')}")
    touch(tmp_path, *(f"{TEST}/{box('-1', number)}" for number in range(3)))
    touch(tmp_path, *(f"{TEST}/{box('0000', number)}" for number in range(2)))
    touch(tmp_path, f"{TEST}/Thumbs.db", f"{TRAIN}/0002_c1s1_000151_01.png")
    touch(tmp_path, f"{TRAIN}/x0002_c1s1_000151_01.jpg")
    splits, notes = read(tmp_path)
    assert splits == {
        box("0002"): "train",
        box("0002", 1): "train",
        box("0001"): "test",
        box("1501"): "test",
    }
    assert notes.counts == {
        "junk boxes left out": 3,
        "distractor boxes left out": 2,
        "files with other names skipped": 3,
    }
    assert any("Thumbs.db" in line for line in notes.lines())


def test_the_usual_folders_are_read_unless_others_are_named(whole):
    assert read(whole)[0] == {box("0002", 1): "train", box("0001", 1): "test"}
    splits, _ = read(whole, folders=[QUERY])
    assert splits == {box("0001"): "test", box("0003"): "test"}


def test_boxes_drawn_by_hand_are_where_their_identity_is(whole):
    splits, _ = read(whole, folders=(DRAWN,))
    assert splits == {
        box("0001"): "test",
        box("0002"): "train",
        box("0003"): "test",
        box("0004"): None,
    }


def test_an_identity_of_the_training_split_stays_there(whole):
    touch(whole, f"{QUERY}/{box('0002')}")
    assert read(whole, folders=(DRAWN,))[0][box("0002")] == "train"


def test_the_same_box_in_two_folders_is_taken_once(whole):
    splits, notes = read(whole, folders=(TRAIN, TEST, QUERY, DRAWN))
    assert len(splits) == 6
    assert notes.counts == {"boxes in two folders used once": 2}


def test_one_of_the_usual_folders_is_enough(tmp_path):
    touch(tmp_path, f"{TEST}/{box('0001')}")
    assert read(tmp_path)[0] == {box("0001"): "test"}
    message = f"holds no folder {TRAIN}; it holds {TEST}"
    with pytest.raises(InputError, match=message):
        read(tmp_path, folders=(TRAIN, TEST, QUERY)[:1])
    with pytest.raises(InputError, match=f"holds no folder {QUERY}; "):
        read(tmp_path, folders=(TEST, QUERY))


def test_the_error_names_the_folder_that_is_meant(tmp_path):
    root = touch(tmp_path / "Market", f"{TEST}/{box('0001')}", f"{DRAWN}/a.jpg")
    meant = rf"; {root} holds the data set's folders: give that as --root"
    for other in (tmp_path, root / TEST, root / DRAWN):
        message = f"^{other}: holds no folder {TRAIN} or {TEST}{meant}$"
        with pytest.raises(InputError, match=message):
            read(other)


def test_the_error_says_what_is_there_instead(tmp_path):
    with pytest.raises(InputError, match=r"; it holds nothing$"):
        read(tmp_path)
    touch(tmp_path, *(f"{letter}.jpg" for letter in "fbadce"))
    with pytest.raises(InputError, match=r"; it holds a\.jpg, b.*, e\.jpg, \.\.\.$"):
        read(tmp_path)


def test_folders_that_cannot_be_read_are_refused(whole):
    with pytest.raises(InputError, match=r"^folders=gt_query: holds MATLAB files that"):
        read(whole, folders=(TRAIN, "gt_query"))
    allowed = "bounding_box_train, bounding_box_test, query, gt_bbox"
    with pytest.raises(InputError, match=f"^folders=other: allowed are {allowed}$"):
        read(whole, folders=("other",))
