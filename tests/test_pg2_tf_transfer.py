"""`pg2_tf.load`: photo and pose in, image out."""

import shutil
import warnings

import numpy as np
import pytest
from pg2_tf_helpers import make_run, run_command, script_report
from pg2_tf_webpage_helpers import SIZE, Echo, FirstStage, Seer, write_photo
from PIL import Image
from preprocessing_estimation_helpers import box_model, picture

import pg2_tf
from pg2_tf.inference import loading
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.posing import named_poses
from pg2_tf.posing.results import Clip
from pg2_tf.posing.transfer import Transfer, load
from pg2_tf.serving.tflite import export_lite, path_of
from preprocessing.images import image_files, video
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import openpose
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture
def transfer():
    return Transfer(Echo(), estimator=Seer, notes=Notes())


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "me.png")


def test_a_run_folder_is_loaded_and_called(run, tmp_path):
    (tmp_path / "box.tflite").write_bytes(box_model())
    box = picture((200, 300), (120, 30, 169, 150))
    (tmp_path / "me.png").write_bytes(image_files.encode_png(box))
    transfer = pg2_tf.load(run, pose_model=tmp_path / "box.tflite")
    image = transfer(tmp_path / "me.png", "walking")
    assert isinstance(image, Image.Image)
    assert image.size == (32, 32)
    assert transfer.image_size == (32, 32)


def test_python_and_the_command_generate_the_same_image(run, tmp_path, capsys):
    (tmp_path / "box.tflite").write_bytes(box_model())
    box = picture((200, 300), (120, 30, 169, 150))
    (tmp_path / "me.png").write_bytes(image_files.encode_png(box))
    flags = [f"--model={run}", f"--image={tmp_path / 'me.png'}", "--pose=hands-up"]
    flags += [f"--pose_model={tmp_path / 'box.tflite'}", f"--out={tmp_path / 'a.png'}"]
    flags += ["--retarget=limbs", "--paste_back"]
    assert run_command(capsys, "pg2_tf.generate", *flags).status == 0
    transfer = pg2_tf.load(run, pose_model=tmp_path / "box.tflite")
    image = transfer(tmp_path / "me.png", "hands-up", retarget="limbs", paste_back=True)
    np.testing.assert_array_equal(
        np.asarray(image), image_files.read(tmp_path / "a.png")
    )


def test_photos_are_paths_pil_images_and_arrays(transfer, photo):
    ways = [photo, str(photo), Image.open(photo), image_files.read(photo)]
    made = [np.asarray(transfer(way, "standing")) for way in ways]
    assert made[0].shape == (*SIZE, 3)
    for other in made[1:]:
        np.testing.assert_array_equal(other, made[0])


def test_a_pil_image_is_turned_upright_and_loses_its_alpha(transfer, photo):
    upright = Image.open(photo).convert("RGBA")
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # To be turned by 90 degrees clockwise.
    np.testing.assert_array_equal(
        np.asarray(transfer(turned, "standing")),
        np.asarray(transfer(upright, "standing")),
    )


def test_poses_are_names_files_arrays_photos_and_lists(transfer, photo, tmp_path):
    sitting = named_poses.named_pose("sitting")
    openpose.write_json(tmp_path / "pose_keypoints.json", sitting)
    other = write_photo(tmp_path / "other.png", height=300)
    poses = ["sitting", tmp_path / "pose_keypoints.json", sitting, sitting.tolist()]
    poses += [other, Image.open(other), image_files.read(other)]
    made = transfer(photo, poses)
    assert len(made) == 7
    assert all(isinstance(image, Image.Image) for image in made)
    assert isinstance(transfer(photo, sitting.tolist()), Image.Image)
    assert isinstance(transfer(photo, ["sitting"]), list)
    targets = [target for pose in poses for target in transfer.read_poses(pose)]
    assert [target.name for target in targets] == [
        *("sitting", "pose", "pose", "pose", "other", "other", "pose")
    ]
    placed = [
        transfer.generate(transfer.find(photo), target).poses[0] for target in targets
    ]
    for pose in placed[1:4]:
        np.testing.assert_allclose(pose, placed[0], atol=0.01)
    np.testing.assert_array_equal(placed[5], placed[4])


