"""Poses and photos as other tools and systems write them, from file to data set.

Every case is a person that the project draws, so the right pose is known exactly.
"""

import io
import json
import unicodedata
from functools import cache

import numpy as np
import pytest
from PIL import Image
from preprocessing_helpers import read_images, run_build

from preprocessing.images import image_files
from preprocessing.poses import keypoints as kp
from preprocessing.poses.detections import choose
from preprocessing.poses.formats import annotation_csv, openpose
from preprocessing.poses.formats.people import COCO_17 as COCO_17_NAMES
from preprocessing.poses.formats.people import ORDERS
from preprocessing.poses.pose_files import Poses, read_one
from preprocessing.synthetic import scenes
from preprocessing.synthetic.looks import random_person
from preprocessing.synthetic.poses import random_body_pose
from preprocessing.system.errors import InputError

SIZE = (128, 64)
NAMES = [
    f"{person}/{number}.jpg" for person in ("anna", "ben") for number in ("1", "2")
]
COCO_17 = [kp.INDEX[name] for name in COCO_17_NAMES]


@cache
def drawn(seed=0):
    """Returns a drawn photo, uint8 [128, 64, 3], and its pose with all 18 keypoints."""
    rng = np.random.default_rng([seed, 9])
    person, background = random_person(rng), scenes.random_background(rng)
    body_pose = random_body_pose(rng, facing="front")
    return scenes.draw(person, body_pose, size=SIZE, background=background)


def photo(index):
    return drawn(index)[0]


def pose(index):
    return drawn(index)[1].astype(np.float64)


def write_photos(root, names=NAMES, size=SIZE):
    for index, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_files.encode_jpeg(resized(photo(index), size)))
    return root


def resized(image, size):
    return image_files.resize(image, size)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def coco(names=NAMES, scale=1.0):
    """Returns a COCO file; `scale` times as large as the drawn photos."""
    size = {"height": round(SIZE[0] * scale), "width": round(SIZE[1] * scale)}
    images = [{"id": i, "file_name": name, **size} for i, name in enumerate(names)]
    annotations = []
    for index in range(len(names)):
        keypoints = pose(index)[COCO_17]
        keypoints[:, :2] = (keypoints[:, :2] + 0.5) * scale - 0.5
        keypoints[:, 2] *= 2
        flat = keypoints.reshape(-1).tolist()
        annotations.append({"id": index, "image_id": index, "keypoints": flat})
    return {"images": images, "annotations": annotations}


def build(capsys, tmp_path, *, poses, image_size="128x64", root="photos"):
    """Builds a data set; returns the report and the stored poses by name."""
    result = run_build(
        capsys,
        "--source=folder",
        f"--root={tmp_path / root}",
        f"--poses={poses}",
        f"--out={tmp_path / 'data'}",
        f"--image_size={image_size}",
        "--test_fraction=0",
    )
    assert result.status == 0, result.err
    stored = {image.name: image.keypoints for image in read_images(tmp_path / "data")}
    return result.out, stored


def assert_poses(stored, names=NAMES, tolerance=0.01, joints=COCO_17):
    assert set(stored) == set(names)
    for index, name in enumerate(names):
        np.testing.assert_allclose(
            stored[name][joints, :2], pose(index)[joints, :2], atol=tolerance
        )


# The poses of other tools.


@pytest.mark.parametrize("joints", [17, 18])
def test_x_and_y_without_confidence(tmp_path, joints):
    places = pose(0)[COCO_17 if joints == 17 else slice(None), :2]
    places[3] = (0, 0)
    places[4] = (-1, -1)
    path = tmp_path / "a.json"
    write(path, {"people": [{"pose_keypoints_2d": places.reshape(-1).tolist()}]})
    found = choose(read_one(path), SIZE)
    expected = pose(0).astype(np.float32)
    lost = [COCO_17[3], COCO_17[4]] if joints == 17 else [3, 4]
    if joints == 17:
        shoulders = expected[[kp.INDEX["right_shoulder"], kp.INDEX["left_shoulder"]]]
        expected[kp.INDEX["neck"]] = shoulders.mean(axis=0)
    expected[lost] = 0
    np.testing.assert_allclose(found, expected, atol=1e-3)
    (line,) = Poses([path]).describe()
    assert line.endswith("pixels, without confidence (0, 0 and negative: not found)")


