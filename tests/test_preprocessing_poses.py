"""Looking up the pose of an image in CSVs, JSON files and folders of both."""

import json

import numpy as np
import pytest

from preprocessing.poses.formats import annotation_csv, openpose
from preprocessing.poses.pose_files import PoseOptions, Poses, default_key, read_one
from preprocessing.system.errors import InputError


def pose_at(x):
    """Returns a whole pose that is told from others by its x."""
    return np.tile(np.float32([x, 5, 1]), (18, 1))


def write_json(path, x):
    path.parent.mkdir(parents=True, exist_ok=True)
    openpose.write_json(path, pose_at(x))
    return path


def write_csv(path, **xs):
    """Writes a CSV of `name=x`; two underscores in a name stand for a slash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {name.replace("__", "/") + ".jpg": x for name, x in xs.items()}
    annotation_csv.write_csv(path, {name: pose_at(x) for name, x in names.items()})
    return path


def write_results(path, **xs):
    """Writes a list of results of `name=x`, as AlphaPose would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    results = [
        {"image_id": f"{name}.jpg", "score": 1, "keypoints": [x, 5, 1] * 17}
        for name, x in xs.items()
    ]
    path.write_text(json.dumps(results))
    return path


def write_mmpose(path, x):
    path.parent.mkdir(parents=True, exist_ok=True)
    person = {"keypoints": [[x, 5]] * 17, "keypoint_scores": [0.5] * 17}
    path.write_text(json.dumps([person]))
    return path


def x_of(poses, name):
    detection = poses.find(name)
    return None if detection is None else detection.people[0, 0, 0]


def test_a_csv(tmp_path):
    poses = Poses([write_csv(tmp_path / "any name.csv", anna=1, ben=2)])
    assert [x_of(poses, n) for n in ("anna.jpg", "ben.jpg", "cleo.jpg")] == [1, 2, None]


def test_the_suffix_of_the_image_does_not_matter(tmp_path):
    path = write_csv(tmp_path / "a.csv", anna=1)
    assert x_of(Poses([path]), "anna.png") == x_of(Poses([path]), "anna") == 1
    assert Poses([path]).find("anna.extra.png") is None


def test_a_folder_of_json_nested_as_the_images_are(tmp_path):
    write_json(tmp_path / "anna" / "01_keypoints.json", 1)
    write_json(tmp_path / "ben" / "01_keypoints.json", 2)
    poses = Poses([tmp_path])
    assert x_of(poses, "anna/01.jpg") == 1
    assert x_of(poses, "ben/01.jpg") == 2
    assert poses.find("cleo/01.jpg") is None
    with pytest.raises(InputError, match=r"anna/01_k.*: a pose of 01\.jpg; .*ben/01"):
        poses.find("01.jpg")


def test_a_flat_folder_of_json_is_looked_up_by_the_last_part(tmp_path):
    write_json(tmp_path / "anna_01_keypoints.json", 1)
    assert x_of(Poses([tmp_path]), "anna/photos/anna_01.png") == 1


def test_the_whole_name_comes_before_the_last_part(tmp_path):
    poses = Poses([write_csv(tmp_path / "a.csv", **{"anna__01": 1, "01": 2})])
    assert x_of(poses, "anna/01.jpg") == 1
    assert x_of(poses, "ben/01.jpg") == 2


def test_names_with_dots_are_kept_whole(tmp_path):
    write_json(tmp_path / "photo.v2.final_keypoints.json", 1)
    write_json(tmp_path / "photo_keypoints.json", 2)
    poses = Poses([tmp_path])
    assert x_of(poses, "photo.v2.final.jpg") == 1
    assert x_of(poses, "photo.jpg") == 2


def test_several_files_and_folders_together(tmp_path):
    csv = write_csv(tmp_path / "a.csv", anna=1)
    json = write_json(tmp_path / "json" / "ben_keypoints.json", 2)
    write_json(tmp_path / "more" / "deep" / "cleo_keypoints.json", 3)
    write_csv(tmp_path / "more" / "b.csv", dora=4)
    poses = Poses([csv, str(json), tmp_path / "more"])
    names = ("anna.jpg", "ben.jpg", "deep/cleo.jpg", "dora.jpg")
    assert [x_of(poses, name) for name in names] == [1, 2, 3, 4]


def test_a_folder_of_json_of_all_formats(tmp_path):
    write_json(tmp_path / "anna" / "01_keypoints.json", 1)
    write_results(tmp_path / "alphapose-results.json", ben=2, cleo=3)
    write_mmpose(tmp_path / "mmpose" / "dora" / "01.json", 4)
    write_mmpose(tmp_path / "photo.v2.json", 5)
    poses = Poses([tmp_path])
    names = ("anna/01.jpg", "x/ben.png", "cleo.jpg", "mmpose/dora/01.jpg")
    assert [x_of(poses, name) for name in names] == [1, 2, 3, 4]
    assert x_of(poses, "photo.v2.jpg") == 5
    assert poses.find("photo.jpg") is None


