"""TensorBoard's event files, cut back to a step."""

from functools import partial
from pathlib import Path

import tensorflow as tf
from tensorflow.core.util import event_pb2

from preprocessing.system import files, host


def drop_after(folder: Path, step: int) -> None:
    """Removes the events after a step, and one that was half written.

    Args:
        folder: of the event files; it need not be there.
        step: the last whose events stay.

    Raises:
        OSError: the disk is full.
    """
    for path in sorted(folder.glob("*.tfevents.*")):
        records, whole = _read(path)
        kept = [record for record in records if _step_of(record) <= step]
        if whole and len(kept) == len(records):
            continue
        with host.writing(path):
            files.write_atomically(path, partial(_write, records=kept))


def _step_of(record: bytes) -> int:
    return event_pb2.Event.FromString(record).step


def _read(path: Path) -> tuple[list[bytes], bool]:
    """Returns the records of a file, and whether nothing but them is in it."""
    records: list[bytes] = []
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            records.append(record)
    except tf.errors.DataLossError:
        return records, False
    return records, True


def _write(path: Path, records: list[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
