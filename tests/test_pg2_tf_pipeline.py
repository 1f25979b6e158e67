"""Batches: each pair once an epoch, repeatable, resumable, mirrored as a whole."""

import dataclasses
from itertools import islice

import cv2
import numpy as np
import pytest
import tensorflow as tf

from pg2_tf.data import ranges
from pg2_tf.data.dataset import read_split
from pg2_tf.data.pipeline import PairSource, training_batches
from preprocessing.images.heatmaps import draw_heatmaps, draw_mask
from preprocessing.poses import keypoints as kp


@pytest.fixture(scope="module")
def split(people_dir):
    return read_split(people_dir, "train", image_size=(32, 32))


@pytest.fixture(scope="module")
def source(split):
    return PairSource(split)


def take(source, count, **options):
    options = {"batch_size": 5, "seed": 0, **options}
    batches = training_batches(source, **options).take(count)
    return list(batches.as_numpy_iterator())


def pairs_of(split, batches):
    """Finds which pairs batches hold, by their pixels."""
    everything = np.stack([decoded(split, i) for i in range(len(split.names))])

    def position(image):
        errors = np.abs(everything.astype(int) - image).max(axis=(1, 2, 3))
        assert errors.min() <= 1
        return int(errors.argmin())

    return [
        (position(source), position(target))
        for batch in batches
        for source, target in zip(batch["source"], batch["target"], strict=True)
    ]


def decoded(split, index):
    raw = np.frombuffer(split.images[index].numpy(), np.uint8)
    return cv2.imdecode(raw, cv2.IMREAD_COLOR)[..., ::-1]


def equal(one, other):
    return all(
        np.array_equal(a[key], b[key])
        for a, b in zip(one, other, strict=True)
        for key in a
    )


def test_gathered_pairs_are_those_of_the_records(split, source):
    positions = [3, 0, len(split.pairs) - 1]
    batch = source.gather(tf.constant(positions, tf.int64))
    for row, position in enumerate(positions):
        start, end = split.pairs[position]
        for name, index in (("source", start), ("target", end)):
            pixels = batch[name][row].numpy()
            assert pixels.dtype == np.uint8
            by_opencv = decoded(split, index)
            assert np.abs(pixels.astype(int) - by_opencv).mean() < 1
        pose = split.keypoints[end]
        np.testing.assert_array_equal(batch["keypoints"][row], pose)
        mask = batch["mask"][row].numpy()
        assert (mask.shape, mask.dtype) == ((32, 32, 1), np.uint8)
        np.testing.assert_array_equal(mask[..., 0], draw_mask(pose, size=(32, 32)))