def test_sequences_are_clips_that_can_be_saved(transfer, photo, tmp_path):
    clip = transfer(photo, "walk")
    assert isinstance(clip, Clip)
    assert (len(clip), clip.frames_per_second) == (named_poses.FRAMES, 12)
    for name in ("walk.gif", "walk.mp4"):
        clip.save(tmp_path / name)
        _, frames = video.read_frames(tmp_path / name, frames_per_second=60, most=99)
        assert len(list(frames)) == named_poses.FRAMES
    with pytest.raises(InputError, match=r"walk.png: save a clip as .gif or .mp4"):
        clip.save(tmp_path / "walk.png")
    array = transfer(photo, named_poses.motion("run"), frames_per_second=8)
    assert (len(array), array.frames_per_second) == (named_poses.FRAMES, 8)
    filmed = transfer(write_photo(tmp_path / "me2.png"), [tmp_path / "walk.gif"])
    assert [type(each) for each in filmed] == [Clip]


def test_a_given_pose_needs_no_estimator(photo):
    def none():
        raise AssertionError("nobody needs to be looked for")

    transfer = Transfer(Echo(), estimator=none, notes=Notes())
    pose = named_poses.named_pose("standing")
    assert transfer(photo, "walking", photo_pose=pose).size == SIZE[::-1]
    person = transfer.find(photo, pose=pose)
    np.testing.assert_array_equal(person.pose, pose)
    unchanged = transfer.generate(
        transfer.find(photo, crop="none", look=False),
        transfer.read_poses(pose, pose_size=named_poses.SIZE)[0],
        retarget="none",
    )
    np.testing.assert_allclose(
        unchanged.poses[0],
        kp.resize(pose, size=named_poses.SIZE, new_size=SIZE),
        atol=1e-4,
    )


def test_results_have_the_images_of_both_stages(transfer, photo):
    person = transfer.find(photo)
    (target,) = transfer.read_poses("waving")
    result = transfer.generate(person, target)
    assert set(result.images) == {"coarse", "refined"}
    assert set(result.intermediate(0)) == {"coarse", "difference"}
    first = Transfer(FirstStage(), estimator=Seer).generate(person, target)
    np.testing.assert_array_equal(first.generated, first.images["coarse"])
    assert first.intermediate(0) == {}


def test_several_people_become_a_warning(tmp_path):
    transfer = Transfer(Echo(), estimator=Seer)
    three = write_photo(tmp_path / "three.png", people=3)
    with pytest.warns(UserWarning, match=r"three\.png: 3 people; .* person=N"):
        transfer(three, "standing")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = [np.asarray(transfer(three, "standing", person=n)) for n in (1, 2, 3)]
    assert len({image.tobytes() for image in made}) == 3
    with pytest.raises(InputError, match="person 4 requested, but only 3 found"):
        transfer(three, "standing", person=4)


@pytest.mark.parametrize(
    ("photo", "says"),
    [
        (np.zeros((9, 9, 3)), r"photo: float64 .* expected uint8 \[H, W, 3\]"),
        (np.ones((9, 9, 3), np.float32) / 2, r"convert \[0, 1\]"),
        (np.zeros((9, 9), np.uint8), "path, a PIL image or uint8"),
        (np.zeros((1, 9, 9, 3), np.uint8), r"uint8 \[1, 9, 9, 3\]"),
    ],
)
def test_wrong_photos_are_refused(transfer, photo, says):
    with pytest.raises(ValueError, match=says):
        transfer(photo, "standing")