def landmarks(index, form="objects"):
    """Returns MediaPipe's landmarks; all that COCO does not have are at a corner."""
    order = ORDERS["mediapipe33"]
    rows = np.tile([0.9, 0.9, 0.0, 0.5], (33, 1))
    for joint, place in enumerate(order.index):
        if place is not None:
            x, y = (pose(index)[joint, :2] + 0.5) / SIZE[::-1]
            rows[place] = (x, y, 0.1, 0.9)
    if form == "lists":
        return rows.tolist()
    return [dict(zip(("x", "y", "z", "visibility"), row, strict=True)) for row in rows]


MEDIAPIPE = {
    "tasks": lambda: {"pose_landmarks": [landmarks(0)]},
    "tasks with image": lambda: {
        **{"image": "photo.png", "width": 64, "height": 128},
        "pose_landmarks": [landmarks(0)],
    },
    "one person": lambda: {"pose_landmarks": landmarks(0)},
    "solution": lambda: {"pose_landmarks": {"landmark": landmarks(0)}},
    "JavaScript": lambda: {"landmarks": [landmarks(0)], "worldLandmarks": [[]]},
    "JavaScript solution": lambda: {"poseLandmarks": landmarks(0)},
    "list of people": lambda: [landmarks(0)],
    "list of landmarks": lambda: landmarks(0),
    "list of lists": lambda: landmarks(0, "lists"),
    "people of lists": lambda: [landmarks(0, "lists")],
}


@pytest.mark.parametrize("form", MEDIAPIPE)
def test_mediapipes_landmarks_in_all_their_forms(tmp_path, form):
    path = write(tmp_path / "photo.json", MEDIAPIPE[form]())
    found = choose(Poses([path]).find("photo.png"), SIZE)
    np.testing.assert_allclose(found[COCO_17, :2], pose(0)[COCO_17, :2], atol=1e-3)
    np.testing.assert_allclose(found[COCO_17, 2], 0.9, atol=1e-6)
    # The neck is the middle of the shoulders.
    shoulders = pose(0)[[kp.INDEX["right_shoulder"], kp.INDEX["left_shoulder"]], :2]
    np.testing.assert_allclose(found[1, :2], shoulders.mean(axis=0), atol=1e-3)
    (line,) = Poses([path]).describe()
    assert line.endswith("MediaPipe JSON, MediaPipe-33, normalized")


def test_mediapipes_landmarks_far_outside_the_image_stay_shares(tmp_path):
    far = landmarks(0)
    far[27] |= {"y": 2.4}
    path = write(tmp_path / "photo.json", {"pose_landmarks": [far]})
    found = choose(read_one(path), SIZE)
    assert found[kp.INDEX["left_ankle"], 1] == pytest.approx(2.4 * 128 - 0.5)


def test_mediapipes_landmarks_in_pixels(tmp_path):
    rows = landmarks(0)
    for row in rows:
        row |= {"x": row["x"] * 64, "y": row["y"] * 128}
    path = write(tmp_path / "photo.json", {"pose_landmarks": [rows]})
    found = read_one(path)
    assert not found.normalized


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"pose_landmarks": [landmarks(0)[:32]]}, "person 0: 32 landmarks; MediaP"),
        (
            {"pose_landmarks": [[*landmarks(0)[:32], {"x": "left", "y": 1}]]},
            "landmark 32: some keypoints are not numbers",
        ),
        ({"pose_landmarks": [7]}, "no OpenPose JSON or"),
        ({"landmarks": [[[1, 2]] * 68]}, "no OpenPose JSON or"),
        ({"landmarks": "none"}, "no OpenPose JSON or"),
    ],
)
def test_malformed_landmarks_are_refused(tmp_path, value, reason):
    with pytest.raises(InputError, match=reason):
        read_one(write(tmp_path / "a.json", value))


def test_nobody_in_mediapipes_file(tmp_path):
    path = write(tmp_path / "a.json", {"pose_landmarks": []})
    assert read_one(path).people.shape == (0, 18, 3)


