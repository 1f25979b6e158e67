"""The released records: each image once, flipped copies recognised, pairs."""

import pickle
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import tensorflow as tf

from preprocessing.images import heatmaps
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.sources import original as authors
from preprocessing.sources import original_records
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

SIZE = (32, 16)
TRAIN = "Market_train_data/Market1501_train_00000-of-00001.tfrecord"
TEST = "Market_test_data/Market1501_test_00000-of-00001.tfrecord"


class Photo(NamedTuple):
    """An image as the converter found it: its file, and the joints in it."""

    name: str
    content: bytes
    pose: np.ndarray


def photo(name, *, size=SIZE, suffix=".jpg"):
    """Returns a picture of its own for each name, with 12 joints in whole pixels."""
    rng = np.random.default_rng(list(name.encode()))
    coarse = rng.integers(0, 256, (8, 4, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    places = rng.integers(0, size[::-1], (18, 2))
    pose = np.column_stack([places, np.arange(18) < 12]).astype(np.float32)
    return Photo(name, cv2.imencode(suffix, picture)[1].tobytes(), kp.clean(pose))


def flipped(image):
    """Returns the mirrored copy, under the same name; its joints were found anew."""
    picture = images.decode(image.content, name=image.name)[:, ::-1]
    content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
    pose = kp.flip(image.pose, width=picture.shape[1])
    pose[0, 1] += 1
    return Photo(image.name, content[1].tobytes(), kp.clean(pose))


def feature(*values):
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def record(source, target, *, positive=True, size=SIZE, **others):
    """Returns a pair as the converter stores it, with the features that are read."""
    features = {"label": feature(int(positive)), "image_format": feature(b"jpg")}
    features |= {"image_height": feature(size[0]), "image_width": feature(size[1])}
    for which, image in zip("01", (source, target), strict=True):
        rcv = image.pose[:, [1, 0, 2]].reshape(-1)
        features |= {
            f"image_name_{which}": feature(image.name.encode()),
            f"image_raw_{which}": feature(image.content),
            f"pose_peaks_{which}_rcv": feature(*map(float, rcv)),
        }
    features |= others
    kept = {name: value for name, value in features.items() if value is not None}
    return tf.train.Example(features=tf.train.Features(feature=kept))


def both_ways(*photos):
    """Returns the records of all ordered pairs."""
    return [record(a, b) for a in photos for b in photos if a is not b]


def write(root, name, records):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in records:
            writer.write(example.SerializeToString())
    return path


def write_pairs(root, name, *pairs):
    (root / name).write_bytes(pickle.dumps([list(pair) for pair in pairs], 0))


def collect(root):
    notes = Notes()
    return {sample.name: sample for sample in authors.samples(root, notes)}, notes


def fails(root, says):
    with pytest.raises(InputError, match=says) as error:
        collect(root)
    assert "\n" not in str(error.value)


A, B, C, D = (photo(f"{i:04d}_c1s1_00015{n}_00.jpg") for i, n in enumerate("1234"))
MIRRORED = {image.name: flipped(image) for image in (A, B, C, D)}
A_, B_, C_, D_ = MIRRORED.values()


def test_each_image_is_yielded_once_and_no_flipped_copy(tmp_path):
    write(tmp_path, TRAIN, both_ways(A_, B_, C_) + both_ways(A, B, C))
    found, notes = collect(tmp_path)
    assert list(found) == [A.name, B.name, C.name]
    for image in (A, B, C):
        sample = pickle.loads(pickle.dumps(found[image.name]))
        assert sample.read() == image.content
        assert (sample.identity, sample.split) == (image.name[:4], "train")
        np.testing.assert_array_equal(sample.pose, image.pose)
        assert sample.pose.dtype == np.float32
    assert notes.counts == {"flipped copies left out": 3}
    assert authors.image_size(tmp_path) == SIZE


def test_a_sample_is_another_when_its_file_is(tmp_path):
    path = write(tmp_path, TEST, both_ways(A, B))
    before = collect(tmp_path)[0][A.name].version
    assert collect(tmp_path)[0][A.name].version == before
    other = photo("other")._replace(name=A.name)
    path.unlink()
    write(tmp_path, TEST, [*both_ways(other, B), record(B, B)])
    (again, *_) = collect(tmp_path)[0].values()
    assert again.version != before
    assert again.read() == other.content


def test_test_records_have_no_flipped_copies(tmp_path):
    write(tmp_path, TEST, both_ways(A, B, C))
    found, notes = collect(tmp_path)
    assert {sample.split for sample in found.values()} == {"test"}
    assert [sample.read() for sample in found.values()] == [
        image.content for image in (A, B, C)
    ]
    assert not notes.counts


def test_images_that_only_one_part_has(tmp_path):
    # No person was found in the flipped C, nor in D itself.
    records = both_ways(B_, D_) + both_ways(A_, B_) + both_ways(A, B, C)
    write(tmp_path, TRAIN, records)
    found, notes = collect(tmp_path)
    assert list(found) == [B.name, A.name, C.name]
    assert [s.read() for s in found.values()] == [B.content, A.content, C.content]
    assert notes.counts == {
        "flipped copies left out": 2,
        "images left out of which there is a flipped copy only": 1,
    }
    assert D.name in "".join(notes.lines())


def test_an_image_between_the_parts_is_kept_and_noted(tmp_path):
    path = write(tmp_path, TRAIN, both_ways(A_, B_) + both_ways(C, D) + both_ways(A, B))
    found, notes = collect(tmp_path)
    doubtful = "images that might be flipped copies (between these and the others)"
    assert set(found) == {image.name for image in (A, B, C, D)}
    assert notes.counts == {"flipped copies left out": 2, doubtful: 2}
    # Two flipped pairs were listed: so C and D are not.
    write_pairs(path.parent, "p_pairs_train_flip.p", "AB", "BA")
    found, notes = collect(tmp_path)
    assert notes.counts == {"flipped copies left out": 2}
    assert C.name in found
    # Or two that are not flipped, and four that are: so they are.
    write_pairs(path.parent, "p_pairs_train_flip.p", "AB", "BA", "CD", "DC")
    write_pairs(path.parent, "p_pairs_train.p", "AB", "BA")
    found, notes = collect(tmp_path)
    assert notes.counts["images left out of which there is a flipped copy only"] == 2
    assert set(found) == {A.name, B.name}


def test_flipped_copies_that_cannot_be_told_are_an_error(tmp_path):
    records = both_ways(A_, B_) + both_ways(A, B)
    mixed = [records[0], records[2], records[1], records[3]]
    fails_so = r"not those of flipped images and then those of the images"
    write(tmp_path / "mixed", TRAIN, mixed)
    fails(tmp_path / "mixed", rf"train_00000-of-00001\.tfrecord: its rec.*{fails_so}")
    path = write(tmp_path / "listed", TRAIN, records)
    write_pairs(path.parent, "p_pairs_train.p", "AB")
    fails(tmp_path / "listed", r"p_pairs_train\.p: lists fewer pairs than Market.*hol")


def test_two_images_of_one_name_are_an_error(tmp_path):
    other = photo("other")._replace(name=A.name)
    write(tmp_path / "a", TRAIN, both_ways(A, B) + both_ways(other, B))
    fails(tmp_path / "a", rf"record 2: {A.name}: neither the image and pose of this")
    write(
        tmp_path / "b", TRAIN, both_ways(A_, B) + both_ways(A, B) + [record(other, B)]
    )
    fails(tmp_path / "b", rf"record 4: {A.name}: a third image or pose of this name")
    moved = A._replace(pose=A.pose + np.float32([1, 0, 0]))
    write(tmp_path / "c", TRAIN, [*both_ways(A, B), record(moved, B)])
    fails(tmp_path / "c", rf"record 2: {A.name}: neither the image and pose")


def test_files_that_hold_the_same_images_agree(tmp_path):
    samples = "Market_test_samples_data/Market1501_test_00000-of-00001.tfrecord"
    write(tmp_path, TEST, both_ways(A, B))
    write(tmp_path, samples, both_ways(B, C))
    found, notes = collect(tmp_path)
    assert list(found) == [A.name, B.name, C.name]
    assert not notes.counts
    write(tmp_path / "x", TRAIN, both_ways(A, B))
    fails(tmp_path, rf"another split of {A.name} than in .*{TEST}|{TRAIN}")
    write(tmp_path / "y", TEST, both_ways(A, B))
    write(tmp_path / "y", samples, both_ways(photo("other")._replace(name=B.name), C))
    fails(tmp_path / "y", rf"another image or pose of {B.name} than in .*{TEST}")


def test_the_split_is_in_the_name_of_the_file_or_its_folder(tmp_path):
    write(tmp_path, "DF_train_data/part.tfrecord", both_ways(A, B))
    write(tmp_path, "contest/latest.tfrecord", both_ways(C, D))
    found, _ = collect(tmp_path)
    assert [s.split for s in found.values()] == ["train", "train", None, None]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image_raw_0": None}, "record 1: 0 values of image_raw_0, needed 1"),
        ({"image_name_1": feature(b"a", b"b")}, "2 values of image_name_1, needed 1"),
        ({"pose_peaks_0_rcv": feature(*[0.0] * 53)}, "53 values of .*rcv, needed 54"),
        ({"label": None}, "0 values of label, needed 1"),
        (
            {"label": feature(1.0)},
            "record 1 is not a tf.train.Example with the features",
        ),
        ({"image_name_0": feature(b"\xff.jpg")}, "image_name_0 is .*, not a file name"),
        (
            {"image_name_0": feature(b"a\nb")},
            r"image_name_0 is 'a\\nb', not a file name",
        ),
        ({"image_name_0": feature(b"")}, "image_name_0 is '', not a file name"),
        ({"pose_peaks_1_rcv": feature(*[float("nan")] * 54)}, "not coordinates"),
        (
            {"pose_peaks_1_rcv": feature(*[1e9] * 54)},
            "pose_peaks_1_rcv has values that are not",
        ),
        ({"image_raw_0": feature(b"no image")}, "record 1: .*be decoded as an image"),
    ],
)
def test_records_of_another_form_are_one_line(tmp_path, changes, says):
    path = write(tmp_path, TEST, [record(A, B), record(A, B, **changes)])
    fails(tmp_path, rf"{path.name}: {says}|{path.name}: record 1.*{says}")


