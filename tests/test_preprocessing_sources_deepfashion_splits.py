"""Which images of DeepFashion are for testing: its partition, PATN's lists, a seed."""

import pytest
from preprocessing_sources_helpers import touch, write

from preprocessing.sources import deepfashion
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

HEADING = "image_name item_id evaluation_status"
BY_SEED = "split: by identity, drawn with the seed"


def tree(item, colour=1, view="1_front"):
    return f"img/WOMEN/Denim/id_{item:08d}/{colour:02d}_{view}.jpg"


def flat(item, colour=1, view="1front"):
    return f"fashionWOMENDenimid{item:08d}{colour:02d}_{view}.jpg"


def row(item, status, *, of=tree):
    return f"{of(item)} id_{item:08d} {status}"


def partition(path, *rows, count=None, heading=HEADING):
    return write(path, str(len(rows) if count is None else count), heading, *rows)


def read(root, **options):
    """Returns the split of each item, and the notes."""
    notes = Notes()
    samples = list(deepfashion.samples(root, notes, **options))
    return {int(s.identity[3:11]): s.split for s in samples}, notes


@pytest.fixture
def images(tmp_path):
    """The images of four items in the owners' tree."""
    return touch(tmp_path / "In-shop", *(tree(item) for item in range(4)))


@pytest.mark.parametrize("place", [".", "Eval", "Anno", "img"])
def test_the_owners_partition(images, place):
    rows = [row(0, "train"), row(1, "query"), row(2, "gallery"), row(3, "train")]
    path = partition(images / place / "list_eval_partition.txt", *rows)
    splits, notes = read(images)
    assert splits == {0: "train", 1: "test", 2: "test", 3: "train"}
    assert notes.lines() == [
        f"split: {path}; of the test split, 0 of 2 items and 0 of 2 items in a colour "
        "are in the training split too"
    ]


@pytest.mark.parametrize("place", [".", "Eval", "Anno"])
@pytest.mark.parametrize("root", ["Img", "Img/img"])
def test_the_partition_beside_the_images(tmp_path, place, root):
    touch(tmp_path / "Img", tree(0), tree(1))
    rows = [row(0, "train"), row(1, "query")]
    partition(tmp_path / place / "list_eval_partition.txt", *rows)
    assert read(tmp_path / root)[0] == {0: "train", 1: "test"}
    assert read(tmp_path)[0] == {0: "train", 1: "test"}


def test_the_nearest_partition_is_taken(images):
    rows = [[row(item, status) for item in range(4)] for status in ("train", "query")]
    partition(images / "Eval" / "list_eval_partition.txt", *rows[0])
    assert set(read(images)[0].values()) == {"train"}
    partition(images / "list_eval_partition.txt", *rows[1])
    assert set(read(images)[0].values()) == {"test"}


def test_a_partition_may_leave_out_the_folder_img_and_name_flat_images(images):
    rows = [row(0, "train", of=lambda item: tree(item).removeprefix("img/"))]
    rows += [row(item, "query", of=flat) for item in (1, 2, 3)]
    partition(images / "list_eval_partition.txt", *rows)
    assert read(images)[0] == {0: "train", 1: "test", 2: "test", 3: "test"}


def test_what_only_one_side_names_is_counted(images):
    rows = [row(1, "train"), row(2, "query"), row(7, "query"), row(8, "gallery")]
    partition(images / "list_eval_partition.txt", *rows)
    splits, notes = read(images)
    assert splits == {1: "train", 2: "test"}
    assert notes.counts == {
        "images that no list names left out": 2,
        "listed images that are not there": 2,
    }
    assert any(tree(7) in line for line in notes.lines())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 3}, ": announces 3 images and lists 2$"),
        ({"count": "many"}, ": no partition of DeepFashion In-shop: it begins with"),
        (
            {"heading": "image_name status"},
            ": no partition .* `image_name item_id eval",
        ),
        ({"last": "a.jpg train"}, ", row 4: expected an image, its item and one of "),
        (
            {"last": row(1, "val")},
            r", row 4: .* train, query, gallery; got 'img/WO.*'$",
        ),
        ({"last": "a.jpg id_1 train"}, ", row 4: no image name of DeepFashion: 'a.jpg"),
        ({"last": row(0, "query")}, ", row 4: img/.*id_00000000.* is listed for train"),
    ],
)
def test_a_partition_that_is_none_is_refused(images, changes, message):
    changes = dict(changes)
    rows = [row(0, "train"), changes.pop("last", row(1, "query"))]
    path = partition(images / "list_eval_partition.txt", *rows, **changes)
    with pytest.raises(InputError, match=rf"^{path}{message}"):
        read(images)


