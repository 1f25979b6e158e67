"""JSON of COCO, AlphaPose and MMPose, and the released code's pickles."""

import json
import pickle

import numpy as np
import pytest

from preprocessing.poses import keypoints as kp
from preprocessing.poses.pose_files import PoseOptions, Poses, read_one
from preprocessing.system.errors import InputError


def triples(count=17, *, x=10, confidence=0.5):
    """Returns `count` keypoints: x counts up, y is x + 100."""
    return [v for n in range(count) for v in (x + n, 100 + x + n, confidence)]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def result(image, **fields):
    return {"image_id": image, "category_id": 1, "keypoints": triples()} | fields


def annotations(path, images, **entries):
    """Writes a COCO file with `images` of name=id, and annotations if any are given."""
    table = [{"id": n, "file_name": name, "width": 64} for name, n in images.items()]
    return write(path, {"info": {}, "images": table, "licenses": []} | entries)


# COCO.


def test_coco_annotations_are_looked_up_by_file_name(tmp_path):
    path = annotations(
        tmp_path / "person_keypoints_val.json",
        {"000000000785.jpg": 785, "train/anna.jpg": 7, "nobody.jpg": 8},
        annotations=[
            result(7, keypoints=triples(x=50), num_keypoints=17, iscrowd=0),
            result(785, keypoints=triples(x=20)),
            result(785, keypoints=triples(x=30)),
        ],
    )
    poses = Poses([path])
    assert poses.find("000000000785.jpg").people[:, 0, 0].tolist() == [20, 30]
    assert poses.find("train/anna.jpg").people[:, 0, 0].tolist() == [50]
    assert len(poses.find("nobody.jpg").people) == 0
    assert poses.find("other.jpg") is None
    assert poses.describe() == [
        "poses of 3 images from 1 file: COCO JSON, COCO-17, pixels"
    ]


def test_hidden_and_visible_keypoints_of_coco_are_found(tmp_path):
    keypoints = triples()
    keypoints[2::3] = [0, 1, 2] * 5 + [0, 0]
    crowd = result(1, keypoints=[0] * 51, iscrowd=1)
    path = annotations(
        tmp_path / "a.json",
        {"a.jpg": 1},
        annotations=[result(1, keypoints=keypoints), crowd],
    )
    (pose,) = read_one(path).people
    face = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
    confidences = [pose[kp.INDEX[name], 2] for name in face]
    assert confidences == [0, 1, 1, 0, 1]