def controlnet(index, scale, *, listed=True):
    keypoints = pose(index)
    keypoints[:, :2] = (keypoints[:, :2] + 0.5) * scale - 0.5
    flat = {"pose_keypoints_2d": keypoints.reshape(-1).tolist()}
    others = {"face_keypoints_2d": None, "hand_left_keypoints_2d": None}
    canvas = {"canvas_height": SIZE[0] * scale, "canvas_width": SIZE[1] * scale}
    image = {"people": [{**flat, **others}], **canvas}
    return [image] if listed else image


@pytest.mark.parametrize("listed", [True, False])
def test_controlnets_poses_are_scaled_from_their_canvas(capsys, tmp_path, listed):
    write_photos(tmp_path / "photos")
    for index, name in enumerate(NAMES):
        path = (tmp_path / "poses" / name).with_suffix(".json")
        write(path, controlnet(index, 8, listed=listed))
    report, stored = build(capsys, tmp_path, poses=tmp_path / "poses")
    assert_poses(stored, joints=slice(None))
    assert "4 images of another size than the 1024x512 that their poses' file" in report


def test_a_canvas_of_the_images_own_size_changes_nothing(tmp_path):
    path = write(tmp_path / "a.json", controlnet(0, 1))
    found = choose(read_one(path), SIZE)
    np.testing.assert_array_equal(found, pose(0).astype(np.float32))


def test_several_images_in_one_list_are_refused(tmp_path):
    path = write(tmp_path / "a.json", [*controlnet(0, 8), *controlnet(1, 8)])
    with pytest.raises(InputError, match=r"a\.json: poses of 2 images; give one file"):
        read_one(path)


@pytest.mark.parametrize("scale", [4, 0.5])
def test_coco_is_scaled_from_the_size_it_declares(capsys, tmp_path, scale):
    write_photos(tmp_path / "photos")
    path = write(tmp_path / "person_keypoints.json", coco(scale=scale))
    report, stored = build(capsys, tmp_path, poses=path)
    assert_poses(stored)
    declared = f"{round(128 * scale)}x{round(64 * scale)}"
    assert f"another size than the {declared} that their poses' file declares" in report


def test_coco_that_declares_the_right_size_keeps_its_numbers(capsys, tmp_path):
    write_photos(tmp_path / "photos")
    path = write(tmp_path / "coco.json", coco())
    report, stored = build(capsys, tmp_path, poses=path)
    assert_poses(stored, tolerance=0)
    assert "poses scaled" not in report


def test_results_are_scaled_by_the_size_in_the_file_that_names_their_images(tmp_path):
    declared = coco(scale=4)
    results = [
        {"image_id": a["image_id"], "keypoints": a["keypoints"], "score": 1}
        for a in declared.pop("annotations")
    ]
    paths = write(tmp_path / "a.json", declared), write(tmp_path / "b.json", results)
    found = choose(Poses(paths).find("ben/1.jpg"), SIZE)
    np.testing.assert_allclose(found[COCO_17, :2], pose(2)[COCO_17, :2], atol=0.01)


def test_pose_size_overrules_the_size_that_a_file_declares(capsys, tmp_path):
    write_photos(tmp_path / "photos")
    path = write(tmp_path / "coco.json", coco(scale=4))
    result = run_build(
        capsys,
        *("--source=folder", f"--root={tmp_path / 'photos'}", f"--poses={path}"),
        *(f"--out={tmp_path / 'data'}", "--image_size=128x64", "--test_fraction=0"),
        "--pose_size=512x256",
    )
    assert result.status == 0
    assert "poses scaled" not in result.out
    stored = {image.name: image.keypoints for image in read_images(tmp_path / "data")}
    assert_poses(stored)


# The names of other systems.


def test_cocos_names_with_backslashes(capsys, tmp_path):
    write_photos(tmp_path / "photos")
    names = [name.replace("/", "\\") for name in NAMES]
    path = write(tmp_path / "coco.json", coco(names))
    assert_poses(build(capsys, tmp_path, poses=path)[1])


def test_alphaposes_names_with_backslashes(capsys, tmp_path):
    write_photos(tmp_path / "photos")
    results = [
        {
            "image_id": name.replace("/", "\\"),
            "keypoints": pose(index)[COCO_17].reshape(-1).tolist(),
            "score": 2.5,
        }
        for index, name in enumerate(NAMES)
    ]
    path = write(tmp_path / "alphapose-results.json", results)
    assert_poses(build(capsys, tmp_path, poses=path)[1])


