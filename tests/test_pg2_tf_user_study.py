"""The user study's drawing, page and key, and the command that makes them."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from pg2_tf_helpers import command_error, run_command
from pg2_tf_study_helpers import make_study, write_images

from pg2_tf.paper.user_study import answers, page
from preprocessing.images import image_files as images
from preprocessing.system.errors import InputError

COMMAND = "pg2_tf.user_study"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("images")
    return {
        name: write_images(place / name, count, seed=seed)
        for seed, (name, count) in enumerate(
            {"real": 70, "a": 60, "b": 60, "few": 3}.items()
        )
    }


@pytest.fixture(scope="module")
def methods(folders):
    return {"G1+D": folders["a"], "G1+G2+D": folders["b"]}


def names(part, *, real):
    return [shown.file.rsplit("/")[-1] for shown in part.images if shown.real == real]


def study_in(page):
    """Returns what the page's script reads."""
    pattern = r'<script type="application/json" id="study">(.*?)</script>'
    return json.loads(re.search(pattern, page.read_text("utf-8"), re.DOTALL)[1])


def test_the_papers_study_has_50_and_50_images_that_count(folders, methods):
    parts = page.draw(folders["real"], methods)
    assert [part.method for part in parts] == ["G1+D", "G1+G2+D"]
    for part in parts:
        assert len({shown.file for shown in part.images}) == 110
        truths = [shown.real for shown in part.images]
        assert (sum(truths[:10]), sum(truths[10:])) == (5, 50)
        assert truths[10:] != sorted(truths[10:])
        assert len({shown.image for shown in part.images}) == 110


def test_parts_share_real_images_and_names_but_not_the_order(folders, methods):
    first, second = page.draw(folders["real"], methods)
    for real in (True, False):
        assert sorted(names(first, real=real)) == sorted(names(second, real=real))
    assert [s.real for s in first.images] != [s.real for s in second.images]
    assert sorted(names(first, real=True)) != sorted(names(first, real=False))


def test_the_seed_decides(folders, methods):
    again = [page.draw(folders["real"], methods, seed=seed) for seed in (3, 3, 4)]
    assert again[0] == again[1]
    assert again[0] != again[2]
    drawn = [sorted(names(parts[0], real=True)) for parts in again]
    assert drawn[0] != drawn[2]


def test_a_method_is_drawn_alike_whatever_the_others_are(folders, methods):
    alone = page.draw(folders["real"], {"G1+D": folders["a"]})
    assert alone[0] == page.draw(folders["real"], methods)[0]


@pytest.mark.parametrize(
    ("practice", "counted"), [(0, (3, 3)), (3, (2, 1)), (4, (1, 1))]
)
def test_practice_takes_half_of_its_images_from_the_real_ones(
    folders, practice, counted
):
    (part,) = page.draw(
        folders["real"], {"A": folders["a"]}, images=3, practice=practice
    )
    truths = [shown.real for shown in part.images[practice:]]
    assert (sum(truths), len(truths) - sum(truths)) == counted


def test_practice_must_leave_something_to_judge(folders):
    with pytest.raises(InputError, match=r"--practice=5: leaves none .* at most 4"):
        page.draw(folders["real"], {"A": folders["a"]}, images=3, practice=5)


def test_the_page_holds_the_images_and_not_what_they_are(tmp_path):
    key = make_study(tmp_path, methods=("SecretMethod", "Other"))
    text = (tmp_path / "study.html").read_text("utf-8")
    assert "SecretMethod" not in text
    assert "method2" not in text
    assert not re.search(r"https?://", text)
    assert "{{" not in text
    study = study_in(tmp_path / "study.html")
    assert study["study"] == key.study
    for part, told in zip(key.parts, study["parts"], strict=True):
        assert told["part"] == part.part
        for shown, inlined in zip(part.images, told["images"], strict=True):
            assert set(inlined) == {"image", "png"}
            assert inlined["image"] == shown.image
            pixels = images.decode(base64.b64decode(inlined["png"]), name="inlined")
            np.testing.assert_array_equal(pixels, images.read(shown.file))


def test_the_key_is_read_back(tmp_path):
    key = make_study(tmp_path, methods=("A", "B"))
    assert answers.read(tmp_path / "study.key.json") == key


def test_the_studys_name_is_that_of_its_contents(tmp_path):
    study = make_study(tmp_path / "1").study
    assert make_study(tmp_path / "2").study == study
    assert make_study(tmp_path / "3", seconds=0.06).study != study
    assert make_study(tmp_path / "4", seed=1).study != study


