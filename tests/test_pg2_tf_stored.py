"""Pairs read from disk as needed: the batches and the training of pairs in memory."""

import os
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import checkpoint, same, train

from pg2_tf.data import pipeline, stored
from pg2_tf.data.dataset import open_split
from pg2_tf.data.pairs import hold_out
from pg2_tf.data.pipeline import readable, source_of, training_batches
from pg2_tf.machine import isolated
from pg2_tf.runs.run_folder import RunFolder
from preprocessing.dataset import records
from preprocessing.images.heatmaps import draw_heatmaps
from preprocessing.system.errors import InputError

SIZE = (32, 32)


@pytest.fixture
def data(people_dir, tmp_path):
    """A copy of the people, to be changed."""
    return shutil.copytree(people_dir, tmp_path / "data")


def opened(data_dir, in_memory, **options):
    return open_split(
        data_dir, "train", image_size=SIZE, in_memory=in_memory, **options
    )[0]


def batches(split, count=7, **options):
    options = {"batch_size": 5, "seed": 3, **options}
    some = training_batches(source_of(split), **options).take(count)
    return list(readable(some.as_numpy_iterator()))


def equal(one, other):
    assert [sorted(batch) for batch in one] == [sorted(batch) for batch in other]
    return all(
        a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key])
        for a, b in zip(one, other, strict=True)
        for key in a
    )


def first_shard(data_dir):
    return sorted(data_dir.glob("train-*.tfrecord"))[0]


@pytest.mark.parametrize("heatmaps", ["drawn", "stored"])
def test_batches_are_those_of_pairs_in_memory(data, heatmaps):
    kept = batches(opened(data, "yes", heatmaps=heatmaps))
    assert ("heatmaps" in kept[0]) == (heatmaps == "stored")
    assert equal(kept, batches(opened(data, "no", heatmaps=heatmaps)))
    assert not equal(kept, batches(opened(data, "no", heatmaps=heatmaps), seed=4))


def test_stored_heatmaps_are_those_drawn_from_the_mirrored_pose(data):
    some = batches(opened(data, "no", heatmaps="stored"))
    plain = batches(opened(data, "no", heatmaps="stored"), flip=False)
    assert not equal(some, plain), "no pair was mirrored"
    for batch in some + plain:
        drawn = [draw_heatmaps(pose, size=SIZE) for pose in batch["keypoints"]]
        np.testing.assert_array_equal(batch["heatmaps"], 2.0 * np.stack(drawn) - 1)


def test_training_is_the_same_bit_for_bit_and_says_where_it_reads(
    data, tmp_path, capsys
):
    runs = {}
    for in_memory in ("yes", "no"):
        runs[in_memory] = tmp_path / in_memory
        more = {"in_memory": in_memory}
        if in_memory == "no":
            # In two parts.
            assert train(runs["no"], data, 1, 3, more=more) == 3
        assert train(runs[in_memory], data, 1, 6, more=more) == 6
    out = capsys.readouterr().out
    assert out.count("train split of about") == 3
    assert out.count("kept in memory\n") == 1
    assert out.count("read from disk as needed\n") == 2
    assert same(*(checkpoint(run, 1, 6)[1] for run in runs.values()))


def test_training_on_stored_heatmaps_equals_drawn_until_they_differ(data, tmp_path):
    def weights(name, **options):
        assert train(tmp_path / name, data, 1, 3, **options) == 3
        return checkpoint(tmp_path / name, 1, 3)[1]

    drawn = weights("drawn")
    assert same(drawn, weights("stored", heatmaps="stored"))
    options = RunFolder(tmp_path / "stored").stage(1).options()
    assert options["training"]["heatmaps"] == "stored"
    for path in data.glob("train-*.tfrecord"):
        clear_heatmaps(path)
    assert same(drawn, weights("drawn again"))
    assert not same(drawn, weights("others", heatmaps="stored"))


def clear_heatmaps(path):
    contents = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            example = tf.train.Example.FromString(content)
            empty = records.pack_bits(np.zeros((18, *SIZE), np.uint8))
            example.features.feature["heatmaps"].bytes_list.value[0] = empty
            writer.write(example.SerializeToString())