def test_in_folders_other_csv_and_json_files_are_passed_over(tmp_path):
    write_csv(tmp_path / "a.csv", anna=1)
    (tmp_path / "pairs.csv").write_text("from,to\nanna.jpg,ben.jpg\n")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\0\x89")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "none")
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "broken.json").write_text("[")
    (tmp_path / "people.json").write_text('{"people": ["anna", "ben"]}')
    (tmp_path / "folder.json").mkdir()
    poses = Poses([tmp_path])
    assert x_of(poses, "anna.jpg") == 1
    assert poses.describe() == [
        "poses of 1 image from 1 file: annotation CSV, COCO-18, pixels",
        "3 JSON files skipped: no poses (e.g. broken.json)",
    ]


def test_a_csv_in_a_folder_needs_no_heading(tmp_path):
    path = write_csv(tmp_path / "a.csv", anna=1)
    path.write_text(path.read_text().split("\n", 1)[1])
    assert x_of(Poses([tmp_path]), "anna.jpg") == 1


def test_a_file_that_is_named_is_not_passed_over(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("from,to\nanna.jpg,ben.jpg\n")
    with pytest.raises(InputError, match=r"pairs\.csv, row 1"):
        Poses([path])
    path = tmp_path / "options.json"
    path.write_text('{"gpu": 0}')
    with pytest.raises(InputError, match=r"options\.json: no OpenPose JSON or MMP"):
        Poses([path])


def test_nobody_in_an_image_is_not_the_same_as_no_annotation(tmp_path):
    csv = tmp_path / "a.csv"
    annotation_csv.write_csv(csv, {"empty.jpg": np.zeros((18, 3), np.float32)})
    (tmp_path / "empty2_keypoints.json").write_text('{"people": []}')
    poses = Poses([tmp_path])
    for name in ("empty.jpg", "empty2.jpg"):
        assert poses.find(name).people.shape == (0, 18, 3)
    assert poses.find("other.jpg") is None


def test_a_malformed_json_is_refused_when_it_is_asked_for(tmp_path):
    write_json(tmp_path / "anna_keypoints.json", 1)
    (tmp_path / "ben_keypoints.json").write_text("{")
    poses = Poses([tmp_path])
    assert x_of(poses, "anna.jpg") == 1
    with pytest.raises(InputError, match=r"ben_keypoints\.json"):
        poses.find("ben.jpg")


def test_a_file_named_as_of_one_image_may_not_hold_others(tmp_path):
    write_results(tmp_path / "person_keypoints.json", anna=1)
    poses = Poses([tmp_path])
    assert poses.find("anna.jpg") is None
    assert poses.describe() == [
        "1 JSON file skipped: for other images (e.g. person_keypoints.json)"
    ]
    with pytest.raises(InputError, match=r"person_keypoints\.json: named as of one im"):
        poses.find("person.jpg")


def test_an_openpose_file_is_read_once_and_when_asked_for(tmp_path):
    path = write_json(tmp_path / "anna_keypoints.json", 1)
    poses = Poses([tmp_path])
    write_json(path, 2)
    assert x_of(poses, "anna.jpg") == 2
    path.unlink()
    assert x_of(poses, "anna.jpg") == 2


def test_two_files_with_the_pose_of_one_image_are_refused_by_name(tmp_path):
    """As from `--poses=json/anna,json/ben` with a 01 in both: whose is it?"""
    for person, x in (("anna", 1), ("ben", 2)):
        write_json(tmp_path / person / "01_keypoints.json", x)
    with pytest.raises(InputError, match=r"ben/01_keypoints.*01\.jpg.*anna/01_key"):
        Poses([tmp_path / "anna", tmp_path / "ben"])
    csvs = [write_csv(tmp_path / f"{x}.csv", dora=x) for x in (1, 2)]
    with pytest.raises(InputError, match=r"2\.csv.*dora.*1\.csv"):
        Poses(csvs)


def test_names_that_differ_in_the_suffix_alone_keep_their_own_poses(tmp_path):
    path = tmp_path / "a.csv"
    annotation_csv.write_csv(path, {"01.jpg": pose_at(1), "01.PNG": pose_at(2)})
    poses = Poses([path])
    assert x_of(poses, "01.jpg") == 1
    assert x_of(poses, "anna/01.png") == 2
    with pytest.raises(
        InputError, match=r"01\.jpg and 01\.PNG; which one is of 01\.we"
    ):
        poses.find("01.webp")


SAME_STEM = ["anna/01.jpg", "anna/01.png", "anna/02.jpg"]


def test_of_images_with_one_stem_the_named_one_gets_the_pose(tmp_path):
    path = tmp_path / "a.csv"
    names = {"anna/01.png": pose_at(1), "anna/02.png": pose_at(2)}
    annotation_csv.write_csv(path, names)
    poses = Poses([path], images=SAME_STEM)
    assert [x_of(poses, name) for name in SAME_STEM] == [None, 1, 2]
    assert len(poses.describe()) == 1


def test_a_pose_that_could_be_of_images_with_one_stem_is_left_and_said(tmp_path):
    for name in ("01", "02"):
        write_json(tmp_path / "anna" / f"{name}_keypoints.json", int(name))
    poses = Poses([tmp_path], images=SAME_STEM)
    assert [x_of(poses, name) for name in SAME_STEM] == [None, None, 2]
    assert poses.describe()[-1] == (
        "2 images left without a pose: their names differ only in the suffix, and the "
        "pose's has none (e.g. anna/01.jpg, anna/01.png)"
    )
    # Without the names of all images the second one to ask is refused.
    poses = Poses([tmp_path])
    assert x_of(poses, "anna/01.jpg") == 1
    with pytest.raises(InputError, match=r"of anna/01\.jpg or of anna/01\.png"):
        poses.find("anna/01.png")


def test_names_are_compared_in_one_unicode_form_and_with_slashes(tmp_path):
    decomposed, composed = "Jose\u0301", "Jos\u00e9"
    write_json(tmp_path / decomposed / "01_keypoints.json", 1)
    assert x_of(Poses([tmp_path]), f"{composed}/01.jpg") == 1
    path = tmp_path / "a.csv"
    annotation_csv.write_csv(path, {f"{composed}\\02.jpg": pose_at(2)})
    assert x_of(Poses([path]), f"{decomposed}/02.jpg") == 2


def test_a_name_with_further_folders_before_it(tmp_path):
    path = tmp_path / "a.csv"
    names = {
        "C:\\data\\anna\\01.jpg": pose_at(1),
        "/data/ben/01.jpg": pose_at(2),
        "anna/02.jpg": pose_at(3),
    }
    path.write_text(
        json.dumps(
            [
                {"image_id": name, "keypoints": [x, 5, 1] * 17}
                for name, x in zip(names, (1, 2, 3), strict=True)
            ]
        )
    )
    path = path.rename(tmp_path / "a.json")
    poses = Poses([path])
    assert x_of(poses, "anna/01.jpg") == 1
    assert x_of(poses, "ben/01.jpg") == 2
    assert x_of(poses, "photos/anna/02.jpg") == 3
    assert poses.find("hanna/01.jpg") is None


def test_the_same_file_twice_is_no_contradiction(tmp_path):
    write_csv(tmp_path / "a.csv", anna=1)
    poses = Poses([tmp_path, tmp_path / "a.csv"])
    assert x_of(poses, "anna.jpg") == 1
    assert poses.describe()[0].startswith("poses of 1 image from 1 file: ")


def test_nothing_found_is_refused_and_names_where_was_looked(tmp_path):
    with pytest.raises(InputError, match=r"none: no such file"):
        Poses([tmp_path / "none"])
    (tmp_path / "photo.jpg").write_bytes(b"")
    (tmp_path / "options.json").write_text("{}")
    looked = rf"{tmp_path}: no poses found; .*_keypoints.*; 1 JSON file skipped"
    with pytest.raises(InputError, match=looked):
        Poses([tmp_path])
    with pytest.raises(InputError, match="no poses found in format mmpose"):
        Poses([tmp_path], options=PoseOptions(format="mmpose"))


@pytest.mark.parametrize(
    ("name", "key"),
    [("a/b.c.jpg", "a/b.c"), ("b.jpg", "b"), ("b", "b"), (".jpg", ".jpg"), (".", ".")],
)
def test_the_key_is_the_name_without_its_last_suffix(name, key):
    assert default_key(name) == key


@pytest.mark.parametrize("name", ["", ".", "/", "..", "a/", "\0", "ä/ö.jpg"])
def test_any_text_can_be_looked_up(tmp_path, name):
    assert Poses([write_csv(tmp_path / "a.csv", anna=1)]).find(name) is None


def test_a_pose_that_could_be_of_two_people_is_refused(tmp_path):
    annotations = tmp_path / "poses.csv"
    annotation_csv.write_csv(annotations, {"01.jpg": pose_at(3), "02.jpg": pose_at(4)})
    poses = Poses([annotations])
    assert x_of(poses, "anna/01.jpg") == x_of(poses, "anna/01.jpg") == 3
    with pytest.raises(InputError, match=r"anna/01.jpg or of ben/01.jpg"):
        poses.find("ben/01.jpg")


def test_excels_byte_order_mark_is_no_part_of_the_heading(tmp_path):
    annotations = tmp_path / "poses.csv"
    annotation_csv.write_csv(annotations, {"01.jpg": pose_at(3)})
    annotations.write_bytes(b"\xef\xbb\xbf" + annotations.read_bytes())
    assert x_of(Poses([annotations]), "01.jpg") == 3


def test_what_was_read_is_told_by_format_order_and_scale(tmp_path):
    write_csv(tmp_path / "a.csv", anna=1, ben=2)
    write_csv(tmp_path / "b.csv", cleo=3)
    write_results(tmp_path / "results.json", dora=4)
    for person in ("ella", "finn", "gus"):
        write_json(tmp_path / f"{person}_keypoints.json", 5)
    poses = Poses([tmp_path])
    for name in ("ella.jpg", "finn.jpg", "ella.jpg"):
        poses.find(name)
    assert poses.describe() == [
        "poses of 3 images from 2 files: annotation CSV, COCO-18, pixels",
        "poses of 2 images from 2 files: OpenPose JSON, COCO-18, pixels",
        "poses of 1 image from 1 file: AlphaPose JSON, COCO-17, pixels",
        "1 JSON file skipped: for other images (e.g. gus_keypoints.json)",
    ]


def test_a_forced_format_chooses_files_in_a_folder(tmp_path):
    write_csv(tmp_path / "a.csv", anna=1)
    write_json(tmp_path / "anna_keypoints.json", 2)
    write_results(tmp_path / "results.json", anna=3)
    write_mmpose(tmp_path / "anna.json", 4)
    for x, format in enumerate(["csv", "openpose", "alphapose", "mmpose"], start=1):
        poses = Poses([tmp_path], options=PoseOptions(format=format))
        assert x_of(poses, "anna.jpg") == x, format
    with pytest.raises(InputError, match=r"a second pose of 'anna\.jpg'"):
        Poses([tmp_path])


def test_a_forced_format_is_told_with_what_was_passed_over(tmp_path):
    write_mmpose(tmp_path / "anna.json", 4)
    write_results(tmp_path / "results.json", anna=3)
    poses = Poses([tmp_path], options=PoseOptions(format="mmpose"))
    assert poses.describe()[1] == (
        "1 JSON file skipped: not in format mmpose (e.g. results.json)"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"format": "yolo"}, r"format of poses: 'yolo'; allowed are auto, openpose, m"),
        ({"order": "coco19"}, "order of poses: 'coco19'; allowed are auto, coco18"),
        ({"scale": "feet"}, "scale of poses: 'feet'; allowed are auto, pixels, norm"),
    ],
)
def test_options_that_there_are_not_are_refused(options, reason):
    with pytest.raises(InputError, match=reason):
        PoseOptions(**options)


