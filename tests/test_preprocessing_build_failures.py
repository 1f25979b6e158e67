"""A build that cannot be done says why, and what is there is safe."""

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
)

from preprocessing.dataset import records
from preprocessing.dataset.builder import Builder
from preprocessing.dataset.settings import Settings
from preprocessing.sources.samples import Sample
from preprocessing.system.errors import InputError


@pytest.fixture
def root(tmp_path):
    return people_folder(tmp_path / "photos", anna=3, ben=3, cleo=3)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data"


def names(out):
    return sorted(path.name for path in out.iterdir())


def refused(build, *parts):
    with pytest.raises(InputError) as error:
        build()
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_no_image_at_all(tmp_path, out):
    (tmp_path / "empty").mkdir()
    build = lambda: folder_builder(tmp_path / "empty", out)  # noqa: E731
    refused(build, "no image to use was found")
    with pytest.raises(InputError, match=r"found$"):
        build()
    add(tmp_path / "empty", "loose.jpg")
    refused(build, "no image to use was found: 1 images outside", "loose.jpg")


def test_two_images_of_one_name(out):
    samples = [Sample(f"{n % 3}.jpg", "anna", photo, pose=pose()) for n in range(4)]
    builder = Builder(Settings("folder", SIZE), out=out)
    refused(lambda: builder.collect(samples), "0.jpg: 2 images have this name")


def test_poses_of_none_of_the_images(root, out, tmp_path):
    add(tmp_path / "others", "zoe/none of them.jpg", poses=[pose()])
    for path in root.rglob("*.json"):
        path.unlink()
    refused(lambda: folder_builder(root, out), f"{root}: no poses found")
    builder = Builder(Settings("folder", SIZE), out=out)
    builder.collect([Sample(f"{n}.jpg", "anna", photo) for n in range(1200)])
    find = lambda: builder.find_poses([tmp_path / "others"])  # noqa: E731
    refused(
        find, f"{tmp_path}/others", "0 of 1,200 images have a pose", "1,200 images w"
    )


def test_nobody_in_any_image(tmp_path, out):
    for number in range(4):
        add(tmp_path / "photos", f"anna/{number}.jpg")
    build = lambda: folder_builder(tmp_path / "photos", out)  # noqa: E731
    refused(build, "0 of 4 images have a pose", "4 images in which no person was found")


def test_no_pairs_at_all(tmp_path, out):
    people_folder(tmp_path / "photos", anna=1, ben=1, cleo=1)
    builder = folder_builder(tmp_path / "photos", out, pairs="torso")
    refused(builder.write, "no pairs at all under pairs=torso")
    assert not (out / "manifest.json").exists()
    with pytest.raises(InputError, match="no such file"):
        records.read_manifest(out)


def test_no_readable_image(tmp_path, out):
    for number in range(3):
        add(tmp_path / "photos", f"anna/{number}.jpg", b"broken", poses=[pose()])
    builder = folder_builder(tmp_path / "photos", out)
    refused(builder.write, "no image can be read: 3 unreadable images", "anna/0.jpg")
    assert not (out / "manifest.json").exists()


def test_an_image_that_is_gone_when_it_is_read_is_left_out(root, out):
    builder = folder_builder(root, out)
    (root / "anna" / "1.jpg").unlink()
    (root / "ben" / "2.jpg").unlink()
    (root / "ben" / "2.jpg").mkdir()
    assert "2 unreadable images left out (e.g. anna/1.jpg: " in builder.write()
    assert len(read_images(out)) == 7


@pytest.mark.parametrize("rules", [{"pairs": "tors"}, {"test_pairs": "none.csv"}])
def test_a_rule_of_pairs_that_is_none(root, out, rules):
    value = next(iter(rules.values()))
    refused(lambda: folder_builder(root, out, **rules), value, "all, torso")


def test_a_data_set_is_only_replaced_when_asked_to(root, out):
    folder_builder(root, out).write()
    before = (out / "manifest.json").read_bytes()
    refused(lambda: folder_builder(root, out, seed=9), str(out), "--overwrite")
    assert (out / "manifest.json").read_bytes() == before
    folder_builder(root, out, seed=9, overwrite=True).write()
    assert read_manifest(out)["settings"]["seed"] == 9


def test_replacing_leaves_nothing_of_the_old_data_set(root, out):
    folder_builder(root, out, images_per_shard=3, test_fraction=0.34).write()
    (out / "notes of my own.txt").write_text("keep")
    assert len(names(out)) == 3 + 2 * 3
    folder_builder(root, out, overwrite=True).write()
    assert names(out) == [
        "manifest.json",
        "notes of my own.txt",
        "report.txt",
        "train-00000-of-00001.pairs.npy",
        "train-00000-of-00001.tfrecord",
    ]


def test_a_replacement_that_fails_leaves_no_data_set(root, out, tmp_path):
    folder_builder(root, out).write()
    people_folder(tmp_path / "single", anna=1)
    with pytest.raises(InputError, match="no pairs"):
        folder_builder(tmp_path / "single", out, overwrite=True).write()
    assert not {"manifest.json", "report.txt"} & set(names(out))
