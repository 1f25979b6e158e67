"""Answers to a user study: what is refused, and the rates against ones by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from pg2_tf_helpers import command_error, run_command
from pg2_tf_study_helpers import answers_to, make_study, write_answers

from pg2_tf.paper.user_study import answers, scores
from pg2_tf.paper.user_study.answers import Key, Part, Shown
from preprocessing.system.errors import InputError

COMMAND = "pg2_tf.user_study"


def small_key(*, practice=2):
    """Returns a study of two parts, each with 4 real and 2 generated images counting.

    Of the two practice images one is real.
    """
    truths = [True, False, True, False, True, True, False, True]
    parts = [
        Part(
            number,
            method,
            [Shown(f"{number}-{i}", f"{i}.png", real) for i, real in enumerate(truths)],
        )
        for number, method in ((1, "G1+D"), (2, "mine"))
    ]
    return Key("0123456789abcdef", "title", 1.0, practice, 0, parts)


def judged(key, **options):
    return answers.parse("answers.json", answers_to(key, **options), key)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two methods, 3 images of each kind, and where its key lies."""
    folder = tmp_path_factory.mktemp("study")
    return make_study(folder, methods=("G1+D", "mine")), folder / "study.key.json"


# === Rates ===


def test_rates_by_hand():
    key = small_key()
    given = [
        judged(key, participant="a", wrong=["1-2"]),
        judged(key, participant="b", wrong=["1-2", "1-4", "1-3"]),
        judged(key, participant="c", wrong=["1-2", "1-4", "1-5", "1-6", "1-3"]),
    ]
    one, other = scores.score(key, given)
    assert (one.real, one.generated) == (4, 2)
    assert one.participants == {"a": (25, 0), "b": (50, 50), "c": (75, 100)}
    assert one.r2g.mean == pytest.approx(50)
    assert one.g2r.mean == pytest.approx(50)
    assert (other.participants, other.r2g, other.g2r) == ({}, None, None)


def test_practice_does_not_count():
    key = small_key()
    (one, _) = scores.score(key, [judged(key, wrong=["1-0", "1-1"])])
    assert one.participants == {"p1": (0, 0)}
    (one, _) = scores.score(small_key(practice=0), [judged(key, wrong=["1-0"])])
    assert one.participants == {"p1": (20, 0)}


def test_one_participant_has_no_interval():
    key = small_key()
    one, _ = scores.score(key, [judged(key, wrong=["1-2"])])
    assert one.r2g == scores.Rate(25, None)
    assert "A single participant gives no interval." in scores.markdown([one])


def test_the_interval_is_that_of_all_possible_draws():
    """Two participants: the four draws have means 0, 50, 50 and 100."""
    key = small_key()
    wrong = [[], ["1-2", "1-4", "1-5", "1-7"]]
    given = [judged(key, participant=f"p{i}", wrong=w) for i, w in enumerate(wrong)]
    one, _ = scores.score(key, given)
    assert one.r2g == scores.Rate(50, (0, 100))
    assert one.g2r == scores.Rate(0, (0, 0))


def test_the_interval_is_near_the_normal_one_and_repeats():
    key, rng = small_key(), np.random.default_rng(0)
    real = [shown.image for shown in key.parts[0].images[2:] if shown.real]
    given = [
        judged(key, participant=f"{i}", wrong=[n for n in real if rng.random() < 0.3])
        for i in range(60)
    ]
    one, _ = scores.score(key, given, seed=1)
    rates = np.array([r2g for r2g, _ in one.participants.values()])
    half = 1.96 * rates.std(ddof=1) / np.sqrt(60)
    expected = (rates.mean() - half, rates.mean() + half)
    assert one.r2g.interval == pytest.approx(expected, abs=1)
    again = scores.score(key, given[::-1], seed=1)[0]
    assert again == one
    few = [scores.score(key, given, seed=s, resamples=20)[0] for s in range(4)]
    assert len({drawn.r2g.interval for drawn in few}) > 1


