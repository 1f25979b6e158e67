"""What the web page does, without a browser."""

import json
import signal
import socket
import sys
import time
import urllib.request

import numpy as np
import pytest
from pg2_tf_helpers import command_error, make_run, run_script
from pg2_tf_webpage_helpers import SIZE, Echo, FirstStage, Seer, write_photo

from pg2_tf.inference import loading
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.posing import named_poses
from pg2_tf.webpage import handlers as page_handlers
from pg2_tf.webpage import parts, server
from pg2_tf.webpage.handlers import Handlers
from preprocessing.images import image_files as images
from preprocessing.images import video
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import openpose
from preprocessing.system.errors import InputError


@pytest.fixture
def handlers():
    return Handlers(Echo(), estimator=Seer, seconds=30)


@pytest.fixture(scope="module")
def drawn():
    return page_handlers.drawn_people(SIZE)[0].person


def pose_of(name):
    return next(
        target for target in page_handlers.offered_poses() if target.name == name
    )


def test_a_photo_is_found_placed_and_generated(handlers, tmp_path):
    found = handlers.find(write_photo(tmp_path / "me.png"))
    assert (found.number, len(found.people)) == (1, 1)
    placed = handlers.place(found.person, pose_of("hands-up"), "scale")
    assert placed.poses.shape == (1, 18, 3)
    assert placed.frames_per_second == 0
    first, last = handlers.generate(found.person, placed.poses[0])
    assert first.result is None
    assert np.array_equal(first.skeleton, last.skeleton)
    assert np.array_equal(last.coarse, found.person.crop)
    assert last.result.shape == (*SIZE, 3)
    assert np.array_equal(last.difference, 128 + (last.result - last.coarse) // 2)


def test_the_result_is_put_back_into_the_photo(handlers, tmp_path):
    person = handlers.find(write_photo(tmp_path / "me.png", height=400)).person
    *_, last = handlers.generate(person, person.pose_in_crop, paste_back=True)
    assert last.result.shape == person.photo.shape


def test_a_first_stage_has_no_intermediate_images(drawn):
    handlers = Handlers(FirstStage(), estimator=Seer, seconds=30)
    *_, last = handlers.generate(drawn, drawn.pose_in_crop)
    assert last.coarse is None
    assert np.array_equal(last.result, drawn.crop)


def test_the_coarse_image_is_shown_before_the_refined_one(tmp_path):
    model = PoseTransfer.load(make_run(tmp_path / "run"))
    drawn = page_handlers.drawn_people(model.image_size)[0].person
    handlers = Handlers(model, estimator=Seer, seconds=60)
    steps = list(handlers.generate(drawn, drawn.pose_in_crop))
    assert [step.coarse is not None for step in steps] == [False, True, True]
    assert [step.result is not None for step in steps] == [False, False, True]
    made = model(drawn.crop[None], drawn.pose_in_crop[None])
    for image, wanted in (
        (steps[1].coarse, made["coarse"][0]),
        (steps[2].coarse, made["coarse"][0]),
        (steps[2].result, made["refined"][0]),
    ):
        assert np.abs(image.astype(int) - wanted).max() <= 1


def test_a_run_of_the_first_stage_has_one_step_more(tmp_path):
    run = make_run(tmp_path / "run", stages=(1,))
    model = PoseTransfer.load(run)
    drawn = page_handlers.drawn_people(model.image_size)[0].person
    first, last = Handlers(model, estimator=Seer, seconds=60).generate(
        drawn, drawn.pose_in_crop
    )
    assert first.result is None
    assert last.coarse is None
    assert last.result.shape == (*model.image_size, 3)


def test_somebody_else_can_be_chosen(handlers, tmp_path):
    found = handlers.find(write_photo(tmp_path / "we.png", people=3))
    assert len(found.people) == 3
    other = handlers.choose(found, 2)
    assert other.number == 2
    assert np.array_equal(other.person.pose, found.people[1])
    assert not np.array_equal(handlers.shown(other), handlers.shown(found))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("words.jpg", b"no photo", "words.jpg: cannot be decoded as an image"),
        ("empty.png", b"", "empty.png: the image file is empty"),
    ],
)
def test_a_broken_photo_is_named_as_the_visitor_does(
    handlers, tmp_path, name, content, says
):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        handlers.find(path)
    assert str(caught.value) == says