def starts(records):
    """Returns where each record of a file starts, and where the file ends."""
    lengths = [16 + len(example.SerializeToString()) for example in records]
    return [0, *np.cumsum(lengths).tolist()]


def test_damaged_files_are_one_line(tmp_path):
    records = both_ways(A, B, C)
    path = write(tmp_path, TEST, records)
    whole, places = path.read_bytes(), starts(records)
    for position in (places[2] + 3, places[2] + 9, places[2] + 40, places[3] - 2):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        fails(tmp_path, rf"{path.name}: damaged at record 2")
    for end in (places[2] + 5, places[2] + 20, places[3] - 1):
        path.write_bytes(whole[:end])
        fails(tmp_path, rf"{path.name}: damaged at record 2")
    path.write_bytes(b"no records" * 20)
    fails(tmp_path, rf"{path.name}: damaged at record 0")
    for content in (b"no Example", b"\xb4\xb4\xb4"):
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(content)
        fails(tmp_path, "record 0 is not a tf.train.Example")


def test_a_file_with_fewer_records_than_were_written(tmp_path):
    records = both_ways(A, B, C)
    path = write(tmp_path, TEST, records)
    noted = path.with_name("tf_record_pair_num.txt")
    noted.write_text("cnt:6")
    assert len(collect(tmp_path)[0]) == 3
    path.write_bytes(path.read_bytes()[: starts(records)[5]])
    fails(tmp_path, rf"{path.name}: 5 records, {noted.name} says 6; the file is not w")
    noted.write_text("six")
    fails(tmp_path, rf"{noted.name}: expected cnt: and a number")


