"""The web page in a real browser: upload, drag a joint, generate, play, download."""

import http.server
import json
import socket
import threading
import urllib.request
from functools import partial

import cv2
import numpy as np
import pg2_tf_browser
import pytest
from pg2_tf_webpage_helpers import SIZE, Echo, Seer, write_photo

from preprocessing.images import image_files as images
from preprocessing.images import video
from preprocessing.poses import pose_files

pytest.importorskip("gradio", reason="Gradio is not installed (pip install gradio)")
import gradio_client

from pg2_tf.webpage import server
from pg2_tf.webpage.handlers import Handlers

_PHONE = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}
_WAIT = 20_000
_WRIST = 4


class Recorder(Echo):
    """A model that keeps the last poses it was given."""

    poses = None

    def __call__(self, images, poses):
        Recorder.poses = poses
        return super().__call__(images, poses)


@pytest.fixture(scope="module")
def browser():
    """A browser without a window."""
    with pg2_tf_browser.opened() as opened:
        yield opened


def served(folder, **options):
    """Serves the page on this computer; returns its address and what stops it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    handlers = Handlers(Recorder(), estimator=Seer, seconds=60)
    place = {"host": "127.0.0.1", "port": port}
    stop = server.start(handlers, folder, **place, megabytes=1, **options)
    return f"http://127.0.0.1:{port}", stop


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page, served on this computer."""
    address, stop = served(tmp_path_factory.mktemp("served"))
    yield address
    stop()


@pytest.fixture
def visit(browser, address):
    """Opens the page; fails if it complains, or asks anybody else for anything."""
    contexts, elsewhere, complaints = [], [], []

    def asked(request):
        if not request.url.startswith((address, "data:", "blob:")):
            elsewhere.append(request.url)

    def said(message):
        if message.type == "error":
            complaints.append(message.text)

    def open_page(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_WAIT)
        page.on("request", asked)
        page.on("console", said)
        page.goto(address)
        page.wait_for_selector(".joints svg circle.hit")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not elsewhere
    assert not complaints


def upload(page, path, *, column="person"):
    page.locator(f"#{column} input[type=file]").first.set_input_files(path)


def drag(page, joint, across, down):
    """Drags a joint by pixels of the screen."""
    box = page.locator(f'[data-joint="{joint}"]').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across / 2, y + down / 2, steps=3)
    page.mouse.move(x + across, y + down, steps=3)
    page.mouse.up()


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def pose_shown(page):
    """Returns the place in the image of each joint that is there, by number."""
    return page.evaluate(
        """Object.fromEntries(
            [...document.querySelectorAll(".joints circle.hit")].map((circle) => [
                circle.dataset.joint,
                [circle.cx.baseVal.value, circle.cy.baseVal.value],
            ])
        )"""
    )


def generate(page):
    page.get_by_role("button", name="Generate").click()
    page.wait_for_selector("#refined img")
    page.wait_for_function("document.querySelector('#status').innerText.trim() === ''")


def downloaded(page, path):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    waiting.value.save_as(path)
    return waiting.value.suggested_filename


