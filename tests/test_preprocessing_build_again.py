"""Building again: nothing where nothing changed, the rest where it was cut short."""

import os
import time

import numpy as np
import pytest
from preprocessing_helpers import (
    add,
    folder_builder,
    people_folder,
    pose,
    read_images,
    read_manifest,
    run_build,
)

from preprocessing.dataset import builder, preparing, reading, records
from preprocessing.system.errors import InputError


@pytest.fixture
def root(tmp_path):
    root = people_folder(tmp_path / "photos", anna=3, ben=3, cleo=3, dora=2)
    add(root, "cleo/broken.jpg", b"no image", poses=[pose()])
    return root


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data"


def contents(out):
    """Returns all files below a folder."""
    files = [path for path in out.rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def times(out):
    return {path.name: path.stat().st_mtime_ns for path in out.iterdir()}


def build(root, out, **settings):
    return folder_builder(root, out, images_per_shard=3, **settings).write()


def test_building_again_does_nothing_and_says_so(root, out):
    first = build(root, out)
    before, stamps = contents(out), times(out)
    again = build(root, out)
    assert again == f"{first}\n{out}: unchanged; nothing to do"
    assert contents(out) == before
    assert times(out) == stamps


def test_the_command_again_does_nothing(capsys, root, out):
    arguments = ["--source=folder", f"--root={root}", f"--out={out}"]
    arguments += ["--image_size=32x32"]
    assert run_build(capsys, *arguments).status == 0
    stamps = times(out)
    again = run_build(capsys, *arguments, "--workers=1")
    assert again.status == 0
    assert "unchanged; nothing" in again.out
    assert times(out) == stamps


def touch_image(root):
    path = root / "anna" / "1.jpg"
    later = time.time_ns() + 10**9
    os.utime(path, ns=(later, later))


def move_joint(root):
    add(root, "anna/1.jpg", (root / "anna" / "1.jpg").read_bytes(), poses=[pose(3)])


@pytest.mark.parametrize(
    "change",
    [
        touch_image,
        move_joint,
        lambda root: add(root, "anna/new.jpg", poses=[pose()]),
        lambda root: (root / "ben" / "2.jpg").unlink(),
    ],
    ids=["image", "pose", "image added", "image removed"],
)
def test_a_change_of_the_input_is_noticed_and_nothing_is_replaced(root, out, change):
    build(root, out)
    before = contents(out)
    change(root)
    with pytest.raises(InputError, match=r"other images, poses or pairs.*--overwrite"):
        build(root, out)
    assert contents(out) == before
    assert "unchanged; nothing" not in build(root, out, overwrite=True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seed": 5}, "was built with seed=0, not 5"),
        ({"pairs": "torso"}, "pairs=all, not torso"),
        ({"image_size": (64, 64)}, r"image_size=\[32, 32\], not \[64, 64\]"),
        ({"min_pose_distance": 0.1}, r"min_pose_distance=0\.0, not 0\.1"),
    ],
)
def test_other_settings_are_named(root, out, settings, said):
    build(root, out)
    with pytest.raises(InputError, match=f"{said}; use --overwrite or another --out"):
        build(root, out, **settings)


def test_a_list_of_pairs_that_changed_is_noticed(root, out, tmp_path):
    listed = tmp_path / "pairs.csv"
    listed.write_text("from,to\nanna/0.jpg,anna/1.jpg\n")
    build(root, out, pairs=str(listed))
    listed.write_text("from,to\nanna/0.jpg,anna/2.jpg\n")
    with pytest.raises(InputError, match="other images, poses or pairs"):
        build(root, out, pairs=str(listed))


@pytest.mark.parametrize("suffix", ["tfrecord", "pairs.npy"])
def test_a_shard_that_is_gone_is_noticed(root, out, suffix):
    build(root, out)
    next(out.glob(f"*.{suffix}")).unlink()
    with pytest.raises(InputError, match=rf"{suffix}: missing.*--overwrite"):
        build(root, out)


def interrupt(monkeypatch, *, after):
    """Lets the preparation of images fail after so many of them."""
    prepare, done = preparing.prepare, []

    def failing(found, **options):
        if len(done) >= after:
            raise KeyboardInterrupt
        done.append(found[0].name)
        return prepare(found, **options)

    monkeypatch.setattr(preparing, "prepare", failing)


@pytest.mark.parametrize("after", [0, 2, 3, 7, 11])
def test_an_interrupted_build_goes_on_to_the_same_bytes(
    root, out, tmp_path, monkeypatch, after
):
    whole = build(root, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt(patch, after=after)
        with pytest.raises(KeyboardInterrupt):
            build(root, out)
    with pytest.raises(InputError, match="no such file"):
        records.read_manifest(out)
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tfrecord")}
    sizes = [3, 3, 4, 2]  # One of cleo's images is broken.
    assert len(kept) == sum(np.cumsum(sizes) <= after)
    read = []
    prepare = preparing.prepare
    monkeypatch.setattr(
        preparing, "prepare", lambda s, **rest: read.append(s) or prepare(s, **rest)
    )
    assert build(root, out) == whole
    assert contents(out) == contents(tmp_path / "whole")
    assert len(read) == sum(sizes[len(kept) :])
    assert kept.items() <= times(out).items()


def test_a_damaged_shard_of_an_interrupted_build_is_made_again(
    root, out, tmp_path, monkeypatch
):
    build(root, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt(patch, after=7)
        with pytest.raises(KeyboardInterrupt):
            build(root, out)
    first, second = sorted(out.glob("*.tfrecord"))
    first.write_bytes(first.read_bytes()[:-1])
    (out / ".build" / f"{second.stem}.json").write_text('{"shard": ')
    build(root, out)
    assert contents(out) == contents(tmp_path / "whole")


def test_an_interrupted_build_of_something_else_leaves_nothing(
    root, out, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        interrupt(patch, after=7)
        with pytest.raises(KeyboardInterrupt):
            build(root, out, seed=9, test_fraction=0.5)
    (out / "train-00000-of-00009.tfrecord").write_bytes(b"somebody else's")
    folder_builder(root, out).write()
    folder_builder(root, tmp_path / "whole").write()
    left = contents(out)
    assert left.pop("train-00000-of-00009.tfrecord") == b"somebody else's"
    assert left == contents(tmp_path / "whole")


@pytest.mark.parametrize("workers", [2, 3])
def test_the_result_does_not_depend_on_the_number_of_workers(
    root, out, tmp_path, workers, monkeypatch
):
    monkeypatch.setattr(builder, "_FEW", 0)
    one = folder_builder(root, tmp_path / "one", images_per_shard=4)
    many = folder_builder(root, out, images_per_shard=4, workers=workers)
    assert one.write() == many.write()
    assert contents(out) == contents(tmp_path / "one")


def test_shards_of_a_resumed_build_are_read_for_pairs(root, out, monkeypatch):
    """The pairs of a kept shard come from the shard itself."""
    with monkeypatch.context() as patch:
        interrupt(patch, after=7)
        with pytest.raises(KeyboardInterrupt):
            build(root, out)
    seen, read_shard = [], reading.read_shard
    monkeypatch.setattr(
        reading, "read_shard", lambda p, **k: seen.append(p.name) or read_shard(p, **k)
    )
    build(root, out)
    assert seen == [f"train-0000{n}-of-00004.tfrecord" for n in range(2)]
    assert read_manifest(out)["splits"]["train"]["pairs"] == 3 * 6 + 2
    assert len(read_images(out)) == 11