def test_folders_without_records(tmp_path):
    for read in (collect, authors.listed_pairs, authors.image_size):
        with pytest.raises(InputError, match=rf"{tmp_path}: holds no \*\.tfrecord"):
            read(tmp_path)
    write(tmp_path, TEST, [])
    assert collect(tmp_path)[0] == {}
    with pytest.raises(InputError, match="holds no record"):
        authors.image_size(tmp_path)
    (tmp_path / "a.tfrecord").mkdir()
    fails(tmp_path, r"a\.tfrecord: cannot be read")


def test_pairs_are_those_of_the_records_in_the_order_of_the_list(tmp_path):
    test = [record(B, C), record(A, B, positive=False), record(B, A), record(A, B)]
    path = write(tmp_path, TEST, test)
    stored = [(B.name, C.name), (B.name, A.name), (A.name, B.name)]
    assert authors.listed_pairs(tmp_path) == stored
    # The list has pairs besides that the converter left out.
    more = [(C.name, A.name), stored[1], stored[2], stored[1], (C.name, B.name)]
    write_pairs(path.parent, "p_pairs_test.p", *more, stored[0])
    assert authors.listed_pairs(tmp_path) == [stored[1], stored[2], stored[0]]
    write_pairs(path.parent, "p_pairs_test.p", *more)
    with pytest.raises(InputError, match=rf"p_pairs_test\.p: does not list {B.name}, "):
        authors.listed_pairs(tmp_path)


