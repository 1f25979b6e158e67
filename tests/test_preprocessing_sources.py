"""The sources: what they yield, what they pass over, and what they say about it."""

import zipfile

import numpy as np
import pytest

from preprocessing import images, people
from preprocessing.annotation_csv import read_csv
from preprocessing.errors import InputError
from preprocessing.samples import Notes
from preprocessing.sources import deepfashion, folder, market1501, synthetic
from preprocessing.sources.table import SOURCES


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def market_name(identity, box=0):
    return f"{identity}_c1s1_000151_{box:02d}.jpg"


def test_market1501_takes_identities_and_counts_the_rest(tmp_path):
    train, test = "bounding_box_train", "bounding_box_test"
    touch(
        tmp_path, f"{train}/{market_name('0002')}", f"{train}/{market_name('0002', 1)}"
    )
    touch(tmp_path, f"{test}/{market_name('0001')}", f"{test}/{market_name('1501')}")
    touch(tmp_path, *(f"{test}/{market_name('-1', box)}" for box in range(3)))
    touch(tmp_path, *(f"{test}/{market_name('0000', box)}" for box in range(2)))
    touch(tmp_path, f"{test}/Thumbs.db", f"{train}/0002_c1s1_000151_01.png")
    touch(tmp_path, f"{train}/x0002_c1s1_000151_01.jpg", f"query/{market_name('0003')}")
    notes = Notes()
    samples = {s.name: s for s in market1501.samples(tmp_path, notes)}
    assert {name: (s.identity, s.split) for name, s in samples.items()} == {
        market_name("0002"): ("0002", "train"),
        market_name("0002", 1): ("0002", "train"),
        market_name("0001"): ("0001", "test"),
        market_name("1501"): ("1501", "test"),
    }
    assert (
        samples[market_name("1501")].read() == f"{test}/{market_name('1501')}".encode()
    )
    assert notes.counts == {
        "junk boxes left out": 3,
        "distractor boxes left out": 2,
        "files with other names passed over": 3,
    }
    assert any("Thumbs.db" in line for line in notes.lines())


def test_market1501_needs_one_of_its_folders(tmp_path):
    touch(tmp_path, f"bounding_box_test/{market_name('0001')}")
    assert [s.split for s in market1501.samples(tmp_path, Notes())] == ["test"]
    with pytest.raises(InputError, match=rf"{tmp_path}/bounding_box_test: holds neit"):
        list(market1501.samples(tmp_path / "bounding_box_test", Notes()))


def test_deepfashion_tree_and_flat_names_are_the_same_images(tmp_path):
    tree = touch(tmp_path / "a", "img/WOMEN/Tees_Tanks/id_00000029/02_1_front.jpg")
    name = "fashionWOMENTees_Tanksid0000002902_1front.jpg"
    flat = touch(tmp_path / "b", f"deep/down/{name}")
    for root in (tree, flat):
        (sample,) = deepfashion.samples(root, Notes())
        assert (sample.name, sample.identity, sample.split) == (
            name,
            "id_00000029",
            None,
        )
        assert sample.read().startswith((b"img/", b"deep/"))
    with pytest.raises(InputError, match=r"02_1_front|Tees_Tanksid"):
        list(deepfashion.samples(tmp_path, Notes()))


def test_deepfashion_passes_other_images_over_and_counts_them(tmp_path):
    touch(tmp_path, "img/WOMEN/Denim/id_00000029/cover.jpg", "img/WOMEN/01_1_front.jpg")
    touch(tmp_path, "fashionWOMENDenim.jpg", "list_eval_partition.txt")
    touch(tmp_path, "fasionMENDenimid0000008001_1front.jpg")
    notes = Notes()
    (sample,) = deepfashion.samples(tmp_path, notes)
    assert sample.identity == "id_00000080"
    assert notes.counts == {"images with other names passed over": 3}


def test_deepfashion_names_are_looked_up_in_every_spelling():
    spellings = [
        "fashionWOMENTees_Tanksid0000002902_1front.jpg",
        "fasionWOMENTees_Tanksid0000002902_1front.jpg",
        "fashionWOMENTeesTanksid00000029021front.jpg",
        "fashionWOMENTees_Tanksid0000002902_1front",
        "any/where/fashionWOMENTees_Tanksid00000029_02_1_front.png",
    ]
    assert len({deepfashion.key(name) for name in spellings}) == 1
    others = [
        "fashionWOMENTees_Tanksid0000002902_1back",
        "fashionMENDenimid0000002902_1",
    ]
    assert len({deepfashion.key(name) for name in [*spellings, *others]}) == 3


