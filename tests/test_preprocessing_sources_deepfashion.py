"""DeepFashion In-shop: its tree, its flat names, and who an identity is."""

import zipfile

import pytest
from preprocessing_sources_helpers import touch

from preprocessing.poses.formats.annotation_csv import read_csv
from preprocessing.sources import deepfashion
from preprocessing.sources.deepfashion import parse
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

TREE = "img/WOMEN/Tees_Tanks/id_00000029/02_1_front.jpg"
FLAT = "fashionWOMENTees_Tanksid0000002902_1front.jpg"


def read(root, **options):
    notes = Notes()
    return list(deepfashion.samples(root, notes, **options)), notes


@pytest.mark.parametrize("path", [TREE, f"deep/down/{FLAT}"])
def test_tree_and_flat_names_are_the_same_images(tmp_path, path):
    (sample,), notes = read(touch(tmp_path, path))
    assert (sample.name, sample.identity, sample.split) == (
        FLAT,
        "id_00000029_02",
        None,
    )
    assert sample.read() == path.encode()
    assert not notes.counts


def test_the_same_image_twice_is_refused(tmp_path):
    touch(tmp_path, TREE, FLAT)
    with pytest.raises(InputError, match=rf"{TREE}: the same image as .*/{FLAT}$"):
        read(tmp_path)


def test_identity_is_the_item_or_the_item_in_a_colour(tmp_path):
    names = [TREE, TREE.replace("02_1", "03_1"), FLAT.replace("29", "30")]
    touch(tmp_path, *names)
    assert [s.identity for s in read(tmp_path, identity="item")[0]] == [
        "id_00000030",
        "id_00000029",
        "id_00000029",
    ]
    assert [s.identity for s in read(tmp_path)[0]] == [
        "id_00000030_02",
        "id_00000029_02",
        "id_00000029_03",
    ]
    with pytest.raises(InputError, match="identity=face: allowed are item_colour, it"):
        read(tmp_path, identity="face")


def test_other_images_are_passed_over_and_counted(tmp_path):
    touch(tmp_path, "img/WOMEN/Denim/id_00000029/cover.jpg", "img/WOMEN/01_1_front.jpg")
    touch(tmp_path, "fashionWOMENDenim.jpg", "list_bbox_inshop.txt")
    touch(tmp_path, "img/WOMEN/Denim/id_00000029/02_1_front_segment.png")
    touch(tmp_path, "fasionMENDenimid0000008001_1front.jpg")
    (sample,), notes = read(tmp_path)
    assert sample.identity == "id_00000080_01"
    assert notes.counts == {"images with other names skipped": 4}


def test_a_root_within_the_tree_will_do(tmp_path, monkeypatch):
    touch(tmp_path, TREE)
    monkeypatch.chdir(tmp_path / "img" / "WOMEN")
    assert [sample.name for sample in read(tmp_path / "img" / "WOMEN")[0]] == [FLAT]
    assert [sample.name for sample in read(type(tmp_path)("."))[0]] == [FLAT]


@pytest.mark.parametrize("folder", ["", "Img/"])
def test_images_of_high_resolution_give_way_to_those_beside_them(tmp_path, folder):
    high = folder + TREE.replace("img/", "img_highres/")
    touch(tmp_path, high)
    (sample,), notes = read(tmp_path)
    assert (sample.name, sample.read()) == (FLAT, high.encode())
    assert "img_highres" not in "".join(notes.lines())
    touch(tmp_path, folder + TREE)
    (sample,), notes = read(tmp_path)
    assert (sample.name, sample.read()) == (FLAT, (folder + TREE).encode())
    assert any("img_highres: skipped; the im" in line for line in notes.lines())


@pytest.mark.parametrize(
    "name",
    [
        FLAT,
        "fasionWOMENTees_Tanksid0000002902_1front.jpg",
        "fashionWOMENTeesTanksid00000029021front.jpg",
        "fashionWOMENTees_Tanksid0000002902_1front",
        "any/whe.re/fashionWOMENTees_Tanksid00000029_02_1_front.png",
        "fashion_WOMEN_Tees_Tanks_id_00000029_02_1_front.jpg",
        TREE,
        "WOMEN/Tees_Tanks/id_00000029/02_1_front.png",
    ],
)
def test_names_are_understood_in_every_spelling(name):
    assert deepfashion.key(name) == deepfashion.key(FLAT)
    parts = parse(name)
    assert parts.category.replace("_", "") == "TeesTanks"
    assert parts._replace(category="") == (
        ("WOMEN", "", "00000029", "02", "1", "front")  # The category may lack its _.
    )


@pytest.mark.parametrize(
    "name",
    [
        "fashionWOMENTees_Tanksid0000002902_1back",
        "fashionWOMENTees_Tanksid0000002903_1front",
        "fashionMENDenimid0000002902_1",
        "WOMEN/Tees_Tanks/id_00000029/02_4_full.jpg",
        "",
    ],
)
def test_other_names_are_other_images(name):
    assert deepfashion.key(name) != deepfashion.key(FLAT)


def test_men_are_not_women():
    assert parse("fashionMENDenimid0000008001_1front.jpg").gender == "MEN"
    assert parse("fashionWOMENDenimid0000008001_1front.jpg").gender == "WOMEN"
    assert parse("xfashionMENDenimid0000008001_1front.jpg") is None


def test_the_real_tree_gives_the_flat_names_of_the_real_annotation(shared, tmp_path):
    with zipfile.ZipFile(shared / "data" / "deepfashion.zip") as archive:
        names = archive.namelist()
        csv = archive.extract("deepfashion/inshop/keypoints-movenet.csv", tmp_path)
    tree = [n for n in names if n.startswith("deepfashion/inshop/img") and "." in n]
    found, notes = read(touch(tmp_path, *tree))
    assert len(found) == 130
    assert {sample.name for sample in found} == set(read_csv(csv))
    assert {s.group for s in found} == {name.split("/")[-2] for name in tree}
    assert notes.lines() == ["split: by identity, drawn with the seed"]


def test_the_real_flat_names_are_understood(shared):
    with zipfile.ZipFile(shared / "data" / "deepfashion.zip") as archive:
        names = [n for n in archive.namelist() if "deepfashion/flat/images/" in n]
    parts = [parse(name) for name in names if name.endswith(".jpg")]
    assert len(parts) == 193
    assert len({part.item for part in parts}) == 92