def test_a_photo_without_a_person_is_refused(handlers, tmp_path):
    path = write_photo(tmp_path / "wall.png", people=0)
    with pytest.raises(InputError, match=r"^wall.png: no person found in this photo"):
        handlers.find(path)
    with pytest.raises(InputError, match=r"^wall.png: no person found$"):
        handlers.read_pose(path)


def test_a_large_photo_is_kept_smaller(handlers, tmp_path):
    person = handlers.find(write_photo(tmp_path / "me.png", height=4096)).person
    assert person.photo.shape == (2048, 1024, 3)


def test_poses_come_from_photos_files_and_videos(handlers, tmp_path, drawn):
    photo = write_photo(tmp_path / "they.png", people=2)
    target, message = handlers.read_pose(photo)
    assert target.poses.shape == (1, 18, 3)
    assert message == "they.png: 2 people; the largest one is used"
    path = tmp_path / "pose_keypoints.json"
    openpose.write_json(path, named_poses.named_pose("sitting"))
    target, message = handlers.read_pose(path)
    assert np.allclose(target.poses[0], named_poses.named_pose("sitting"), atol=1e-3)
    assert message == ""
    frame = images.read(write_photo(tmp_path / "me.png"))
    gif = tmp_path / "dance.gif"
    gif.write_bytes(video.write_gif([frame] * 3, frames_per_second=5))
    target, _ = handlers.read_pose(gif)
    assert target.frames_per_second == pytest.approx(5)
    assert handlers.place(drawn, target, "scale").poses.shape == (3, 18, 3)
    gif.write_bytes(gif.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"^dance.gif: the GIF is cut off"):
        handlers.read_pose(gif)


def test_a_person_of_whom_little_was_found_gets_no_pose(handlers, drawn):
    pose = kp.missing_pose()
    pose[0] = drawn.pose[0]
    with pytest.raises(InputError, match="too few joints of the person"):
        handlers.place(drawn._replace(pose=pose), pose_of("standing"), "scale")


def test_a_sequence_comes_a_few_frames_at_a_time(handlers, drawn, tmp_path):
    placed = handlers.place(drawn, pose_of("walk"), "limbs")
    steps = list(handlers.play(drawn, placed))
    assert [step.made for step in steps] == [4, 8, 12, 16]
    assert [step.gif is None for step in steps] == [True, True, True, False]
    path = tmp_path / "walk.gif"
    path.write_bytes(steps[-1].gif)
    rate, frames = video.read_frames(path, frames_per_second=60, most=99)
    assert len(list(frames)) == named_poses.FRAMES
    assert rate == pytest.approx(named_poses.FRAMES_PER_SECOND, rel=0.1)


def test_what_takes_too_long_is_broken_off(drawn):
    class Slow(Echo):
        def __call__(self, images, poses):
            time.sleep(0.3)
            return super().__call__(images, poses)

    handlers = Handlers(Slow(), estimator=Seer, seconds=0.1)
    steps = handlers.generate(drawn, drawn.pose_in_crop)
    assert next(steps).result is None
    with pytest.raises(InputError, match=r"longer than the limit of 0.1 sec"):
        next(steps)