def test_deepfashion_tree_gives_the_flat_names_of_the_real_annotation(shared, tmp_path):
    with zipfile.ZipFile(shared / "data" / "deepfashion.zip") as archive:
        names = archive.namelist()
        csv = archive.extract("deepfashion/inshop/keypoints-movenet.csv", tmp_path)
    tree = [n for n in names if n.startswith("deepfashion/inshop/img") and "." in n]
    touch(tmp_path, *tree)
    found = list(deepfashion.samples(tmp_path, Notes()))
    assert len(found) == 130
    assert {sample.name for sample in found} == set(read_csv(csv))
    assert {s.identity for s in found} == {name.split("/")[-2] for name in tree}


def test_folder_is_one_folder_a_person(tmp_path):
    touch(tmp_path, "anna/1.jpg", "anna/more/1.PNG", "ben/1.webp", "ben/notes.txt")
    touch(tmp_path, "loose.jpg")
    notes = Notes()
    samples = [(s.name, s.identity) for s in folder.samples(tmp_path, notes)]
    assert samples == [
        ("anna/1.jpg", "anna"),
        ("anna/more/1.PNG", "anna"),
        ("ben/1.webp", "ben"),
    ]
    assert notes.counts == {"images outside a person's folder passed over": 1}


def synthesize(**changes):
    settings = {"identities": 3, "images_per_identity": 4, "size": (64, 32), "seed": 5}
    return list(synthetic.samples(**settings | changes))


def test_synthetic_people_are_the_same_for_the_same_seed():
    first, again, other = synthesize(), synthesize(), synthesize(seed=6)
    assert len({sample.name for sample in first}) == 12
    assert sorted(s.identity for s in first) == sorted(["0000", "0001", "0002"] * 4)
    assert [s.read() for s in first] == [s.read() for s in again]
    assert [s.pose.tobytes() for s in first] == [s.pose.tobytes() for s in again]
    assert len({s.read() for s in first} | {s.read() for s in other}) == 24


def test_more_synthetic_people_begin_with_the_same():
    few, more = synthesize(), synthesize(identities=5)
    assert [s.read() for s in few] == [s.read() for s in more[: len(few)]]


def test_synthetic_images_are_read_in_any_order():
    forward, backward = synthesize(), synthesize()
    last_first = [sample.read() for sample in reversed(backward)]
    assert [s.read() for s in forward] == last_first[::-1]


def test_synthetic_keypoints_are_those_of_the_drawing(monkeypatch):
    drawn, draw = [], people.draw
    monkeypatch.setattr(
        people, "draw", lambda *a, **k: drawn.append(draw(*a, **k)) or drawn[-1]
    )
    for sample in synthesize():
        content = sample.read()
        image, pose = drawn.pop()
        np.testing.assert_array_equal(sample.pose, pose)
        decoded = images.decode(content, name="a")
        assert np.abs(decoded.astype(int) - image).mean() < 4


@pytest.mark.parametrize(("same_background", "count"), [(True, 3), (False, 12)])
def test_synthetic_backgrounds_are_a_persons_or_an_images(
    monkeypatch, same_background, count
):
    seen, draw = [], people.draw
    monkeypatch.setattr(
        people, "draw", lambda *a, **k: seen.append(k["background"]) or draw(*a, **k)
    )
    samples = synthesize(same_background=same_background)
    for sample in samples:
        sample.read()
    assert len({(s.identity, repr(b)) for s, b in zip(samples, seen, strict=True)}) == (
        len({repr(background) for background in seen})
    )
    assert len({repr(background) for background in seen}) == count
    for sample, usual in zip(samples, synthesize(), strict=True):
        np.testing.assert_array_equal(sample.pose, usual.pose)


@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
def test_the_share_of_synthetic_keypoints_that_are_missing(missing):
    whole = np.stack([s.pose for s in synthesize(identities=40)])
    poses = np.stack([s.pose for s in synthesize(identities=40, missing=missing)])
    seen = whole[..., 2] > 0
    kept = poses[..., 2] > 0
    assert abs((seen & ~kept).sum() / seen.sum() - missing) < 0.05
    np.testing.assert_array_equal(poses[kept], whole[kept])
    assert not poses[~kept].any()


def test_every_source_of_the_table_can_be_used(tmp_path):
    assert SOURCES["market1501"].size == (128, 64)
    assert SOURCES["deepfashion"].size == SOURCES["folder"].size == (256, 256)
    for name, source in SOURCES.items():
        assert source.key("a/b.jpg") == source.key("a/b.png"), name