def test_annotations_of_other_things_say_nothing_of_keypoints(tmp_path):
    box = {"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}
    both = annotations(
        tmp_path / "a.json",
        {"a.jpg": 1, "b.jpg": 2},
        annotations=[box, result(2), box | {"keypoints": []}],
    )
    poses = Poses([both])
    assert [len(poses.find(name).people) for name in ("a.jpg", "b.jpg")] == [0, 1]
    boxes = annotations(tmp_path / "b.json", {"a.jpg": 1}, annotations=[box])
    with pytest.raises(InputError, match=r"b\.json: no poses found"):
        Poses([boxes])


def test_coco_results_are_named_by_the_images_of_another_file(tmp_path):
    results = write(tmp_path / "results.json", [result(2), result(1), result(2)])
    table = annotations(tmp_path / "info.json", {"a.jpg": 1, "b.jpg": 2, "c.jpg": 3})
    for paths in ([results, table], [table, results], [tmp_path]):
        poses = Poses(paths)
        assert [len(poses.find(name).people) for name in ("a.jpg", "b.jpg")] == [1, 2]
        assert poses.find("c.jpg") is None
        assert poses.describe() == [
            "poses of 2 images from 1 file: COCO JSON, COCO-17, pixels"
        ]


def test_numbers_without_a_name_or_with_two_are_refused(tmp_path):
    results = write(tmp_path / "results.json", [result(1), result(2)])
    one = annotations(tmp_path / "one.json", {"a.jpg": 1, "b.jpg": 2})
    other = annotations(tmp_path / "other.json", {"a.jpg": 1, "x.jpg": 2})
    with pytest.raises(InputError, match=r"results\.json: image_id 1 has no names"):
        Poses([results])
    with pytest.raises(InputError, match=r"results\.json: image_id 2 has 2 names"):
        Poses([results, one, other])


def test_one_image_needs_no_name(tmp_path):
    assert len(read_one(write(tmp_path / "a.json", [result(785)])).people) == 1


def test_ids_of_images_may_be_text(tmp_path):
    path = annotations(
        tmp_path / "a.json", {"a.jpg": "first"}, annotations=[result("first")]
    )
    assert len(Poses([path]).find("a.jpg").people) == 1


@pytest.mark.parametrize(
    ("images", "annotation", "reason"),
    [
        ([{"id": 1, "file_name": 3}], {}, "image 0: file_name is 3, not a name"),
        ([{"file_name": "a"}], {}, "image 0: id is None, neither a name nor a num"),
        ([{"id": True, "file_name": "a"}], {}, "image 0: id is True, neither"),
        ([{"id": 1, "file_name": "a"}, 7], {}, "image 1 is not an object, but 7"),
        (
            [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}],
            {},
            "image 1: a second image of id 1",
        ),
        ([{"id": 1, "file_name": "a"}], {"image_id": 2}, "annotation 0: no image has"),
        (
            [{"id": 1, "file_name": "a"}],
            {"image_id": [1]},
            r"annotation 0: image_id is \[1\], n",
        ),
        ([{"id": 1, "file_name": "a"}], {"keypoints": 7}, "annotation 0 has no list"),
        ([{"id": 1, "file_name": "a"}], {"keypoints": [1]}, "annotation 0 has 1 num"),
    ],
)
def test_malformed_annotations_are_refused_by_entry(
    tmp_path, images, annotation, reason
):
    content = {"images": images, "annotations": [result(1) | annotation]}
    with pytest.raises(InputError, match=rf"a\.json: {reason}"):
        read_one(write(tmp_path / "a.json", content))


# Lists of results.


def test_alphapose_gathers_the_people_of_an_image_with_their_scores(tmp_path):
    entries = [
        result("0.jpg", score=2.5, box=[1, 2, 3, 4], idx=[0.0]),
        result("folder/0.jpg", score=1),
        result("0.jpg", keypoints=triples(x=40), score=3.25),
    ]
    path = write(tmp_path / "alphapose-results.json", entries)
    poses = Poses([path])
    found = poses.find("0.jpg")
    assert found.people[:, 0, 0].tolist() == [10, 40]
    assert found.scores.tolist() == [2.5, 3.25]
    assert poses.find("folder/0.jpg").scores.tolist() == [1]
    assert poses.describe() == [
        "poses of 2 images from 1 file: AlphaPose JSON, COCO-17, pixels"
    ]


def test_without_scores_people_are_scored_by_their_confidence(tmp_path):
    weak = result("0.jpg", keypoints=triples(confidence=0.25), score=None)
    path = write(tmp_path / "a.json", [result("0.jpg", score=9), weak])
    np.testing.assert_allclose(read_one(path).scores, [0.5, 0.25])


@pytest.mark.parametrize(
    ("count", "order"),
    [
        (26, "Halpe-26"),
        (68, "Halpe-68"),
        (136, "Halpe-136"),
        (133, "COCO-WholeBody-133"),
    ],
)
def test_alphapose_of_whole_bodies(tmp_path, count, order):
    path = write(tmp_path / "a.json", [result("0.jpg", keypoints=triples(count))])
    poses = Poses([path])
    (pose,) = poses.find("0.jpg").people
    assert pose[kp.INDEX["right_ankle"], 0] == 10 + 16
    assert pose[kp.INDEX["neck"], 0] == (15.5 if count == 133 else 28)
    assert poses.describe()[0].endswith(f": AlphaPose JSON, {order}, pixels")