@pytest.mark.parametrize("kind", ["np.int64", "np.float32", "numpy.float64"])
def test_an_annotation_csv_printed_under_numpy_2(tmp_path, kind):
    rows = [annotation_csv.HEADING]
    for index, name in enumerate(NAMES):
        x, y, _ = pose(index).round().astype(int).T
        lists = [", ".join(f"{kind}({value})" for value in axis) for axis in (y, x)]
        rows.append(f"{name}: [{lists[0]}]: [{lists[1]}]")
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows))
    poses = annotation_csv.read_csv(path)
    np.testing.assert_array_equal(poses[NAMES[2]][:, :2], pose(2)[:, :2].round())


@pytest.mark.parametrize("text", ["[np.int64(__import__('os'))]", "[np.array([1])]"])
def test_other_calls_in_an_annotation_csv_are_refused(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(f"a.jpg: {text}: {text}\n")
    with pytest.raises(InputError, match=r"row 1: expected a list of numbers"):
        annotation_csv.read_csv(path)


def test_names_from_macos(capsys, tmp_path):
    names = ["José/1.jpg", "José/2.jpg", "Zoë/1.jpg", "Zoë/2.jpg"]
    composed = [unicodedata.normalize("NFC", name) for name in names]
    write_photos(tmp_path / "photos", composed)
    for index, name in enumerate(names):
        person, stem = (
            unicodedata.normalize("NFD", name).removesuffix(".jpg").split("/")
        )
        (tmp_path / "poses" / person).mkdir(parents=True, exist_ok=True)
        path = tmp_path / "poses" / person / f"{stem}{openpose.SUFFIX}"
        openpose.write_json(path, drawn(index)[1])
    stored = build(capsys, tmp_path, poses=tmp_path / "poses")[1]
    assert_poses(stored, composed)


def test_pictures_that_differ_in_their_suffix_get_no_other_ones_pose(capsys, tmp_path):
    root = write_photos(tmp_path / "photos")
    (root / "anna" / "1.png").write_bytes(image_files.encode_png(photo(5)))
    for index, name in enumerate(NAMES):
        path = (tmp_path / "poses" / name).with_name(f"{name[-5]}{openpose.SUFFIX}")
        path.parent.mkdir(parents=True, exist_ok=True)
        openpose.write_json(path, drawn(index)[1])
    report, stored = build(capsys, tmp_path, poses=tmp_path / "poses")
    assert not stored.pop("anna/1.jpg").any()
    assert not stored.pop("anna/1.png").any()
    for index in (1, 2, 3):
        np.testing.assert_allclose(stored[NAMES[index]], drawn(index)[1], atol=0.001)
    assert "(e.g. anna/1.jpg, anna/1.png)" in report


# The photos of other systems.


def encoded(index, form):
    content = io.BytesIO()
    Image.fromarray(photo(index)).save(content, form)
    return content.getvalue()


@pytest.mark.parametrize("suffix", [".heic", ".avif", ".tiff", ".gif"])
def test_folders_with_photos_of_every_format(capsys, tmp_path, suffix):
    if suffix == ".heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    root = write_photos(tmp_path / "photos")
    form = Image.registered_extensions()[suffix]
    (root / "anna" / f"3{suffix}").write_bytes(encoded(4, form))
    (root / "anna" / "4.psd").write_bytes(b"8BPS")
    (root / "anna" / "notes.txt").write_bytes(b"no image")
    path = write(tmp_path / "a.json", coco([*NAMES, f"anna/3{suffix}"]))
    report, stored = build(capsys, tmp_path, poses=path)
    assert_poses(stored, [*NAMES, f"anna/3{suffix}"])
    assert "1 images in formats that are not read skipped (e.g. " in report
    assert "anna/4.psd" in report


def test_paths_with_commas(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos, old")
    (tmp_path / "a, b").mkdir()
    write(tmp_path / "a, b" / "1,2.json", coco(NAMES[:2]))
    ben = coco()
    ben["images"], ben["annotations"] = ben["images"][2:], ben["annotations"][2:]
    write(tmp_path / "c.json", ben)
    stored = build(capsys, tmp_path, poses="a, b/1,2.json,c.json", root="photos, old")[
        1
    ]
    assert_poses(stored)