def test_auto_follows_the_available_memory(data, monkeypatch):
    monkeypatch.setattr(isolated, "available", lambda: 10**9)
    split, told = open_split(data, "train", image_size=SIZE)
    assert not isinstance(split, stored.StoredPairs)
    assert told.endswith("kept in memory")
    monkeypatch.setattr(isolated, "available", lambda: 10**4)
    split, told = open_split(data, "train", image_size=SIZE)
    assert isinstance(split, stored.StoredPairs)
    assert "0 MB available" in told
    assert told.endswith("read from disk as needed")


def test_available_memory_is_between_nothing_and_the_machines():
    free = isolated.available()
    if free is None:
        pytest.skip("no /proc")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 10**7 < free <= total


def test_names_and_held_out_identities_are_those_in_memory(data):
    kept, read = opened(data, "yes"), opened(data, "no")
    everything = np.arange(kept.num_pairs)
    assert read.num_pairs == kept.num_pairs
    assert read.names_of(everything) == kept.names_of(everything)
    for one, other in zip(hold_out(kept, 0.4), hold_out(read, 0.4), strict=True):
        assert 0 < one.num_pairs < kept.num_pairs
        everything = np.arange(one.num_pairs)
        assert other.names_of(everything) == one.names_of(everything)
        assert equal(batches(one), batches(other))


def test_offsets_are_kept_and_found_again_when_the_shard_changes(data, monkeypatch):
    path = first_shard(data)
    bounds = stored.record_bounds(path)
    kept = path.with_suffix(".offsets.npy")
    np.testing.assert_array_equal(np.load(kept), bounds)
    assert (bounds[0], bounds[-1]) == (0, path.stat().st_size)
    monkeypatch.setattr(stored, "_scan", None)
    np.testing.assert_array_equal(stored.record_bounds(path), bounds)
    monkeypatch.undo()
    later = time.time() + 10
    path.write_bytes(path.read_bytes()[: bounds[-2]])
    os.utime(path, (later, later))
    np.testing.assert_array_equal(stored.record_bounds(path), bounds[:-1])
    kept.write_bytes(b"damaged")
    os.utime(kept, (later, later))
    np.testing.assert_array_equal(stored.record_bounds(path), bounds[:-1])


def test_torn_shard_is_refused_when_it_is_opened(data):
    path = first_shard(data)
    bounds = stored.record_bounds(path)
    path.write_bytes(path.read_bytes()[: bounds[3] + 100])
    with pytest.raises(InputError, match=rf"{path.name}: damaged at record 3\b"):
        opened(data, "no")
    path.write_bytes(path.read_bytes()[: bounds[3]])
    with pytest.raises(InputError, match=rf"{path.name}: 3 records, the manifest says"):
        opened(data, "no")
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name}: no such shard"):
        opened(data, "no")


def test_flipped_byte_ends_training_with_one_line(data, tmp_path):
    path = first_shard(data)
    content = bytearray(path.read_bytes())
    content[stored.record_bounds(path)[2] + 60] ^= 1
    path.write_bytes(content)
    message = rf"{path.name}: damaged at record 2; build the data set again$"
    with pytest.raises(InputError, match=message) as error:
        train(tmp_path / "run", data, 1, 9, more={"in_memory": "no"}, batch_size=8)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("in_memory", ["yes", "no"])
def test_keypoints_that_are_not_finite_are_refused(data, in_memory):
    path = first_shard(data)
    contents = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    example = tf.train.Example.FromString(contents[1])
    example.features.feature["keypoints"].float_list.value[4] = float("nan")
    contents[1] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            writer.write(content)
    message = rf"{path.name}: record 1 is damaged \(keypoints: not finite\)"
    with pytest.raises(InputError, match=message):
        batches(opened(data, in_memory), count=20)


def test_number_of_open_files_is_limited(data, monkeypatch):
    monkeypatch.setattr(stored, "_OPEN_FILES", 1)
    assert equal(batches(opened(data, "no")), batches(opened(data, "yes")))


def test_other_errors_pass_through():
    def broken():
        raise tf.errors.InternalError(None, None, "something else")
        yield

    with pytest.raises(tf.errors.InternalError):
        list(readable(broken()))
    assert pipeline.readable is readable