def test_several_orders_in_a_file_are_all_told(tmp_path):
    entries = [result("0.jpg"), result("1.jpg", keypoints=triples(26))]
    poses = Poses([write(tmp_path / "a.json", entries)])
    assert poses.describe()[0].endswith(
        ": AlphaPose JSON, COCO-17 and Halpe-26, pixels"
    )


@pytest.mark.parametrize(
    ("people", "keypoints"), [("people", "pose_keypoints_2d"), ("bodies", "joints")]
)
def test_alphapose_in_openposes_form(tmp_path, people, keypoints):
    """`--format open` and `--format cmu`: one file of all, and one for each image."""
    images = {
        f"{n}.jpg": {
            "version": "AlphaPose v0.3",
            people: [{keypoints: triples(18, x=n)}] * n,
        }
        for n in (1, 2)
    }
    poses = Poses([write(tmp_path / "alphapose-results.json", images)])
    assert [len(poses.find(f"{n}.jpg").people) for n in (1, 2)] == [1, 2]
    assert poses.describe()[0].endswith(
        "2 images from 1 file: AlphaPose JSON, COCO-18, pixels"
    )
    (tmp_path / "sep-json").mkdir()
    write(tmp_path / "sep-json" / "2.json", images["2.jpg"])
    poses = Poses([tmp_path / "sep-json"])
    assert poses.find("anna/2.jpg").people[:, 0, 0].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image_id": None}, "image_id is None, neither a name nor a number"),
        ({"image_id": 1.5}, "image_id is 1.5, neither"),
        ({"image_id": {}}, "image_id is {}, neither"),
        ({"keypoints": None}, "entry 1 has no list of keypoints, but None"),
        ({"keypoints": [[1, 2, 3]] * 17}, "entry 1: some keypoints are not numbers"),
        ({"keypoints": [1] * 50}, "entry 1 has 50 numbers"),
        ({"keypoints": []}, "entry 1 has 0 keypoints; allowed"),
        ({"keypoints": triples(16)}, "entry 1 has 16 keypoints, MPII's"),
        ({"score": "high"}, "entry 1: score is not a number, but 'high'"),
        ({"score": True}, "entry 1: score is not a number, but True"),
        ({"score": 1e300}, "entry 1: score is not a number, but 1e"),
    ],
)
def test_malformed_results_are_refused_by_entry(tmp_path, fields, reason):
    path = write(tmp_path / "a.json", [result("0.jpg"), result("0.jpg") | fields])
    with pytest.raises(InputError, match=rf"a\.json: .*{reason}"):
        read_one(path)


# MMPose.


def instance(x=10, *, count=17, confidence=0.5, **fields):
    return {
        "keypoints": [[x + n, 100.5 + n] for n in range(count)],
        "keypoint_scores": [confidence] * count,
    } | fields


def test_mmpose_of_one_image_is_named_after_it(tmp_path):
    people = [
        instance(bbox=[[1, 2, 3, 4]], bbox_score=0.5),
        instance(60, confidence=0.75, bbox_score=1.0),
    ]
    write(tmp_path / "anna.v2.json", people)
    write(tmp_path / "nobody.json", [])
    poses = Poses([tmp_path])
    found = poses.find("photos/anna.v2.jpg")
    assert found.people[:, 0].tolist() == [[10, 100.5, 0.5], [60, 100.5, 0.75]]
    assert found.scores.tolist() == [0.25, 0.75]
    assert len(poses.find("nobody.jpg").people) == 0
    assert poses.describe() == [
        "poses of 1 image from 1 file: MMPose JSON, COCO-17, pixels",
        "poses of 1 image from 1 file: MMPose JSON, nobody",
    ]


def test_mmpose_without_boxes_is_scored_by_its_keypoints(tmp_path):
    assert read_one(write(tmp_path / "a.json", [instance()])).scores.tolist() == [0.5]


