"""The user study's page in a real browser: Chromium without a window."""

import csv
import json

import pg2_tf_browser
import pytest
from pg2_tf_helpers import run_command
from pg2_tf_study_helpers import make_study

from pg2_tf.paper.user_study import answers

playwright = pg2_tf_browser.playwright

# Of the drawn study; four images count.
IMAGES, PRACTICE = 6, 2
PHONE = {
    "viewport": {"width": 320, "height": 568},
    "is_mobile": True,
    "has_touch": True,
}
WATCH = """
window.states = [];
const watched = {attributes: true, subtree: true, attributeFilter: ["data-state"]};
new MutationObserver(() => window.states.push([
  document.body.dataset.state, performance.now(),
  getComputedStyle(document.getElementById("image")).visibility,
])).observe(document, watched);
"""
HURRY = """
const later = window.setTimeout;
window.setTimeout = (done, wait) => later(done, wait / 10);
"""
# Where the next part would be drawn, and not the one after the last.
DRAWS_LAST = "Math.random = () => 0.99;"
NO_STORAGE = """
Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("denied", "SecurityError"); },
});
"""


@pytest.fixture(scope="module")
def browser():
    """A browser without a window."""
    with pg2_tf_browser.opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two methods, and its page."""
    folder = tmp_path_factory.mktemp("study")
    return make_study(folder, methods=("A", "B")), folder / "study.html"


@pytest.fixture
def visit(browser, study):
    """Opens the study as somebody new would; fails if the page complains."""
    contexts, complaints = [], []

    def open_page(*, part=1, scripts=(HURRY,), path=study[1], **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: refuse_network(request.url))
        for script in (WATCH, *scripts):
            page.add_init_script(script)
        page.goto(f"{path.as_uri()}#part={part}" if part else path.as_uri())
        return page

    def refuse_network(url):
        if url.startswith(("http:", "https:")):
            complaints.append(url)

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def wait_for(page, state):
    page.wait_for_selector(f'body[data-state="{state}"]', state="attached")


def state_of(page):
    return page.evaluate("document.body.dataset.state")


def judge(page, images, *, wrong=(), by=("r", "f"), pauses=True):
    """Judges images of a part, rightly but for `wrong`; keys or buttons `by`."""
    for shown in images:
        wait_for(page, "question")
        way = by[0 if shown.real != (shown.image in wrong) else 1]
        if way.startswith("#"):
            page.click(way)
        else:
            page.keyboard.press(way)
        if pauses and shown.image.endswith(f"-{PRACTICE:03d}"):
            wait_for(page, "pause")
            page.click("#continue")


def download(page, button, folder):
    with page.expect_download() as waiting:
        page.click(button)
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_a_whole_study_by_keys_and_buttons(visit, study, tmp_path, capsys):
    key, images = study[0], study[0].parts[0].images
    wrong = [next(one.image for one in images[PRACTICE:] if one.real)]
    page = visit()
    assert page.text_content("h1") == "Real or fake?"
    page.click("#begin")
    judge(page, images[:2])
    judge(page, images[2:3], wrong=wrong, by=("ArrowLeft", "ArrowRight"))
    judge(page, images[3:4], wrong=wrong, by=("R", "F"))
    judge(page, images[4:], wrong=wrong, by=("#real", "#fake"))
    wait_for(page, "end")
    place = tmp_path / "answers"
    paths = [download(page, button, place) for button in ("#json", "#csv")]
    assert [path.suffix for path in paths] == [".json", ".csv"]
    read = [answers.read_file(path, key) for path in paths]
    assert read[0] == read[1]
    assert all(time < 10_000 for time in read[0].milliseconds.values())
    command = [f"--key={study[1].with_suffix('.key.json')}", f"--answers={place}"]
    out = tmp_path / "out"
    result = run_command(capsys, "pg2_tf.user_study", "score", *command, f"--out={out}")
    assert result.status == 0, result
    (rates,) = json.loads((out / "table2.json").read_text())["methods"]["A"][
        "participants"
    ].values()
    assert rates == {"r2g": 50, "g2r": 0}


def test_a_reload_keeps_the_answers(visit, study, tmp_path):
    images = study[0].parts[0].images
    page = visit()
    page.click("#begin")
    judge(page, images[:3])
    wait_for(page, "question")
    page.reload()
    wait_for(page, "start")
    assert page.inner_text("#resumed").startswith("Welcome back. 3 of 6 answers")
    assert page.text_content("#begin") == "Continue"
    page.click("#begin")
    assert state_of(page) == "question"  # It was seen already.
    judge(page, images[3:])
    wait_for(page, "end")
    page.reload()
    wait_for(page, "end")
    path = download(page, "#json", tmp_path)
    assert len(answers.read_file(path, study[0]).judged) == IMAGES


def test_an_image_is_shown_for_one_second_and_no_answer_taken_before(visit, tmp_path):
    make_study(tmp_path, seconds=1)
    page = visit(path=tmp_path / "study.html", scripts=())
    page.click("#begin")
    wait_for(page, "image")
    page.keyboard.press("r")
    page.click("#fake", force=True)
    assert state_of(page) == "image"
    wait_for(page, "question")
    times = {state: (at, sees) for state, at, sees in page.evaluate("states")}
    assert times["image"][1] == "visible"
    assert {times[state][1] for state in ("gap", "question")} == {"hidden"}
    assert 0.98 <= (times["question"][0] - times["image"][0]) / 1000 <= 1.5
    assert page.get_attribute("#image", "src") is None
    assert page.inner_text("header").split() == ["Practice", "1", "of", "6"]


def test_an_image_whose_second_has_not_passed_is_shown_again(visit, tmp_path):
    make_study(tmp_path, seconds=5)
    page = visit(path=tmp_path / "study.html", scripts=())
    for _ in range(2):
        page.click("#begin")
        wait_for(page, "image")
        page.reload()
        wait_for(page, "start")


def test_a_phone_shows_everything_without_scrolling(visit):
    page = visit(**PHONE)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    page.tap("#begin")
    wait_for(page, "question")
    assert page.evaluate(fits)
    for name in ("#stage", "#real", "#fake"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        assert box["y"] + box["height"] <= 568
        assert box["height"] >= 44
    assert page.locator("#image").bounding_box()["height"] > 200
    page.tap("#fake")
    page.wait_for_function('document.body.innerText.includes("2 of 6")')


def test_the_next_participant_is_another_and_takes_the_next_part(
    visit, study, tmp_path
):
    page = visit(part=2, scripts=(HURRY, DRAWS_LAST))
    page.click("#begin")
    judge(page, study[0].parts[1].images)
    wait_for(page, "end")
    page.click("#next")  # Nothing has been downloaded: asked again first.
    assert page.text_content("#next") == "Not downloaded yet: discard these answers?"
    first = download(page, "#csv", tmp_path)
    page.evaluate("location.hash = ''")
    page.click("#next")
    wait_for(page, "start")
    assert page.locator("#resumed").is_hidden()
    page.click("#begin")
    judge(page, study[0].parts[0].images)
    wait_for(page, "end")
    second = download(page, "#csv", tmp_path)
    read = answers.read_all([first, second], study[0])
    assert [one.part.part for one in read] == [2, 1]
    page.click("#next")
    wait_for(page, "start")
    with second.open() as file:
        assert len(list(csv.reader(file))) == 1 + IMAGES


def test_without_storage_the_page_says_so_and_works(visit, study, tmp_path):
    page = visit(scripts=(HURRY, NO_STORAGE))
    assert "do not reload or close" in page.inner_text("#notice")
    page.click("#begin")
    judge(page, study[0].parts[0].images)
    wait_for(page, "end")
    path = download(page, "#json", tmp_path)
    assert len(answers.read_file(path, study[0]).judged) == IMAGES
    page.click("#next")
    wait_for(page, "start")


def test_an_unknown_part_is_not_shown(visit):
    page = visit(part=7)
    assert page.inner_text("#notice") == (
        "The address asks for part 7; this study has parts 1 to 2."
    )
    assert page.locator("#begin").is_hidden()


def test_without_an_address_any_part_is_given(visit):
    page = visit(part=None)
    assert page.inner_text("footer").split(", ")[1] in ("part 1", "part 2")