def test_one_image_of_any_format(tmp_path):
    paths = [
        write_json(tmp_path / "a_keypoints.json", 1),
        write_results(tmp_path / "b.json", anna=2),
        write_mmpose(tmp_path / "c.json", 3),
        write_csv(tmp_path / "d.csv", anna=4),
    ]
    found = [read_one(path) for path in paths]
    assert [detection.people[0, 0, 0] for detection in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("names", [{}, {"anna": 1, "ben": 2}])
def test_several_images_are_not_one(tmp_path, names):
    path = write_results(tmp_path / "results.json", **names)
    path.write_text(
        path.read_text().replace("[]", '{"images": [{"file_name": "a", "id": 1}]}')
    )
    with pytest.raises(
        InputError, match=rf"results\.json: poses of {len(names)} images"
    ):
        read_one(path)


def test_a_name_without_a_folder_is_found_in_the_one_that_has_it(tmp_path):
    """As where poses were estimated in a data set's own folders."""
    write_json(tmp_path / "box" / "01_keypoints.json", 1)
    write_json(tmp_path / "box" / "02_keypoints.json", 2)
    write_json(tmp_path / "query" / "02_keypoints.json", 3)
    poses = Poses([tmp_path])
    assert x_of(poses, "01.jpg") == 1
    assert poses.find("03.jpg") is None
    assert poses.find("other/01.jpg") is None
    with pytest.raises(InputError, match=r"box/02_k.*: a pose of 02\.jpg; .*query/02"):
        poses.find("02.jpg")