def test_every_pair_comes_exactly_once_in_each_epoch(split, source):
    count = len(split.pairs)
    assert count % 5, "epochs must end within a batch for this test to bite"
    batches = take(source, 2 * count // 5 + 1, flip=False)
    seen = pairs_of(split, batches)
    everything = sorted(map(tuple, split.pairs.tolist()))
    first, second = seen[:count], seen[count : 2 * count]
    assert sorted(first) == everything
    assert sorted(second) == everything
    assert first != second
    assert first != list(map(tuple, split.pairs.tolist()))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tiny_data_sets_are_shuffled_too(split, count):
    few = dataclasses.replace(split, pairs=split.pairs[:count])
    seen = pairs_of(few, take(PairSource(few), 6, batch_size=count, flip=False))
    expected = sorted(map(tuple, few.pairs.tolist()))
    for start in range(0, 6 * count, count):
        assert sorted(seen[start : start + count]) == expected


def test_seed_alone_decides_order_and_flips(source):
    one, again, other = (take(source, 4, seed=seed) for seed in (7, 7, 8))
    assert equal(one, again)
    assert not equal(one, other)


@pytest.mark.parametrize("own_batch", [False, True])
def test_start_goes_on_exactly_where_the_sequence_was(source, own_batch):
    whole = take(source, 9, own_batch=own_batch)
    rest = take(source, 4, own_batch=own_batch, start=5)
    if own_batch:
        whole, rest = ([b for pair in part for b in pair] for part in (whole, rest))
    assert equal(whole[-len(rest) :], rest)


def test_own_batches_are_consecutive(split, source):
    steps = take(source, 6, own_batch=True, flip=False, batch_size=2)
    assert all(len(step) == 2 for step in steps)
    parts = [part for step in steps for part in step]
    single = take(source, 12, flip=False, batch_size=2)
    assert pairs_of(split, parts) == pairs_of(split, single)
    assert len(set(pairs_of(split, parts))) == min(24, len(split.pairs))


def test_flip_mirrors_each_pair_wholly_or_not_at_all(source):
    count = 40
    plain = take(source, count, flip=False)
    flipped = take(source, count, flip=True)
    mirrored = 0
    for before, after in zip(plain, flipped, strict=True):
        for i in range(len(before["source"])):
            changed = not np.array_equal(before["source"][i], after["source"][i])
            mirrored += changed
            pose = before["keypoints"][i]
            for name in ("source", "target", "mask"):
                image = before[name][i]
                expected = image[:, ::-1] if changed else image
                np.testing.assert_array_equal(after[name][i], expected)
            expected = kp.flip(pose, width=32) if changed else pose
            np.testing.assert_array_equal(after["keypoints"][i], expected)
            if changed:
                # Left and right change places in the heatmaps.
                drawn = draw_heatmaps(after["keypoints"][i], size=(32, 32))
                straight = draw_heatmaps(pose, size=(32, 32))
                mirror = straight[:, ::-1][..., list(kp.MIRROR)]
                np.testing.assert_array_equal(drawn, mirror)
    total = count * 5
    assert abs(mirrored - total / 2) < 4 * np.sqrt(total / 4)


def test_a_pair_is_not_always_flipped_alike(split, source):
    count = len(split.pairs)
    flips = []
    plain, flipped = (take(source, 6, batch_size=count, flip=f) for f in (False, True))
    for before, after in zip(plain, flipped, strict=True):
        same = (before["source"] == after["source"]).all(axis=(1, 2, 3))
        order = np.argsort(pairs_of(split, [before]), axis=0, kind="stable")[:, 0]
        flips.append(same[order].tolist())
    assert len(set(map(tuple, flips))) == len(flips)


def test_missing_keypoints_stay_missing_when_mirrored(split):
    poses = split.keypoints.copy()
    poses[:, [2, 9, 16]] = 0
    source = PairSource(dataclasses.replace(split, keypoints=poses))
    for before, after in zip(take(source, 6, flip=False), take(source, 6), strict=True):
        for old, new in zip(before["keypoints"], after["keypoints"], strict=True):
            allowed = old, kp.flip(old, width=32)
            assert any(np.array_equal(new, pose) for pose in allowed)


def test_encoded_images_give_the_same_batches_as_decoded_ones(split, source):
    encoded = PairSource(split, decoded_limit=0)
    assert source.decoded
    assert not encoded.decoded
    assert encoded.num_bytes < source.num_bytes
    assert equal(take(source, 3, batch_size=8), take(encoded, 3, batch_size=8))


def test_only_images_that_stand_in_a_pair_are_decoded(split, source):
    few = PairSource(dataclasses.replace(split, pairs=split.pairs[[5, 9]]))
    unused = len(split.names) - len(np.unique(split.pairs[[5, 9]]))
    saved = unused * 32 * 32 * 3 + (len(split.pairs) - 2) * 8
    assert few.num_bytes == source.num_bytes - saved
    expected = source.gather(tf.constant([5, 9]))
    for name, value in few.gather(tf.constant([0, 1])).items():
        np.testing.assert_array_equal(value, expected[name])


def test_batches_have_static_shapes_and_no_end(source):
    batches = training_batches(source, batch_size=4, seed=0, start=10**12)
    spec = batches.element_spec
    assert spec["source"].shape[1:] == (32, 32, 3)
    assert spec["mask"].shape[1:] == (32, 32, 1)
    assert spec["keypoints"].shape[1:] == (18, 3)
    assert len(list(islice(batches, 2))) == 2


def test_split_without_pairs_is_refused(split):
    empty = dataclasses.replace(split, pairs=split.pairs[:0])
    with pytest.raises(ValueError, match="no pairs"):
        training_batches(PairSource(empty), batch_size=1, seed=0)


def test_ranges_are_exact_for_every_grey_level():
    levels = np.arange(256, dtype=np.uint8)
    signed = np.array(ranges.to_signed(levels))
    assert (signed[0], signed[255]) == (-1, 1)
    np.testing.assert_array_equal(ranges.to_pixels(signed), levels)
    # Anything less than half a level away is the same level; beyond is clipped.
    for shift in (-0.49, 0.49):
        np.testing.assert_array_equal(ranges.to_pixels(signed + shift / 127.5), levels)
    np.testing.assert_array_equal(ranges.to_pixels(np.array([-7.0, 9.0])), [0, 255])