def test_photo_is_uploaded_a_joint_dragged_and_the_result_downloaded(visit, tmp_path):
    page = visit(viewport={"width": 1280, "height": 1000})
    before = page.locator("#photo img").get_attribute("src")
    upload(page, write_photo(tmp_path / "me.png"))
    page.wait_for_function(
        "before => document.querySelector('#photo img')?.src !== before", arg=before
    )
    generate(page)
    first = Recorder.poses[0]
    scale = page.locator(".joints svg").bounding_box()["height"] / SIZE[0]
    drag(page, _WRIST, 4 * scale, -6 * scale)
    generate(page)
    page.wait_for_timeout(200)
    moved = Recorder.poses[0] - first
    np.testing.assert_allclose(moved[_WRIST, :2], (4, -6), atol=0.6)
    assert not np.delete(moved, _WRIST, axis=0).any()
    assert downloaded(page, tmp_path / "made.png") == "person.png"
    made = images.read(tmp_path / "made.png")
    assert made.shape == (*SIZE, 3)
    # What the model made: the photo's green, brighter.
    assert (
        np.abs(made[SIZE[0] // 2, SIZE[1] // 2].astype(int) - (220, 255, 20)).max() <= 8
    )
    for name in ("skeleton", "coarse", "difference"):
        assert page.locator(f"#{name} img").count() == 1
    press(page, "Undo")
    generate(page)
    np.testing.assert_array_equal(Recorder.poses[0], first)


def test_changes_of_the_skeleton_are_undone_and_redone(visit):
    page = visit(viewport={"width": 1280, "height": 1000})
    states = [pose_shown(page)]
    undo, redo, reset = (
        page.get_by_role("button", name=name, exact=True)
        for name in ("Undo", "Redo", "Reset")
    )
    assert [each.is_disabled() for each in (undo, redo, reset)] == [True] * 3
    drag(page, _WRIST, 30, -20)
    states.append(pose_shown(page))
    page.locator(f'[data-joint="{_WRIST}"]').focus()
    page.keyboard.press("ArrowRight")
    states.append(pose_shown(page))
    assert states[0] != states[1] != states[2]
    undo.click()
    assert pose_shown(page) == states[1]
    page.locator(f'[data-joint="{_WRIST}"]').focus()
    page.keyboard.press("Control+z")
    assert pose_shown(page) == states[0]
    assert undo.is_disabled()
    page.keyboard.press("Control+Shift+z")
    redo.click()
    assert pose_shown(page) == states[2]
    assert redo.is_disabled()
    reset.click()
    assert pose_shown(page) == states[0]
    undo.click()
    assert pose_shown(page) == states[2]
    # A change after an undo ends what could be redone.
    undo.click()
    drag(page, _WRIST, -30, 0)
    assert redo.is_disabled()
    generate(page)


def test_joints_are_removed_and_added_and_the_pose_is_saved(visit, tmp_path):
    page = visit(viewport={"width": 1280, "height": 1000})
    everything = pose_shown(page)
    remove = page.get_by_role("button", name="Remove joint")
    assert remove.is_disabled()
    page.locator(f'[data-joint="{_WRIST}"]').focus()
    assert page.locator(".joints-name").inner_text() == "right wrist"
    remove.click()
    assert set(everything) - set(pose_shown(page)) == {str(_WRIST)}
    page.locator('[data-joint="3"]').focus()
    page.keyboard.press("Delete")
    assert set(everything) - set(pose_shown(page)) == {str(_WRIST), "3"}
    generate(page)
    assert not Recorder.poses[0][[3, _WRIST]].any()
    add = page.get_by_role("combobox", name="Add joint")
    add.select_option("right elbow")
    assert set(everything) - set(pose_shown(page)) == {str(_WRIST)}
    generate(page)
    assert Recorder.poses[0][3, 2] == 1
    with page.expect_download() as waiting:
        press(page, "Save pose")
    assert waiting.value.suggested_filename == "pose_keypoints.json"
    waiting.value.save_as(tmp_path / "pose_keypoints.json")
    saved = pose_files.read_one(tmp_path / "pose_keypoints.json").people[0]
    np.testing.assert_allclose(saved, Recorder.poses[0], atol=0.01)
    for _ in range(3):
        press(page, "Undo")
    assert pose_shown(page) == everything


def test_files_that_are_no_photos_give_a_message_in_the_page(visit, tmp_path):
    page = visit()
    broken = tmp_path / "broken.jpg"
    broken.write_text("not an image")
    upload(page, broken)
    page.get_by_text("cannot be decoded as an image").wait_for()
    upload(page, write_photo(tmp_path / "empty.png", people=0))
    page.get_by_text("no person found in this photo").wait_for()
    # Still there, with the person it had.
    generate(page)


def test_which_of_several_people_can_be_chosen(visit, tmp_path):
    page = visit()
    upload(page, write_photo(tmp_path / "two.png", people=2))
    page.get_by_text("2 people; the largest was chosen").wait_for()
    page.get_by_role("radio", name="2").check()
    generate(page)
    assert np.isfinite(Recorder.poses).all()


def test_sequence_is_played_and_downloaded(visit, tmp_path):
    page = visit()
    page.get_by_role("button", name="walk (moves)").click()
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "document.querySelector('#refined img')?.src.endsWith('.gif')"
    )
    assert downloaded(page, tmp_path / "walk.gif") == "person.gif"
    frames = cv2.VideoCapture(str(tmp_path / "walk.gif"))
    assert frames.read()[0]
    assert frames.read()[0]


def test_page_fits_a_phone_and_joints_move_by_keys(visit):
    page = visit(**_PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= _PHONE["viewport"]["width"]
    state = """[...document.querySelectorAll(".joints circle.hit")].map(
        (circle) => circle.cx.baseVal.value
    )"""
    before = page.evaluate(state)
    page.locator(f'[data-joint="{_WRIST}"]').focus()
    page.keyboard.press("ArrowRight")
    after = page.evaluate(state)
    changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert len(changed) == 1
    assert after[changed[0]] == pytest.approx(before[changed[0]] + SIZE[0] / 128)


def test_joint_is_dragged_by_a_finger(visit):
    page = visit(**_PHONE)
    joint = page.locator(f'[data-joint="{_WRIST}"]')
    joint.scroll_into_view_if_needed()
    box = joint.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x + 12, "y": y}]),
        ("touchMove", [{"x": x + 24, "y": y - 10}]),
        ("touchEnd", []),
    ):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    moved = page.locator(f'[data-joint="{_WRIST}"]').bounding_box()
    assert moved["x"] - box["x"] == pytest.approx(24, abs=3)
    assert moved["y"] - box["y"] == pytest.approx(-10, abs=3)
    generate(page)
    assert json.dumps(Recorder.poses[0].tolist())