def test_make_writes_a_page_with_a_title_of_ones_own(folders, tmp_path, capsys):
    title = "</script><b>{{ style }} & more"
    flags = [
        f"--real={folders['real']}",
        f"--method=G1+D={folders['a']}",
        f"--out={tmp_path / 'study.html'}",
        "--images=4",
        "--practice=2",
        f"--title={title}",
    ]
    result = run_command(capsys, COMMAND, "make", *flags)
    assert result.status == 0, result
    assert "part 1: G1+D, 8 images" in result.out
    assert study_in(tmp_path / "study.html")["title"] == title
    page = (tmp_path / "study.html").read_text("utf-8")
    assert "<h1>&lt;/script&gt;&lt;b&gt;{{ style }} &amp; more</h1>" in page
    line = command_error(capsys, COMMAND, "make", *flags)
    assert "study.html: exists; give another --out, or --overwrite" in line
    assert run_command(capsys, COMMAND, "make", *flags, "--overwrite").status == 0


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"real": None}, "--real is needed"),
        ({"real": "{few}"}, "few: 3 images of different content, the study needs 55"),
        ({"real": "nowhere"}, "--real=nowhere: no such folder"),
        ({"method": None}, "--method is needed"),
        ({"method": "G1+D"}, "--method=G1+D: expected NAME=FOLDER"),
        ({"method": "={a}"}, "expected NAME=FOLDER"),
        ({"method": "A=nowhere"}, "--method=A=nowhere: no such folder"),
        (
            {"method": "A={few}"},
            "few: 3 images of different content, the study needs 55",
        ),
        ({"out": None}, "--out is needed"),
        ({"out": "study.txt"}, "--out=study.txt: the page needs the suffix .html"),
        ({"practice": "110"}, "--practice=110: leaves none"),
        ({"key": "a.key.json"}, "--key is not a flag of make"),
    ],
)
def test_make_refuses(folders, tmp_path, capsys, changes, line):
    flags = {"real": "{real}", "method": "A={a}", "out": str(tmp_path / "s.html")}
    given = {**flags, **changes}
    arguments = [f"--{n}={v.format(**folders)}" for n, v in given.items() if v]
    assert line in command_error(capsys, COMMAND, "make", *arguments)
    assert not list(tmp_path.iterdir())


def test_make_refuses_a_method_twice_and_images_it_cannot_show(
    folders, tmp_path, capsys
):
    flags = [f"--real={folders['real']}", f"--out={tmp_path / 's.html'}"]
    twice = [f"--method=A={folders['a']}", f"--method=A={folders['b']}"]
    line = command_error(capsys, COMMAND, "make", *flags, *twice)
    assert line.endswith("A appears twice")
    large = write_images(tmp_path / "large", 55, size=(32, 16))
    line = command_error(capsys, COMMAND, "make", *flags, f"--method=A={large}")
    assert "must have one size" in line
    for path in large.iterdir():
        path.write_bytes(b"no image " + path.name.encode())
    line = command_error(capsys, COMMAND, "make", *flags, f"--method=A={large}")
    assert "cannot be decoded as an image" in line
    assert not (tmp_path / "s.html").exists()
    assert not (tmp_path / "s.key.json").exists()


def test_an_image_that_is_there_twice_is_drawn_once(tmp_path, capsys):
    real = write_images(tmp_path / "real", 6, seed=1)
    for path in sorted(real.iterdir()):
        path.with_name(f"again_{path.name}").write_bytes(path.read_bytes())
    made = write_images(tmp_path / "made", 6, seed=2)
    flags = [f"--real={real}", f"--method=A={made}", "--practice=2"]
    out = tmp_path / "study.html"
    result = run_command(capsys, COMMAND, "make", *flags, f"--out={out}", "--images=6")
    assert result.status == 0, result.err
    (part,) = answers.read(tmp_path / "study.key.json").parts
    names = [Path(image.file).name for image in part.images if image.real]
    assert len({name.removeprefix("again_") for name in names}) == len(names) == 6
    line = command_error(
        capsys, COMMAND, "make", *flags, f"--out={tmp_path / 'b.html'}", "--images=7"
    )
    assert "real: 6 images of different content, the study needs 7" in line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "an action is needed; allowed: make, score"),
        (["bake"], "bake: no action; allowed: make, score"),
        (["make", "now"], "now: not a flag"),
    ],
)
def test_the_action_is_make_or_score(capsys, arguments, line):
    assert line in command_error(capsys, COMMAND, *arguments)
