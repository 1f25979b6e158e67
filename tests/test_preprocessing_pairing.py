"""Pairs and their thinning, the held-out split, the cut into shards."""

import itertools
import random

import numpy as np
import pytest

from preprocessing.dataset.pairing import (
    capped,
    drawn,
    far_apart,
    held_out,
    in_shards,
    same_identity_pairs,
)
from preprocessing.poses import keypoints as kp


def random_poses(rng, count):
    """Returns poses of which some are whole, some empty, some have holes."""
    poses = np.ones((count, 18, 3), np.float32)
    share = rng.choice([0, 0.05, 0.3, 1], size=(count, 1))
    poses[rng.random((count, 18)) < share] = 0
    return poses


def brute_pairs(identities, poses, *, rule):
    """Goes through all ordered pairs of images."""
    needed = [
        [pose[n, 2] > 0 for n in (2, 5, 8, 11)] if rule == "torso" else [pose.any()]
        for pose in poses
    ]
    return [
        (a, b)
        for a in range(len(poses))
        for b in range(len(poses))
        if a != b and identities[a] == identities[b] and all(needed[a] + needed[b])
    ]


@pytest.mark.parametrize("rule", ["all", "torso"])
def test_pairs_are_those_of_a_brute_force(rule):
    rng = np.random.default_rng(0)
    total = 0
    for _ in range(20):
        identities = [f"{n:04d}" for n in rng.integers(0, 6, 25)]
        poses = random_poses(rng, 25)
        pairs = same_identity_pairs(identities, poses, rule=rule)
        assert pairs.dtype == np.int32
        expected = brute_pairs(identities, poses, rule=rule)
        assert pairs.tolist() == [list(pair) for pair in expected]
        total += len(pairs)
    assert total > 100


def test_pairs_come_in_both_orders_and_never_with_oneself():
    poses = np.ones((7, 18, 3), np.float32)
    pairs = same_identity_pairs(list("aabbbcc"), poses, rule="all")
    as_set = {tuple(pair) for pair in pairs.tolist()}
    assert len(as_set) == len(pairs) == 2 + 6 + 2
    assert {(b, a) for a, b in as_set} == as_set
    assert all(a != b for a, b in as_set)


def test_no_pairs_keep_their_shape():
    pairs = same_identity_pairs(["a", "b"], np.ones((2, 18, 3)), rule="all")
    assert pairs.shape == (0, 2)
    assert same_identity_pairs([], [], rule="torso").shape == (0, 2)


def test_held_out_is_the_same_for_the_same_seed_whatever_the_order():
    names = [f"{n}" for n in range(100)]
    shuffled = names * 3
    random.Random(1).shuffle(shuffled)
    first = held_out(names, fraction=0.2, seed=7)
    assert held_out(shuffled, fraction=0.2, seed=7) == first
    assert len(first) == 20
    assert first < set(names)
    assert held_out(names, fraction=0.2, seed=8) != first


def test_held_out_stays_what_it_was_published_as():
    """A change would leak test persons into models trained before it."""
    names = [f"id_{n:08d}" for n in range(12)]
    chosen = random.Random(0).sample(names, 3)
    assert held_out(reversed(names), fraction=0.25, seed=0) == set(chosen)


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_held_out_never_empties_a_split(fraction):
    for count in (2, 3, 10):
        chosen = held_out([f"{n}" for n in range(count)], fraction=fraction, seed=0)
        assert 0 < len(chosen) < count


def test_nothing_is_held_out_of_nothing_or_at_fraction_zero():
    assert held_out([f"{n}" for n in range(50)], fraction=0, seed=0) == set()
    assert held_out([], fraction=0.5, seed=0) == set()


def random_identities(chance):
    sizes = [chance.choice([1, 1, 2, 3, 8, 20]) for _ in range(chance.randint(1, 30))]
    return [f"{n:03d}" for n, size in enumerate(sizes) for _ in range(size)]


