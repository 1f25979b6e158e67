"""What a training leaves for people, cut back where the training goes on from."""

import json

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import events_of

from pg2_tf.training.log import Log
from preprocessing.system.errors import InputError

_PICTURE = np.full((8, 8, 3), 200, np.uint8)


def write(folder, steps, *, start=0):
    """Writes a line, scores, a warning and a sheet of each step, and no end."""
    log = Log(folder, start=start)
    for step in steps:
        log.metrics(step, {"loss": step / 3})
        log.validation(step, {"ssim": 1 / step})
        log.warning(step, "smoke")
        log.picture(step, _PICTURE)
    return log


def lines(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_everything_is_on_the_disk_before_the_log_is_closed(tmp_path):
    write(tmp_path, [2, 4])
    assert lines(tmp_path, "metrics.jsonl") == [
        {"step": 2, "loss": pytest.approx(2 / 3, rel=1e-8)},
        {"step": 4, "loss": pytest.approx(4 / 3, rel=1e-8)},
    ]
    assert lines(tmp_path, "validation.jsonl")[1] == {"step": 4, "ssim": 0.25}
    assert lines(tmp_path, "warnings.jsonl")[0] == {"step": 2, "warning": "smoke"}
    assert (tmp_path / "samples" / "step-000002.png").stat().st_size > 50
    tags = {event[:2] for event in events_of(tmp_path / "events")}
    assert tags == {
        (tag, step)
        for tag in ("loss", "val_ssim", "warning", "samples")
        for step in (2, 4)
    }


@pytest.mark.parametrize("torn", [False, True])
def test_what_came_after_the_checkpoint_is_dropped(tmp_path, torn):
    write(tmp_path / "killed", [2, 4, 6])
    write(tmp_path / "straight", [2, 4, 6, 8]).close()
    if torn:
        with (tmp_path / "killed" / "metrics.jsonl").open("a") as file:
            file.write('{"step": ')
        (events,) = (tmp_path / "killed" / "events").iterdir()
        events.write_bytes(events.read_bytes()[:-7])
    log = Log(tmp_path / "killed", start=4)
    assert [row["step"] for row in log.rows] == [2, 4]
    sheets = sorted(path.name for path in (tmp_path / "killed" / "samples").iterdir())
    assert sheets == ["step-000002.png", "step-000004.png"]
    write(tmp_path / "killed", [6, 8], start=4).close()
    for name in ("metrics.jsonl", "validation.jsonl", "warnings.jsonl"):
        assert lines(tmp_path / "killed", name) == lines(tmp_path / "straight", name)
    straight = events_of(tmp_path / "straight" / "events")
    assert events_of(tmp_path / "killed" / "events") == straight
    assert len(straight) == 16


def test_events_that_stay_are_not_written_again(tmp_path):
    write(tmp_path, [2, 4]).close()
    (events,) = (tmp_path / "events").iterdir()
    before = events.stat().st_mtime_ns
    Log(tmp_path, start=4).close()
    assert events.stat().st_mtime_ns == before


def test_process_that_does_not_write_leaves_nothing(tmp_path):
    write(tmp_path, [2]).close()
    before = sorted(path.stat() for path in tmp_path.rglob("*"))
    log = Log(tmp_path, start=1, writes=False)
    log.metrics(2, {"loss": 1.0})
    log.validation(2, {"ssim": 1.0})
    log.warning(2, "smoke")
    log.picture(2, _PICTURE)
    log.close()
    assert sorted(path.stat() for path in tmp_path.rglob("*")) == before


def test_full_disk_at_cutting_back_names_the_file(tmp_path, monkeypatch):
    write(tmp_path, [2, 4]).close()

    class Full(tf.io.TFRecordWriter):
        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    monkeypatch.setattr(tf.io, "TFRecordWriter", Full)
    with pytest.raises(OSError, match="No space left") as caught:
        Log(tmp_path, start=2)
    assert "tfevents" in str(caught.value.filename)
    assert len(events_of(tmp_path / "events")) == 8


def test_damaged_lines_are_skipped_and_reported(tmp_path, capsys):
    write(tmp_path, [2, 4]).close()
    path = tmp_path / "metrics.jsonl"
    good = path.read_bytes()
    bad = [
        b"\xff\xfe\n",
        b'{"step": null, "loss": 1}\n',
        b'{"step": 3, "loss": null}\n',
    ]
    bad += [b"[1]\n", b'{"loss": 1}\n']
    path.write_bytes(b"".join(bad) + good)
    log = Log(tmp_path, start=4)
    log.close()
    assert [row["step"] for row in log.rows] == [2, 4]
    assert f"{path}: skipping 5 damaged lines" in capsys.readouterr().out
    assert path.read_bytes() == good


@pytest.mark.parametrize("name", ["events", "samples"])
def test_a_file_in_place_of_a_folder_is_named(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=f"{name}: is a file, expected a folder"):
        Log(tmp_path, start=0)
