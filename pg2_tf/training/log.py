"""The log of a training: JSON lines, TensorBoard events, sample sheets."""

import json
import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.util import event_pb2

from preprocessing.images import image_files as images
from preprocessing.system import files, host
from preprocessing.system.errors import InputError

METRICS = "metrics.jsonl"
VALIDATION = "validation.jsonl"
WARNINGS = "warnings.jsonl"
_SHEET = re.compile(r"step-(\d+)\.png")


class Log:
    """Writes a stage's metrics, scores, warnings and pictures.

    Each method hands its data to the operating system before it returns, so that it
    survives a killed process.

    Args:
        folder: Folder of the stage.
        start: Step that the training resumes from. Later lines and events are removed,
            because those steps are repeated.
        writes: Whether this process writes files.

    Attributes:
        rows: The lines of metrics up to `start`.
    """

    def __init__(self, folder: Path, start: int, *, writes: bool = True):
        self._folder = folder
        self._samples = folder / "samples"
        self._writes = writes
        self.rows = _rows(folder / METRICS, start)
        if not writes:
            self._events = tf.summary.create_noop_writer()
            return
        for name in ("events", "samples"):
            if (folder / name).is_file():
                raise InputError(f"{folder / name}: is a file, expected a folder")
        for name in (METRICS, VALIDATION, WARNINGS):
            _drop_after(folder / name, start)
        _drop_sheets(self._samples, start)
        drop_events_after(folder / "events", start)
        self._events = tf.summary.create_file_writer(str(folder / "events"))

    def metrics(self, step: int, values: Mapping[str, float]) -> dict[str, Any]:
        """Writes one line of metrics as of `step`, and returns it."""
        return self._line(METRICS, step, values)

    def validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Writes one line of scores as of `step`; events call them `val_...`."""
        self._line(VALIDATION, step, scores, prefix="val_")

    def warning(self, step: int, text: str) -> None:
        """Writes one line of warning as of `step`."""
        self._append(WARNINGS, {"step": step, "warning": text})
        with self._events.as_default(step=step):
            tf.summary.text("warning", text)
        self._events.flush()

    def picture(self, step: int, picture: np.ndarray) -> None:
        """Writes a sample sheet, uint8 [H, W, 3], as of `step`."""
        if not self._writes:
            return
        path = self._samples / f"step-{step:06d}.png"
        files.write_bytes(path, images.encode_png(picture))
        with self._events.as_default(step=step):
            tf.summary.image("samples", picture[None])
        self._events.flush()

    def close(self) -> None:
        """Closes the event file."""
        self._events.close()

    def _line(
        self, name: str, step: int, values: Mapping[str, float], *, prefix: str = ""
    ) -> dict[str, Any]:
        row = {"step": step, **{key: _rounded(value) for key, value in values.items()}}
        self._append(name, row)
        with self._events.as_default(step=step):
            for key, value in values.items():
                tf.summary.scalar(prefix + key, value)
        self._events.flush()
        return row

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        if not self._writes:
            return
        with (self._folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _rows(path: Path, last: int) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    rows, skipped = [], 0
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines:
        row = _row(line)
        if row is None:
            skipped += 1
        elif row["step"] <= last:
            rows.append(row)
    # A training that was killed may leave its last line incomplete.
    if skipped > (bool(lines) and _row(lines[-1]) is None):
        print(f"{path}: skipping {skipped} damaged lines")
    return rows


def _row(line: str) -> dict[str, Any] | None:
    """Returns the row of a line, or None if the line is damaged."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        return None
    others = [value for key, value in row.items() if key != "warning"]
    numbers = all(type(value) in (int, float) for value in others)
    return row if numbers else None


def _drop_after(path: Path, last: int) -> None:
    if path.exists():
        lines = [json.dumps(row) + "\n" for row in _rows(path, last)]
        files.write_text(path, "".join(lines))


def _drop_sheets(folder: Path, last: int) -> None:
    for path in folder.glob("*.png"):
        match = _SHEET.fullmatch(path.name)
        if match and int(match[1]) > last:
            path.unlink()


def _rounded(value: float) -> float:
    digits = 8 - math.floor(math.log10(abs(value))) if value else 0
    return round(value, min(digits, 15)) if math.isfinite(value) else value


def drop_events_after(folder: Path, step: int) -> None:
    """Removes the events after a step, and a partly written one.

    Args:
        folder: Folder of the event files. It may be missing.
        step: Last step whose events stay.

    Raises:
        OSError: The disk is full.
    """
    for path in sorted(folder.glob("*.tfevents.*")):
        records, whole = _read_events(path)
        kept = [record for record in records if _step_of(record) <= step]
        if whole and len(kept) == len(records):
            continue
        with host.writing(path):
            files.write_atomically(path, partial(_write_events, records=kept))


def _step_of(record: bytes) -> int:
    return event_pb2.Event.FromString(record).step


def _read_events(path: Path) -> tuple[list[bytes], bool]:
    """Returns the records of a file, and whether the file has no other content."""
    records: list[bytes] = []
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            records.append(record)
    except tf.errors.DataLossError:
        return records, False
    return records, True


def _write_events(path: Path, records: list[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