def test_shards_split_no_identity_and_cover_everything_in_order():
    chance = random.Random(0)
    for _ in range(300):
        identities, room = random_identities(chance), chance.randint(1, 25)
        shards = [list(s) for s in in_shards(identities, images_per_shard=room)]
        assert list(itertools.chain(*shards)) == list(range(len(identities)))
        assert all(shards)
        groups = [{identities[position] for position in shard} for shard in shards]
        assert sum(map(len, groups)) == len(set(identities))
        for shard, group, following in zip(shards, groups, groups[1:], strict=False):
            # No larger than asked, unless one person alone is; and as full as can be.
            assert len(shard) <= room or len(group) == 1
            assert len(shard) + identities.count(min(following)) > room


def test_no_images_make_no_shards():
    assert list(in_shards([], images_per_shard=3)) == []


def pose_of(x, joints=18):
    """Returns a pose whose first joints were found, all at one x."""
    pose = kp.missing_pose()
    pose[:joints] = (x, 10, 1)
    return pose


def test_pairs_of_near_poses_are_left_out():
    poses = [pose_of(10), pose_of(13), pose_of(30, joints=5), pose_of(0, joints=0)]
    poses[3][10] = (11, 10, 1)
    pairs = np.array([(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)], np.int32)
    keep = lambda distance: far_apart(  # noqa: E731
        pairs, poses, distance=distance, height=100
    ).tolist()
    assert keep(0) == pairs.tolist()
    # 3 pixels of 100 apart; 17 and 20 over the joints that both have.
    assert keep(0.01) == pairs.tolist()
    assert keep(0.03) == [[0, 1], [1, 2], [0, 2], [2, 3]]
    assert keep(0.031) == [[1, 2], [0, 2], [2, 3]]
    assert keep(0.18) == [[0, 2], [2, 3]]
    # Without a common joint they differ.
    assert keep(5) == [[2, 3]]


def named_pairs(people, each):
    names = [f"{p}/{n}.jpg" for p in range(people) for n in range(each)]
    identities = [name.split("/")[0] for name in names]
    poses = np.ones((len(names), 18, 3), np.float32)
    return names, identities, same_identity_pairs(identities, poses, rule="all")


def test_a_cap_for_each_identity():
    names, identities, pairs = named_pairs(people=4, each=4)
    kept = capped(pairs, names, identities, count=5, seed=3)
    assert len(pairs) == 48
    counts = np.bincount([int(identities[source]) for source, _ in kept])
    assert counts.tolist() == [5] * 4
    rows = kept.tolist()
    assert rows == sorted(rows)
    assert {tuple(row) for row in rows} <= {tuple(row) for row in pairs.tolist()}
    other = capped(pairs, names, identities, count=5, seed=4).tolist()
    assert rows != other
    every = capped(pairs, names, identities, count=12, seed=3)
    assert every.tolist() == pairs.tolist()


def test_drawn_pairs_depend_on_names_and_seed_alone():
    names, _, pairs = named_pairs(people=5, each=5)
    rows = [(names[a], names[b]) for a, b in pairs.tolist()]
    shuffled = random.Random(1).sample(rows, len(rows))
    first = {rows[i] for i in drawn(rows, count=30, seed=7)}
    assert len(first) == 30
    assert {shuffled[i] for i in drawn(shuffled, count=30, seed=7)} == first
    assert {rows[i] for i in drawn(rows, count=30, seed=8)} != first
    # Fewer of them are a part of more.
    assert {rows[i] for i in drawn(rows, count=10, seed=7)} < first
    assert drawn(rows, count=100, seed=7) == list(range(100))
    assert drawn(rows, count=30, seed=7) == sorted(drawn(rows, count=30, seed=7))


def test_drawn_pairs_stay_what_they_were_published_as():
    rows = [(f"{n}.jpg", f"{n + 1}.jpg") for n in range(20)]
    assert drawn(rows, count=6, seed=0) == [1, 4, 5, 10, 12, 18]