def test_the_file_of_mmposes_demos(tmp_path):
    content = {"meta_info": {"dataset_name": "coco"}, "instance_info": [instance()]}
    write(tmp_path / "results_anna.json", content)
    write(tmp_path / "ben.json", content)
    poses = Poses([tmp_path])
    assert len(poses.find("anna.jpg").people) == len(poses.find("ben.jpg").people) == 1


@pytest.mark.parametrize("form", [list, lambda frames: {"instance_info": frames}])
def test_a_video_of_mmpose_is_refused(tmp_path, form):
    frames = form([{"frame_id": 0, "instances": [instance()]}])
    with pytest.raises(InputError, match=r"a\.json: an MMPose result of a video"):
        read_one(write(tmp_path / "a.json", frames))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"keypoints": [[1, 2, 3]] * 17}, r"some keypoints are not \[x, y\]"),
        ({"keypoints": [1, 2] * 17}, "no list of keypoints, but 1"),
        ({"keypoints": None}, "no list of keypoints"),
        ({"keypoints": [[1, None]] * 17}, "not numbers"),
        ({"keypoint_scores": None}, "no list of keypoints, but None"),
        ({"keypoint_scores": [1] * 16}, "17 keypoints, 16 scores"),
        ({"keypoints": [], "keypoint_scores": []}, "0 keypoints, 0 scores"),
        ({"bbox_score": [1]}, r"bbox_score is not a number, but \[1\]"),
    ],
)
def test_malformed_people_of_mmpose_are_refused(tmp_path, fields, reason):
    path = write(tmp_path / "a.json", [instance(), instance() | fields])
    with pytest.raises(InputError, match=rf"a\.json: person 1.*{reason}"):
        read_one(path)


# The released code's pickles.


def peaks(folder, flip=""):
    """Writes what the released code reads: two people of whom one has a nose only."""
    joints = [[(10 + n, 20 + n, 0.5, n)] for n in range(18)]
    joints[0].append((90, 80, 0.9, 18))
    persons = np.full((2, 20), -1.0)
    persons[0] = [*range(18), 9.0, 18]
    persons[1, [0, 18, 19]] = 18, 0.9, 1
    for name, content in (("all_peaks", joints), ("subsets", persons)):
        path = folder / f"{name}_dic_test{flip}.p"
        path.write_bytes(pickle.dumps({"anna.jpg": content}, protocol=2))
    return folder / f"all_peaks_dic_test{flip}.p"


def test_the_released_codes_pickles_in_a_folder_and_by_path(tmp_path):
    path = peaks(tmp_path)
    peaks(tmp_path, "_Flip")
    (tmp_path / "p_pairs_test.p").write_bytes(pickle.dumps([["a", "b"]], protocol=2))
    for paths in ([tmp_path], [path]):
        poses = Poses(paths)
        found = poses.find("anna.jpg")
        assert found.people[:, 0, 0].tolist() == [10, 90]
        assert poses.describe() == [
            "poses of 1 image from 1 file: released code's pickle, COCO-18, pixels"
        ]


@pytest.mark.parametrize("options", [{"order": "body25"}, {"scale": "normalized"}])
def test_the_released_codes_pickles_are_as_they_are(tmp_path, options):
    path = peaks(tmp_path)
    with pytest.raises(InputError, match=r"test\.p: .*pickles are COCO-18 in pixels"):
        read_one(path, PoseOptions(**options))


# Forced formats.


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"format": "openpose"}, "no OpenPose JSON"),
        ({"format": "mmpose"}, "no MMPose JSON"),
        ({"format": "csv"}, "row 1: expected name"),
        ({"format": "peaks"}, "peaks are in files named all_peaks"),
        ({"order": "body25"}, "entry 0 has 17 keypoints, BODY_25 has 25"),
        ({"order": "coco18"}, "entry 0 has 17 keypoints, COCO-18 has 18"),
    ],
)
def test_what_is_forced_and_does_not_fit_is_refused_by_name(tmp_path, options, reason):
    path = write(tmp_path / "results.json", [result("0.jpg")])
    with pytest.raises(InputError, match=rf"results\.json.*{reason}"):
        Poses([path], options=PoseOptions(**options))