@pytest.mark.parametrize(
    ("pose", "says"),
    [
        (named_poses.named_pose("walking") / (128, 256, 1), "pose.* fractions of the"),
        (named_poses.named_pose("walking")[:17], r"pose: float32 \[1, 17, 3\]"),
        (named_poses.named_pose("walking")[:, :2], r"expected numbers \[N, 18, 3\]"),
    ],
)
def test_wrong_keypoints_are_refused(transfer, photo, pose, says):
    with pytest.raises(ValueError, match=says):
        transfer(photo, pose)


def test_a_photos_pose_of_another_image_is_refused(transfer, photo):
    pose = named_poses.named_pose("standing")
    far = pose + np.array([500, 0, 0])
    for wrong, says in (
        (far, "outside the image"),
        (pose / (128, 256, 1), "fractions"),
    ):
        with pytest.raises(ValueError, match=f"photo_pose: .*{says}"):
            transfer(photo, "walking", photo_pose=wrong)


def test_the_cases_photo_and_pose_are_refused_in_other_ranges(shared, transfer):
    place = shared / "cases"
    photo = image_files.read(place / "photo.png")
    file = place / "photo_keypoints.json"
    assert transfer(photo, "walking", photo_pose=file).size == SIZE[::-1]
    with pytest.raises(ValueError, match=r"convert \[0, 1\] with"):
        transfer(np.float32(photo / 255), "walking", photo_pose=file)
    pose = transfer.find(photo, pose=file).pose
    assert transfer(photo, pose, photo_pose=pose).size == SIZE[::-1]
    with pytest.raises(ValueError, match="fractions of the image size"):
        transfer(photo, pose / (64, 128, 1), photo_pose=pose)


def test_unknown_poses_and_options_are_refused(transfer, photo):
    with pytest.raises(InputError, match=r"pose handstand: .*standing.*motions: walk"):
        transfer(photo, "handstand")
    with pytest.raises(ValueError, match="retarget=sideways; allowed are none, scale"):
        transfer(photo, "standing", retarget="sideways")
    with pytest.raises(ValueError, match="crop=half; allowed are auto, none"):
        transfer(photo, "standing", crop="half")
    with pytest.raises(TypeError, match="speed"):
        transfer(photo, "walk", speed=3)


# === Shipped models ===


@pytest.fixture
def stand_in(run, tmp_path, monkeypatch):
    """A tiny shipped model."""
    export_lite(PoseTransfer.load(run), tmp_path, kinds=["float32"])
    place = tmp_path / "models"
    place.mkdir()
    shutil.copy(path_of(tmp_path, "float32", fixed=False), place / "tiny.tflite")
    monkeypatch.setattr(loading, "_SHIPPED", place)
    monkeypatch.setattr(loading, "SHIPPED", ("tiny",))
    return place


def test_a_shipped_model_is_loaded_by_name(stand_in, photo, tmp_path, monkeypatch):
    transfer = load("tiny")
    pose = named_poses.named_pose("standing")
    image = transfer(photo, "walking", photo_pose=pose)
    assert image.size == (32, 32)
    assert "TensorFlow Lite" in transfer.model.describe
    with pytest.raises(InputError, match=r"tin: no such .*shipped models are tiny"):
        load("tin")
    # A folder takes precedence over a shipped model of the same name.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    with pytest.raises(InputError, match="tiny: not a model"):
        load("tiny")


@pytest.mark.skipif(not loading.SHIPPED, reason="no model is shipped")
@pytest.mark.parametrize("name", loading.SHIPPED)
def test_shipped_models_generate_without_tensorflow(name, photo):
    report = script_report(
        f"""
import json, sys
import pg2_tf
from pg2_tf.posing.named_poses import named_pose
transfer = pg2_tf.load({name!r})
image = transfer({str(photo)!r}, "walking", photo_pose=named_pose("standing"))
heavy = [name for name in ("tensorflow", "keras") if name in sys.modules]
print("REPORT", json.dumps([heavy, image.size, transfer.image_size]))
"""
    )
    heavy, size, image_size = report
    assert not heavy
    assert size == image_size[::-1]
