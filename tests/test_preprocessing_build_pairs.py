"""Building a data set: its splits, shards and pairs."""

import itertools

import pytest
from preprocessing_helpers import (
    SIZE,
    add,
    folder_builder,
    people_folder,
    photo,
    pose,
    read_images,
    read_manifest,
    read_pairs,
)

from preprocessing.dataset.builder import Builder
from preprocessing.dataset.settings import Settings
from preprocessing.sources.samples import Sample


@pytest.fixture
def root(tmp_path):
    return tmp_path / "photos"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data"


def test_no_identity_straddles_shards_or_splits(people_dir, root, out):
    people_folder(root, **{f"p{n:02d}": n % 4 + 1 for n in range(20)})
    folder_builder(root, out, images_per_shard=7, test_fraction=0.3, seed=3).write()
    for place in (people_dir, out):
        stored = read_images(place)
        shards = {(image.identity, image.split, image.shard) for image in stored}
        identities = {image.identity for image in stored}
        assert len(shards) == len(identities)
        assert {image.split for image in stored} == {"train", "test"}
        assert len({image.shard for image in stored}) > 2
    test = {image.identity for image in stored if image.split == "test"}
    assert len(test) == 6


def test_all_pairs_of_a_person_are_there_and_no_others(root, out):
    people_folder(root, anna=4, ben=3, cleo=1, dora=2)
    add(root, "anna/nobody.jpg")
    folder_builder(root, out, images_per_shard=4).write()
    names = {p: [f"{p}/{n}.jpg" for n in range(9)] for p in ("anna", "ben", "dora")}
    expected = [
        pair
        for person, count in (("anna", 4), ("ben", 3), ("dora", 2))
        for pair in itertools.permutations(names[person][:count], 2)
    ]
    assert read_pairs(out, "train") == expected


def test_torso_is_asked_for_split_by_split(root, out):
    people_folder(root, anna=2, ben=2, cleo=2, dora=2)
    for person in ("anna", "ben", "cleo", "dora"):
        add(root, f"{person}/bust.jpg", poses=[pose(joints=8)])
    settings = {"pairs": "all", "test_pairs": "torso", "test_fraction": 0.5}
    folder_builder(root, out, **settings).write()
    assert len(read_pairs(out, "train")) == 2 * 6
    assert len(read_pairs(out, "test")) == 2 * 2
    assert not [pair for pair in read_pairs(out, "test") if "bust" in str(pair)]


def test_a_list_of_pairs_is_followed_and_the_rest_counted(root, out, tmp_path):
    people_folder(root, anna=3, ben=2)
    add(root, "ben/nobody.jpg")
    listed = tmp_path / "pairs.csv"
    rows = ["anna/2.jpg,anna/0.png", "ben/1.jpg,ben/0.jpg", "ben/0.jpg,ben/nobody.jpg"]
    listed.write_text("\n".join(["from,to", *rows, "anna/7.jpg,anna/1.jpg"]) + "\n")
    settings = {"pairs": str(listed), "test_pairs": str(listed), "images_per_shard": 3}
    report = folder_builder(root, out, **settings).write()
    assert read_pairs(out, "train") == [
        ("anna/2.jpg", "anna/0.jpg"),
        ("ben/1.jpg", "ben/0.jpg"),
    ]
    assert f"{listed}: 1 of 4 rows name no two images of one person here" in report
    assert "1 listed pairs without a pose left out" in report


def test_a_split_that_the_source_knows_is_kept(out):
    samples = [
        Sample(
            f"{n}{i}.jpg", n, photo, split="test" if n == "b" else "train", pose=pose()
        )
        for n in "abc"
        for i in range(2)
    ]
    builder = Builder(Settings("market1501", SIZE, test_fraction=0.9), out=out)
    builder.collect(samples)
    builder.write()
    split_of = {image.identity: image.split for image in read_images(out)}
    assert split_of == {"a": "train", "b": "test", "c": "train"}


def test_nothing_is_held_out_at_fraction_zero(root, out):
    folder_builder(people_folder(root, anna=2, ben=2), out, test_fraction=0).write()
    assert list(read_manifest(out)["splits"]) == ["train"]