def test_an_empty_or_binary_partition_is_refused(images):
    path = write(images / "list_eval_partition.txt", "")
    with pytest.raises(InputError, match=f"^{path}: names no image$"):
        read(images)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=f"^{path}: not a text file"):
        read(images)


@pytest.mark.parametrize("place", [".", "lists", "fashion/lists"])
def test_patns_lists(images, place):
    """Item 1 is in both lists, in another colour, which is a PNG here."""
    touch(images, tree(1, 2).replace(".jpg", ".png"))
    train = write(images / place / "train.lst", flat(0), flat(1))
    test = write(
        images / place / "test.lst", flat(1, 2), flat(2), flat(3, view="1_front")
    )
    notes = Notes()
    samples = deepfashion.samples(images, notes)
    assert {sample.identity: sample.split for sample in samples} == {
        "id_00000000_01": "train",
        "id_00000001_01": "train",
        "id_00000001_02": "test",
        "id_00000002_01": "test",
        "id_00000003_01": "test",
    }
    assert notes.lines() == [
        f"split: {train} and {test}; of the test split, 1 of 3 items and 0 of 3 items "
        "in a colour are in the training split too"
    ]


def test_lists_from_elsewhere(images, tmp_path):
    train = write(tmp_path / "a.txt", flat(0), flat(2))
    test = write(tmp_path / "b.txt", flat(1), flat(3))
    expected = {0: "train", 1: "test", 2: "train", 3: "test"}
    partition(images / "list_eval_partition.txt", row(0, "train"))
    assert read(images, lists=(train, test))[0] == expected
    assert read(images, lists=[str(train), str(test)], split="lists")[0] == expected


def test_lists_that_are_unusable_are_refused(images, tmp_path):
    train = write(tmp_path / "train.lst", flat(0))
    test = write(tmp_path / "test.lst", flat(1), flat(0))
    with pytest.raises(InputError, match=rf"^{test}, row 2: {flat(0)} is listed for"):
        read(images, lists=(train, test))
    write(test, "0001.jpg")
    with pytest.raises(InputError, match=rf"^{test}, row 1: no image name of DeepF"):
        read(images, lists=(train, test))
    with pytest.raises(InputError, match=r"gone\.lst: cannot be read \(No such"):
        read(images, lists=(train, tmp_path / "gone.lst"))
    with pytest.raises(InputError, match=r"train\.lst: two paths are needed, of the"):
        read(images, lists=(train,))
    for split in ("partition", "seed"):
        with pytest.raises(InputError, match=f"^split={split}: takes no lists; "):
            read(images, lists=(train, test), split=split)


def test_auto_takes_the_partition_then_both_lists_then_the_seed(images):
    assert read(images) == ({0: None, 1: None, 2: None, 3: None}, Notes(said=[BY_SEED]))
    write(images / "train.lst", *(flat(item) for item in range(4)))
    assert read(images)[1].said == [BY_SEED]
    write(images / "test.lst", flat(9))
    assert set(read(images)[0].values()) == {"train"}
    partition(images / "list_eval_partition.txt", *(row(i, "query") for i in range(4)))
    assert set(read(images)[0].values()) == {"test"}
    assert set(read(images, split="lists")[0].values()) == {"train"}
    assert set(read(images, split="seed")[0].values()) == {None}


def test_a_kind_that_is_asked_for_must_be_there(images):
    with pytest.raises(
        InputError, match=rf"^split=partition: no list_eval.* {images}, "
    ):
        read(images, split="partition")
    write(images / "test.lst", flat(0))
    with pytest.raises(InputError, match=r"^split=lists: no train\.lst with test"):
        read(images, split="lists")
    with pytest.raises(InputError, match="split=half: allowed are auto, partition, li"):
        read(images, split="half")