def test_the_table_has_the_papers_numbers_beside_ours(tmp_path):
    key = small_key()
    given = [
        judged(key, participant="a", wrong=["1-2"]),
        judged(key, participant="b"),
        judged(key, part=2, participant="c", wrong=["2-3"]),
    ]
    text = scores.write(tmp_path, key, scores.score(key, given), seed=0)
    lines = text.splitlines()
    assert lines[2] == (
        "| G1+D | 2 | 12.5 % (0.0 to 25.0) | 0.0 % (0.0 to 0.0) "
        "| 7.8 % | 9.3 % | 17.1 % | 11.1 % |"
    )
    assert lines[3] == "| mine | 1 | 0.0 % | 50.0 % | - | - | - | - |"
    assert lines[4] == "| G1+G2+D | - | - | - | 9.2 % | 14.9 % | 11.2 % | 5.5 % |"
    assert (tmp_path / "table2.md").read_text() == text
    table = pd.read_csv(tmp_path / "table2.csv", index_col="method")
    assert table.loc["G1+D", "r2g_high"] == 25
    assert table.loc["G1+G2+D", "paper_Market-1501_g2r"] == 5.5
    assert np.isnan(table.loc["mine", "r2g_low"])
    written = json.loads((tmp_path / "table2.json").read_text())
    assert written["methods"]["mine"]["g2r"] == {"mean": 50, "interval": None}
    assert written["methods"]["G1+D"]["participants"]["a"] == {"r2g": 25, "g2r": 0}


# === Files ===


def test_json_and_csv_say_the_same(tmp_path):
    key = small_key()
    content = answers_to(key, part=2, wrong=["2-5"])
    read = [
        answers.read_file(write_answers(tmp_path / f"a.{suffix}", content), key)
        for suffix in ("json", "csv")
    ]
    assert read[0] == read[1]
    assert read[0].part.method == "mine"
    assert read[0].judged["2-5"] == "fake"
    assert read[0].milliseconds["2-5"] == 405
    assert answers.read_all([tmp_path / "a.json", tmp_path / "a.csv"], key) == read[:1]


def test_a_byte_order_mark_is_passed_over(tmp_path):
    key = small_key()
    path = write_answers(tmp_path / "a.csv", answers_to(key))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert answers.read_file(path, key) == judged(key)


def changed(content, **changes):
    return {**content, **changes}


def altered(content, **changes):
    """Returns the answers with the fourth changed."""
    rows = list(content["answers"])
    rows[3] = {**rows[3], **changes}
    return {**content, "answers": rows}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda c: changed(c, study="f" * 16), "answers to study 'ffff"),
        (lambda c: changed(c, part=3), "part .*; the study has parts 1 to 2"),
        (lambda c: changed(c, answers=c["answers"][:-1]), "incomplete, 7 of 8 images"),
        (
            lambda c: changed(c, answers=[*c["answers"], c["answers"][0]]),
            "'1-0' is answered twice",
        ),
        (lambda c: altered(c, image="1-99"), "'1-99' is not in part 1"),
        (lambda c: altered(c, image="2-3"), "'2-3' is not in part 1"),
        (lambda c: altered(c, image="1-2"), "'1-2' is answered twice"),
        (lambda c: altered(c, answer="maybe"), "answered 'maybe'; allowed: real and"),
        (lambda c: altered(c, milliseconds=-4), "not a whole number of milliseconds"),
        (lambda c: changed(c, participant=""), "'' is not a participant"),
    ],
)
@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_other_answers_are_refused(tmp_path, suffix, change, line):
    key = small_key()
    path = write_answers(tmp_path / f"a.{suffix}", change(answers_to(key)))
    with pytest.raises(InputError, match=line) as refused:
        answers.read_file(path, key)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.json", "{", "not JSON"),
        ("a.json", "[1]", "its content is not an object"),
        ("a.json", '{"study": 1}', "not the answers of a user study"),
        ("a.json", "\xff", "not JSON"),
        ("a.csv", "", "answers need the columns study,part"),
        ("a.csv", "a,b\n1,2\n", "answers need the columns study,part"),
        ("a.csv", ",".join(answers.COLUMNS) + "\n", "holds no answer"),
        ("a.csv", ",".join(answers.COLUMNS) + "\ns,1\n", "answers to study 's'"),
        (
            "a.csv",
            ",".join(answers.COLUMNS) + "\ns,1,p,1-0,real,1\ns,1,q,1-1,real,1\n",
            "2 values under participant",
        ),
        ("a.csv", "\xff\xfe", "not a CSV text file"),
        ("a.txt", "", "not an answer file"),
    ],
)
def test_unreadable_files_are_refused(tmp_path, name, text, line):
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=line):
        answers.read_file(tmp_path / name, small_key())


