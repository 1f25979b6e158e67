"""A build that is cut short never leaves what looks like a data set."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
from preprocessing_helpers import (
    folder_builder,
    people_folder,
    read_images,
)

from preprocessing.dataset import records
from preprocessing.system import files
from preprocessing.system.errors import InputError


@pytest.fixture
def root(tmp_path):
    return people_folder(tmp_path / "photos", anna=3, ben=3, cleo=3)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data"


def names(out):
    return sorted(path.name for path in out.iterdir())


@pytest.mark.parametrize("good", [0, 1, 4])
def test_a_full_disk_leaves_no_half_shard_and_no_manifest(root, out, monkeypatch, good):
    written, write = [], tf.io.TFRecordWriter.write

    def full(writer, record):
        if len(written) == good:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(record)
        write(writer, record)

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", full)
    builder = folder_builder(root, out, images_per_shard=3)
    with pytest.raises(OSError, match="No space left"):
        builder.write()
    whole = ["train-00000-of-00003.tfrecord"][: good // 3]
    assert names(out) == [".build", *whole]
    monkeypatch.undo()
    folder_builder(root, out).write()
    assert len(read_images(out)) == 9


def test_a_failure_before_the_manifest_leaves_none(root, out, monkeypatch):
    write = files.write_json

    def fail(path, content):
        if path == out / records.MANIFEST:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(files, "write_json", fail)
    with pytest.raises(KeyboardInterrupt):
        folder_builder(root, out).write()
    with pytest.raises(InputError):
        records.read_manifest(out)


def test_a_killed_build_leaves_nothing_that_is_taken_for_whole(root, out):
    command = "-m preprocessing.build --source=synthetic --identities=60 "
    command += "--images_per_identity=20 --images_per_shard=20"
    process = subprocess.Popen(
        [sys.executable, *command.split(), f"--out={out}"],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(out.glob("*.tfrecord")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(out.glob("*.tfrecord"))
    with pytest.raises(InputError, match="no such file"):
        records.read_manifest(out)
    (out / ".train-00009-of-00054.tfrecord.123.tmp").write_bytes(b"half")
    # The next build needs no --overwrite, and leaves nothing of this one.
    folder_builder(root, out).write()
    assert len(read_images(out)) == 9
    assert len(names(out)) == 4