def test_dragged_joints_come_back_as_they_were_shown(drawn):
    shown = parts.pose_to_page(drawn.pose_in_crop, drawn.crop)
    assert np.allclose(parts.pose_from_page(shown, SIZE), drawn.pose_in_crop, atol=0.01)
    content = json.loads(shown)
    assert (content["height"], content["width"]) == SIZE
    content["pose"][4] = [SIZE[1] + 5, 3, 1]
    assert not kp.found(parts.pose_from_page(json.dumps(content), SIZE))[4]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "sent no pose"),
        ("[1]", "sent no pose"),
        ('{"pose": "x"}', "sent no pose"),
        ('{"pose": [[1, 2, 1], [1]]}', "sent no pose"),
        ('{"pose": [[1, 2, 1]]}', "sent no pose"),
        (json.dumps({"pose": [[900, 900, 1]] * 18}), "no joint is in the image"),
        ('{"pose": ' + str([[float("nan")] * 3] * 18) + "}", "sent no pose"),
        ("[" * 100_000, "sent no pose"),
    ],
)
def test_what_is_no_pose_is_refused(text, says):
    with pytest.raises(InputError, match=says):
        parts.pose_from_page(text, SIZE)


def test_examples_are_people_of_the_models_size():
    for size in ((64, 32), (128, 64), (256, 256)):
        people = page_handlers.drawn_people(size)
        crops = [found.person.crop for found in people]
        assert {crop.shape for crop in crops} == {(*size, 3)}
        assert len({crop.tobytes() for crop in crops}) == len(crops)
        assert all(kp.has_torso(found.person.pose_in_crop) for found in people)


@pytest.mark.parametrize("name", named_poses.MOTIONS)
def test_motions_stay_in_the_picture_and_begin_again_where_they_end(name):
    poses = named_poses.motion(name)
    assert poses.shape == (named_poses.FRAMES, 18, 3)
    assert np.array_equal(kp.within(poses, named_poses.SIZE), poses)
    found = kp.found(poses).all(axis=0)
    steps = np.abs(np.diff(poses[:, found, :2], axis=0)).max(axis=(1, 2))
    again = np.abs(poses[0, found, :2] - poses[-1, found, :2]).max()
    assert again <= 1.5 * steps.max()
    assert steps.max() > 1


def test_a_motion_keeps_the_lengths_of_its_limbs_from_the_side():
    poses = named_poses.motion("walk")
    knee, hip = (kp.INDEX[f"right_{joint}"] for joint in ("knee", "hip"))
    lengths = np.linalg.norm(poses[:, knee, :2] - poses[:, hip, :2], axis=1)
    assert np.ptp(lengths) < 0.1 * lengths.mean()


def test_a_port_in_use_is_one_line(capsys, tmp_path):
    run = make_run(tmp_path / "run")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        line = command_error(capsys, "pg2_tf.demo", f"--model={run}", f"--port={port}")
    assert line.startswith(f"error: --host=127.0.0.1 --port={port}: ")
    assert "give another --port" in line


def test_a_missing_model_is_one_line(capsys, tmp_path):
    model = tmp_path / "nothing"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = command_error(capsys, "pg2_tf.demo", f"--model={model}", f"--port={port}")
    assert line.startswith(f"error: {model}: no such file or folder")


def test_without_gradio_it_is_said_what_to_install(handlers, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(
        InputError, match=r"needs Gradio .*pip install 'pg2-tf\[demo\]'"
    ):
        server.start(handlers, tmp_path, host="127.0.0.1", port=1, megabytes=1)


@pytest.mark.skipif(not loading.SHIPPED, reason="no model is shipped")
def test_the_demo_opens_with_a_shipped_model():
    pytest.importorskip("gradio", reason="Gradio is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = run_script(
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('pg2_tf.demo', run_name='__main__')\n"
        "finally:\n"
        "    print('heavy:', {'tensorflow', 'keras'} & set(sys.modules))",
        f"--port={port}",
        wait=False,
    )
    line = ""
    while "http://" not in line:
        line = process.stdout.readline()
        assert line, "the page ended early"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}") as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "interrupted" in out
    assert "heavy: set()" in out