# === Called by programs, embedded by other sites ===


def ancestors(address):
    with urllib.request.urlopen(address) as answer:
        policy = answer.headers["content-security-policy"]
    return policy.rpartition("frame-ancestors ")[2]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client of the page that was started with the API."""
    place = tmp_path_factory.mktemp("api")
    address, stop = served(place / "served", api=True)
    assert ancestors(address) == "*"
    yield gradio_client.Client(address, verbose=False, download_files=place)
    stop()


def test_programs_call_the_page(client, tmp_path):
    photo = gradio_client.handle_file(write_photo(tmp_path / "me.png"))
    path = client.predict(photo, "walking", api_name="/generate")
    assert images.read(path).shape == (*SIZE, 3)
    first = Recorder.poses[0]
    other = gradio_client.handle_file(write_photo(tmp_path / "they.png", height=300))
    client.predict(photo, pose_file=other, retarget="limbs", api_name="/generate")
    assert not np.array_equal(Recorder.poses[0], first)
    path = client.predict(photo, "wave", None, "scale", True, api_name="/generate")
    _, frames = video.read_frames(path, frames_per_second=60, most=99)
    assert len(list(frames)) == 16


def test_wrong_calls_are_answered_by_one_line(client, tmp_path):
    photo = gradio_client.handle_file(write_photo(tmp_path / "me.png"))
    empty = gradio_client.handle_file(write_photo(tmp_path / "empty.png", people=0))
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    for arguments, says in (
        ((photo, "handstand"), "pose handstand: no pose has this name"),
        ((photo, str(secret)), "no pose has this name"),
        ((empty, "walking"), r"empty\.png: no person found"),
        ((None, "walking"), "photo is needed"),
    ):
        with pytest.raises(gradio_client.exceptions.AppError, match=says):
            client.predict(*arguments, api_name="/generate")


def test_without_the_flag_nobody_else_is_answered(address):
    assert ancestors(address) == "'none'"
    client = gradio_client.Client(address, verbose=False)
    named = client.view_api(return_format="dict")
    assert not named["named_endpoints"]


@pytest.fixture
def site(tmp_path):
    """Another site, of the files in `tmp_path`."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_another_site_can_embed_the_page(browser, site, tmp_path, tmp_path_factory):
    for api in (True, False):
        address, stop = served(tmp_path_factory.mktemp("embedded"), api=api)
        (tmp_path / f"{api}.html").write_text(
            f'<iframe src="{address}" width="900" height="900"></iframe>'
        )
        page = browser.new_page()
        page.goto(f"{site}/{api}.html")
        joints = page.frame_locator("iframe").locator(".joints svg circle.hit")
        if api:
            joints.first.wait_for(timeout=_WAIT)
        else:
            page.wait_for_timeout(1500)
            assert joints.count() == 0
        page.close()
        stop()