def test_pairs_of_flipped_copies_are_not_among_them(tmp_path):
    write(tmp_path, TRAIN, both_ways(A_, B_, D_) + both_ways(A, B))
    assert authors.listed_pairs(tmp_path) == [(A.name, B.name), (B.name, A.name)]


def deepfashion_record(source, target):
    """Returns a pair with exactly the features of the released convert_DF.py."""
    size = (256, 256)
    others = {"id_0": feature(3), "id_1": feature(3)}
    others |= {"cam_0": feature(-1), "cam_1": feature(-1), "real_data": feature(1)}
    others["shape"] = feature(256 * 256 * 18)
    for which, image in zip("01", (source, target), strict=True):
        heatmap = np.flatnonzero(heatmaps.draw_heatmaps(image.pose, size=size)).tolist()
        mask = heatmaps.draw_mask(image.pose, size=size).reshape(-1).tolist()
        others |= {
            f"attrs_{which}": tf.train.Feature(int64_list=tf.train.Int64List()),
            f"pose_peaks_{which}": feature(*[0.0] * (16 * 16 * 18)),
            f"pose_subs_{which}": feature(*[0.0] * 20),
            f"part_bbox_{which}": feature(*[0] * (37 * 4)),
            f"part_vis_{which}": feature(*[1] * 37),
            f"roi10_mask_{which}": feature(*[1] * (256 * 256 * 10)),
        }
        for radius in ("r4", "r8"):
            others |= {
                f"indices_{radius}_{which}": feature(*heatmap),
                f"values_{radius}_{which}": feature(*[1.0] * len(heatmap)),
                f"pose_mask_{radius}_{which}": feature(*mask),
            }
    return record(source, target, size=size, **others)


def test_deepfashion_records(tmp_path):
    front, back = (
        photo(f"fasionMENDenimid0000008001_{view}.jpg", size=(256, 256))
        for view in ("1front", "2side")
    )
    pairs = [(flipped(front), flipped(back)), (front, back), (back, front)]
    write(
        tmp_path,
        "DF_train_data/DeepFashion_train_00000-of-00001.tfrecord",
        [deepfashion_record(*pair) for pair in pairs],
    )
    found, notes = collect(tmp_path)
    assert notes.counts == {"flipped copies left out": 2}
    assert authors.image_size(tmp_path) == (256, 256)
    for image in (front, back):
        sample = found[image.name]
        assert sample.read() == image.content
        assert sample.identity == "fasionMENDenimid0000008001"
        np.testing.assert_array_equal(sample.pose, image.pose)
    names = [(front.name, back.name), (back.name, front.name)]
    assert authors.listed_pairs(tmp_path) == names


def test_golden_records_give_the_raw_images(shared):
    place = shared / "golden" / "records"
    found, notes = collect(place)
    raw = sorted((place / "market_raw" / "bounding_box_train").iterdir())
    assert sorted(found) == [path.name for path in raw]
    for path in raw:
        sample = found[path.name]
        assert sample.read() == path.read_bytes()
        assert (sample.identity, sample.split) == (path.name[:4], "train")
    assert notes.counts == {"flipped copies left out": len(raw)}
    assert authors.image_size(place) == (128, 64)
    names = {path.name for path in raw}
    assert sorted(authors.listed_pairs(place)) == [
        (a, b)
        for a in sorted(names)
        for b in sorted(names)
        if a != b and a[:4] == b[:4]
    ]


def test_golden_heatmaps_and_masks_are_drawn_bit_for_bit(shared):
    (path,) = (shared / "golden" / "records").glob("Market_train_data/*.tfrecord")
    drawn = 0
    for pair in original_records.read(path):
        theirs = tf.train.Example.FromString(pair.example).features.feature
        assert pair.size == (128, 64)
        for which, image in zip("01", (pair.source, pair.target), strict=True):
            heatmap = heatmaps.draw_heatmaps(image.pose, size=pair.size)
            indices = theirs[f"indices_r4_{which}"].int64_list.value
            np.testing.assert_array_equal(np.flatnonzero(heatmap), np.unique(indices))
            mask = heatmaps.draw_mask(image.pose, size=pair.size)
            stored = theirs[f"pose_mask_r4_{which}"].int64_list.value
            np.testing.assert_array_equal(mask.reshape(-1), stored)
            drawn += 1
    assert drawn == 16