# === The command ===


def score(capsys, study, out, *places):
    return run_command(
        capsys,
        COMMAND,
        "score",
        f"--key={study[1]}",
        f"--answers={','.join(map(str, places))}",
        f"--out={out}",
    )


def score_error(capsys, study, out, *places):
    line = command_error(
        capsys,
        COMMAND,
        "score",
        f"--key={study[1]}",
        f"--answers={','.join(map(str, places))}",
        f"--out={out}",
    )
    assert not out.exists()
    return line


def test_score_takes_folders_and_files(study, tmp_path, capsys):
    key = study[0]
    place, out = tmp_path / "answers", tmp_path / "out"
    write_answers(place / "a.json", answers_to(key, participant="a"))
    write_answers(place / "a.csv", answers_to(key, participant="a"))
    (place / "study.key.json").symlink_to(study[1])
    (place / "notes.txt").write_text("passed over")
    single = write_answers(tmp_path / "b.csv", answers_to(key, participant="b"))
    result = score(capsys, study, out, place, single)
    assert result.status == 0, result
    assert "| G1+D | 2 | 0.0 %" in result.out
    assert {path.name for path in out.iterdir()} == {
        *("table2.md", "table2.csv", "table2.json"),
    }


def test_score_refuses_doubled_and_disagreeing_participants(study, tmp_path, capsys):
    key, out = study[0], tmp_path / "out"
    place = tmp_path / "answers"
    wrong = [key.parts[0].images[4].image]
    write_answers(place / "a.json", answers_to(key, participant="a"))
    write_answers(place / "b.json", answers_to(key, participant="a", wrong=wrong))
    line = score_error(capsys, study, out, place)
    assert "participant a also has the file" in line
    (place / "b.json").unlink()
    assert "also has the file" in score_error(capsys, study, out, place, place)
    write_answers(place / "b.csv", answers_to(key, participant="a", wrong=wrong))
    line = score_error(capsys, study, out, place)
    assert "participant a has other answers in" in line


def test_score_refuses_places_without_answers(study, tmp_path, capsys):
    out, empty = tmp_path / "out", tmp_path / "empty"
    empty.mkdir()
    assert "empty: no answers in this" in score_error(capsys, study, out, empty)
    line = score_error(capsys, study, out, tmp_path / "none.json")
    assert "none.json: cannot be read" in line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "not JSON"),
        ("[]", "the key is not an object"),
        ("{}", "not the key of a user study"),
        ('{"study": 1, "parts": [1]}', "not the key of a user study"),
        (json.dumps(small_key(practice=8).to_json()), "part 1 has no real or no gen"),
    ],
)
def test_score_refuses_other_keys(tmp_path, capsys, text, line):
    (tmp_path / "a.key.json").write_text(text)
    study = None, tmp_path / "a.key.json"
    assert line in score_error(capsys, study, tmp_path / "out", tmp_path)


@pytest.mark.parametrize("missing", ["key", "answers", "out"])
def test_score_needs_its_flags(study, tmp_path, capsys, missing):
    flags = {"key": study[1], "answers": tmp_path, "out": tmp_path / "out"}
    del flags[missing]
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    line = command_error(capsys, COMMAND, "score", *arguments)
    assert line == f"error: --{missing} is needed; see --help"


def test_score_refuses_the_flags_of_make(capsys):
    line = command_error(capsys, COMMAND, "score", "--images=5")
    assert line == "error: --images is not a flag of score; see --help"
