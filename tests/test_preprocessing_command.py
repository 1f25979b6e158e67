"""How commands end: one clear line and exit status 1 where the input is at fault."""

import errno
import os
import sys

import pytest
from absl import app

from preprocessing.system import command
from preprocessing.system.errors import InputError


def ended(capsys, main, *arguments):
    """Calls `main` as a command; returns its exit status and standard error."""
    status = command._guarded(main, ["program", *arguments])
    return status, capsys.readouterr().err


def raising(error):
    def main():
        raise error

    return main


def test_what_goes_well_ends_with_zero_and_says_nothing(capsys):
    assert ended(capsys, lambda: "anything") == (0, "")


def test_bad_input_is_one_line_and_status_1(capsys):
    status = ended(capsys, raising(InputError("a.csv: no such file")))
    assert status == (1, "error: a.csv: no such file\n")


def test_a_stray_argument_is_refused_before_anything_is_done(capsys):
    called = []
    status, err = ended(capsys, lambda: called.append(1), "source=folder")
    assert status == 1
    assert not called
    assert err.startswith("error: source=folder: not a flag")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "number",
    [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ENOTDIR],
)
def test_a_full_or_forbidden_disk_is_one_line(capsys, number):
    reason = os.strerror(number)
    for error in (OSError(number, reason, "data/a.bin"), OSError(number, reason)):
        status, err = ended(capsys, raising(error))
        assert status == 1
        assert err.startswith(f"error: {error.filename or 'writing'}")
        assert err.endswith(f": {reason}\n")
        assert err.count("\n") == 1


def test_interrupted_is_130(capsys):
    assert ended(capsys, raising(KeyboardInterrupt())) == (130, "interrupted\n")


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OSError(errno.EBADF, "bad"), TypeError("y"), OSError("z")],
)
def test_a_fault_of_the_program_shows_itself(error):
    with pytest.raises(type(error)):
        command._guarded(raising(error), ["program"])


@pytest.mark.parametrize(("fault", "status"), [(None, 0), (InputError("bad"), 1)])
def test_run_hands_the_status_to_the_shell(monkeypatch, fault, status):
    monkeypatch.setattr(sys, "argv", ["program"])
    monkeypatch.setattr(app, "run", lambda main, **_: main(["program"]))
    with pytest.raises(SystemExit) as end:
        command.run(raising(fault) if fault else lambda: None)
    assert end.value.code == status


@pytest.mark.parametrize(
    ("text", "size"),
    [("128x64", (128, 64)), ("1x1", (1, 1)), ("00256x256", (256, 256))],
)
def test_a_size_is_height_and_width(text, size):
    assert command.parse_size("image_size", text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("", "128", "128x", "x64", "128X64", "128*64", "0x64", "128x0", "-1x64"),
        *("1.5x2", "128x64x3", " 128x64", "128 x 64", "100000x1", "axb"),
    ],
    ids=repr,
)
def test_another_size_is_refused_with_the_form_it_should_have(text):
    with pytest.raises(InputError, match=r"--image_size=.*HEIGHTxWIDTH, as in 128x64"):
        command.parse_size("image_size", text)


def test_required_and_existing_folder(tmp_path):
    assert command.required("out", "a") == "a"
    for missing in (None, ""):
        with pytest.raises(InputError, match="--out is needed"):
            command.required("out", missing)
    assert command.existing_folder("root", str(tmp_path)) == tmp_path
    (tmp_path / "file").write_bytes(b"")
    for name in ("none", "file"):
        with pytest.raises(
            InputError, match=rf"--root={tmp_path}/{name}: no such fold"
        ):
            command.existing_folder("root", str(tmp_path / name))