def test_what_is_forced_and_fits_is_read(tmp_path):
    path = write(tmp_path / "no suffix", [result("0.jpg")])
    options = PoseOptions(format="coco", order="coco17", scale="pixels")
    assert len(Poses([path], options=options).find("0.jpg").people) == 1
    with pytest.raises(InputError, match="no suffix, row 1"):
        Poses([path])


def test_an_order_of_the_same_count_can_be_forced(tmp_path):
    person = {"pose_keypoints_2d": triples(25)}
    path = write(tmp_path / "a_keypoints.json", {"people": [person]})
    found = [read_one(path, PoseOptions(order=o)) for o in ("auto", "body25b")]
    wrist = kp.INDEX["right_wrist"]
    assert [f.people[0, wrist, 0] for f in found] == [10 + 4, 10 + 10]


# Whatever is in a file.


WHOLE = {
    "coco": {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [result(1, score=1.0)],
    },
    "results": [result("a.jpg", score=1.0)],
    "alphapose": {"a.jpg": {"people": [{"pose_keypoints_2d": triples(18)}]}},
    "openpose": {"people": [{"pose_keypoints_2d": triples(18)}]},
    "mmpose": [instance(bbox_score=1.0)],
    "demo": {"meta_info": {}, "instance_info": [instance()]},
}
JUNK = [
    None,
    True,
    -1,
    0.5,
    1e300,
    float("nan"),
    "",
    "a\nb",
    [],
    {},
    [[]],
    [{}],
    {"": 0},
]


def places(content, path=()):
    """Yields the path to every value in parsed JSON, of long lists the first ones."""
    yield path
    keys = content if isinstance(content, dict) else []
    if isinstance(content, list):
        keys = range(min(len(content), 4))
    for key in keys:
        yield from places(content[key], (*path, key))


def replaced(content, path, value):
    """Returns parsed JSON with another value at a path."""
    if not path:
        return value
    copy = content.copy()
    copy[path[0]] = replaced(content[path[0]], path[1:], value)
    return copy


def outcome(path):
    """Returns what was found, and why not where it was refused."""
    try:
        return read_one(path), ""
    except InputError as error:
        return None, str(error)


@pytest.mark.parametrize("form", WHOLE)
def test_any_value_anywhere_is_read_or_refused_in_one_line(tmp_path, form):
    path = tmp_path / "a.json"
    for place in places(WHOLE[form]):
        for value in JUNK:
            found, reason = outcome(write(path, replaced(WHOLE[form], place, value)))
            if found is None:
                assert reason.startswith(f"{path}: "), (place, value)
                assert "\n" not in reason, (place, value)
                assert len(reason) < 400 + len(str(path)), (place, value)
            else:
                assert np.isfinite(found.people).all(), (place, value)
                assert len(found.people) == len(found.scores), (place, value)


@pytest.mark.parametrize("form", WHOLE)
def test_a_file_cut_short_is_refused_and_in_a_folder_passed_over(tmp_path, form):
    path = write(tmp_path / "a.json", WHOLE[form])
    path.write_text(path.read_text()[:-3])
    with pytest.raises(InputError, match=r"a\.json: not JSON"):
        Poses([path])
    with pytest.raises(InputError, match="1 JSON file skipped"):
        Poses([tmp_path])


def test_a_file_larger_than_any_is_refused(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(InputError, match=r"a\.json: larger than 2 GiB"):
        read_one(path)


def test_values_nested_deeply_are_refused(tmp_path):
    path = tmp_path / "a.json"
    for depth in (500, 900, 100_000):
        deep = "[" * depth + "]" * depth
        path.write_text(f'[{{"image_id": {deep}, "keypoints": []}}]')
        with pytest.raises(InputError, match=r"a\.json: "):
            read_one(path)
