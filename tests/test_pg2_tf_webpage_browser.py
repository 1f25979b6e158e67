"""The web page in a real browser: upload, drag a joint, generate, play, download."""

import json
import socket

import cv2
import numpy as np
import pg2_tf_browser
import pytest
from pg2_tf_webpage_helpers import SIZE, Echo, Seer, write_photo

from preprocessing.images import image_files as images

pytest.importorskip("gradio", reason="Gradio is not installed (pip install gradio)")

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


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page, served on this computer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = server.start(
        Handlers(Recorder(), estimator=Seer, seconds=60),
        tmp_path_factory.mktemp("served"),
        host="127.0.0.1",
        port=port,
        megabytes=1,
    )
    yield f"http://127.0.0.1:{port}"
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
    page.get_by_role("button", name="Undo changes").click()
    generate(page)
    np.testing.assert_array_equal(Recorder.poses[0], first)


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
    page.get_by_text("2 people; the largest was taken").wait_for()
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
