"""Pairs, the held-out split and the cut into shards, against brute force."""

import itertools
import random

import numpy as np
import pytest

from preprocessing import keypoints as kp
from preprocessing.errors import InputError
from preprocessing.pairing import PairList, held_out, in_shards, same_identity_pairs
from preprocessing.poses import default_key
from preprocessing.samples import Notes


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


NAMES = ["anna/1.jpg", "anna/2.jpg", "ben/1.jpg"]
POSES = np.ones((3, 18, 3), np.float32)


def pair_list(path, *rows, heading="from,to"):
    path.write_text("\n".join([heading, *rows]) + "\n")
    return PairList(path, key=default_key)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pairs.csv"


def test_listed_pairs_keep_their_order_and_direction(path):
    rows = ["ben/1.jpg,anna/2.jpg", "anna/1.jpg,anna/2.jpg", "anna/2.jpg,anna/1.jpg"]
    listed = pair_list(path, *rows)
    pairs = listed.pairs(NAMES, POSES, Notes())
    assert pairs.dtype == np.int32
    assert pairs.tolist() == [[2, 1], [0, 1], [1, 0]]
    assert (listed.used, len(listed.rows)) == (3, 3)


def test_listed_names_may_have_another_suffix_and_columns_another_order(path):
    listed = pair_list(path, "7,anna/2.png,anna/1", heading="score,to,from")
    assert listed.pairs(NAMES, POSES, Notes()).tolist() == [[0, 1]]


def test_listed_names_that_are_not_there_are_counted(path):
    rows = ["anna/1.jpg,anna/2.jpg", "anna/1.jpg,cleo/1.jpg", "cleo/1.jpg,anna/1.jpg"]
    listed = pair_list(path, *rows, "", "x.jpg,y.jpg")
    assert listed.pairs(NAMES[:2], POSES[:2], Notes()).tolist() == [[0, 1]]
    assert (listed.used, len(listed.rows)) == (1, 4)
    # Shard by shard, what was used adds up.
    assert listed.pairs(NAMES[2:], POSES[2:], Notes()).shape == (0, 2)
    assert listed.used == 1


def test_listed_pairs_without_a_pose_are_left_out_and_noted(path):
    listed = pair_list(path, "anna/1.jpg,anna/2.jpg", "ben/1.jpg,anna/2.jpg")
    notes = Notes()
    poses = [kp.missing_pose(), *POSES[1:]]
    assert listed.pairs(NAMES, poses, notes).tolist() == [[2, 1]]
    assert notes.counts == {"listed pairs without a pose left out": 1}
    assert listed.used == 2


@pytest.mark.parametrize("heading", ["from", "to", "source,target", "From,To", ""])
def test_a_missing_column_is_refused_by_name(path, heading):
    with pytest.raises(InputError, match=r"pairs\.csv: .*from,to"):
        pair_list(path, "a.jpg,b.jpg", heading=heading)


@pytest.mark.parametrize("row", ["a.jpg", "a.jpg,", ",b.jpg"])
def test_a_row_with_one_name_is_refused(path, row):
    with pytest.raises(InputError, match=r"pairs\.csv: "):
        pair_list(path, "a.jpg,b.jpg", row)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0", b"from,to\n\xff,\xfe\n"])
def test_what_is_no_text_is_refused_by_name(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"pairs\.csv: "):
        PairList(path, key=default_key)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            PairList(path, key=default_key)


def test_a_listed_pair_of_an_image_with_itself_is_left_out_and_counted(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("from,to\na.jpg,a.jpg\na.jpg,b.jpg\n")
    notes = Notes()
    poses = [np.ones((18, 3), np.float32)] * 2
    pairs = PairList(path, key=default_key).pairs(["a.jpg", "b.jpg"], poses, notes)
    assert pairs.tolist() == [[0, 1]]
    assert notes.counts["listed pairs of an image with itself left out"] == 1