def test_people_whose_images_are_not_side_by_side_by_name(out):
    """As in a camera's folder, where names begin with the time."""
    samples = [
        Sample(f"{n:03d}.jpg", f"person {n % 5}", photo, pose=pose()) for n in range(20)
    ]
    settings = Settings("folder", SIZE, test_fraction=0.4, images_per_shard=6)
    builder = Builder(settings, out=out)
    builder.collect(samples)
    builder.write()
    places = {(stored.identity, stored.shard) for stored in read_images(out)}
    assert len(places) == len({shard for _, shard in places}) == 5
    pairs = read_pairs(out, "train") + read_pairs(out, "test")
    assert len(set(pairs)) == 5 * 4 * 3


def test_the_seed_chooses_who_is_held_out(root, out):
    people_folder(root, **{f"p{n:02d}": 2 for n in range(12)})
    chosen = set()
    for seed in (0, 1, 1, 2):
        builder = folder_builder(
            root, out, seed=seed, test_fraction=0.25, overwrite=out.exists()
        )
        builder.write()
        people = {s.identity for s in read_images(out) if s.split == "test"}
        assert len(people) == 3
        chosen.add(tuple(sorted(people)))
    assert len(chosen) == 3


def test_test_pairs_are_drawn_over_all_shards_whatever_their_size(root, tmp_path):
    people_folder(root, **{f"p{n:02d}": 4 for n in range(12)})
    settings = {"test_fraction": 0.5, "num_test_pairs": 17, "seed": 2}
    drawn = []
    for size in (4, 9, 100):
        out = tmp_path / f"data{size}"
        folder_builder(root, out, images_per_shard=size, **settings).write()
        assert len(read_pairs(out, "train")) == 6 * 12
        drawn.append(sorted(read_pairs(out, "test")))
    assert len(drawn[0]) == 17
    assert drawn[0] == drawn[1] == drawn[2]
    folder_builder(root, tmp_path / "all", **settings | {"num_test_pairs": 99}).write()
    assert len(read_pairs(tmp_path / "all", "test")) == 72
    assert set(drawn[0]) < set(read_pairs(tmp_path / "all", "test"))


def test_pairs_are_thinned_by_distance_before_they_are_capped(root, out):
    for number, x in enumerate((2, 2.5, 12, 20)):
        add(root, f"anna/{number}.jpg", poses=[pose(x)])
    people_folder(root, ben=2)
    far = {"min_pose_distance": 0.2}
    folder_builder(root, out, **far).write()
    # 32 pixels high: 9.5 apart is far enough, 8 is too, 6.4 is the limit.
    ordered = [(0, 2), (0, 3), (1, 2), (1, 3), (2, 0), (2, 1), (2, 3), (3, 0)]
    ordered += [(3, 1), (3, 2)]
    expected = [(f"anna/{a}.jpg", f"anna/{b}.jpg") for a, b in ordered]
    assert read_pairs(out, "train") == expected
    folder_builder(root, out, **far, max_pairs_per_identity=3, overwrite=True).write()
    kept = read_pairs(out, "train")
    assert len(kept) == 3
    assert set(kept) < set(expected)


def test_training_images_of_people_in_the_test_split_are_left_out(out):
    """Published lists may name one person in both splits; a data set never does."""
    samples = [
        Sample(f"{n}{i}.jpg", n, photo, split="test" if i > 2 else "train", pose=pose())
        for n, count in (("a", 5), ("b", 3), ("c", 3))
        for i in range(count)
    ]
    builder = Builder(Settings("deepfashion", SIZE), out=out)
    builder.collect(samples)
    report = builder.write()
    splits = {(image.identity, image.split) for image in read_images(out)}
    assert splits == {("a", "test"), ("b", "train"), ("c", "train")}
    line = "3 training images left out because the test split holds their identity"
    assert f"{line} (e.g. a0.jpg, a1.jpg, a2.jpg)" in report


def test_identities_of_one_group_are_held_out_together(out):
    samples = [
        Sample(f"{n}{i}.jpg", f"{n}_{i // 2}", photo, pose=pose(), group=f"{n}")
        for n in range(10)
        for i in range(4)
    ]
    builder = Builder(Settings("folder", SIZE, test_fraction=0.3), out=out)
    builder.collect(samples)
    builder.write()
    split_of = {image.identity: image.split for image in read_images(out)}
    assert len(split_of) == 20
    assert list(split_of.values()).count("test") == 6
    assert all(split_of[f"{n}_0"] == split_of[f"{n}_1"] for n in range(10))
