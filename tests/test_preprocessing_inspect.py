"""`python -m preprocessing.inspect`: counts, the sheet, and what `--check` prints."""

import json
import shutil

import numpy as np
import pytest
from conftest import build_people
from pg2_tf_helpers import command_error, run_command

from preprocessing.dataset import inspection, reading, records
from preprocessing.images import drawing as pictures
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

MODULE = "preprocessing.inspect"
SIZE = (32, 32)


def inspect(capsys, *flags):
    result = run_command(capsys, MODULE, *flags)
    assert result.status == 0, result
    return result.out


def survey(data_dir):
    return inspection.survey(data_dir, records.read_manifest(data_dir))


def stored_images(data_dir):
    """Returns all images in order, with the split of each."""
    manifest = records.read_manifest(data_dir)
    size = tuple(manifest["image_size"])
    return [
        (name, stored)
        for name, split in manifest["splits"].items()
        for shard in split["shards"]
        for stored in reading.read_shard(
            data_dir / shard["file"], count=shard["images"], size=size
        )
    ]


def row_of(out, label):
    """Returns the cells of a table's row."""
    (line,) = (line for line in out.splitlines() if line.startswith(label + "  "))
    return line.removeprefix(label).split()


def test_counts_and_sheet_are_made(people_dir, tmp_path, capsys):
    out = tmp_path / "new" / "sheet.png"
    printed = inspect(capsys, f"--data_dir={people_dir}", f"--out={out}", "--num=3")
    assert printed.startswith("synthetic: 32x32\n")
    assert row_of(printed, "images") == ["12", "6"]
    assert row_of(printed, "identities") == ["4", "2"]
    assert row_of(printed, "images without person") == ["0", "0"]
    assert row_of(printed, "pairs") == ["24", "12"]
    assert "  train: 3 to 3, median 3; most " in printed
    assert "  test: 6 to 6, median 6; most " in printed
    assert printed.endswith(f"\n{out}: 3 images\n")
    # 5 columns of 256 pixels and a margin, 3 rows with captions.
    assert images.read(out).shape == (20 + 3 * 280 + 4 + 20, 5 * 260 + 4, 3)


def test_the_table_of_keypoints_is_the_share_of_images(people_dir, tmp_path, capsys):
    printed = inspect(capsys, f"--data_dir={people_dir}", f"--out={tmp_path}/a.png")
    stored = stored_images(people_dir)
    for index, name in enumerate(kp.NAMES):
        shares = [
            np.mean([kp.found(s.pose)[index] for own, s in stored if own == split])
            for split in ("train", "test")
        ]
        assert row_of(printed, name) == [f"{share:.1%}" for share in shares]
    assert len({tuple(row_of(printed, name)) for name in kp.NAMES}) > 2


def test_the_bytes_are_those_in_the_records(people_dir, tmp_path, capsys):
    printed = inspect(capsys, f"--data_dir={people_dir}", f"--out={tmp_path}/a.png")
    stored = [image for _, image in stored_images(people_dir)]
    for label, sizes in {
        "JPEG": [len(image.image) for image in stored],
        "heatmaps": [len(image.heatmaps) for image in stored],
        "mask": [len(image.mask) for image in stored],
        "heatmaps + mask": [len(i.heatmaps) + len(i.mask) for i in stored],
        "keypoints": [18 * 3 * 4],
    }.items():
        assert row_of(printed, label) == [f"{np.mean(sizes):,.0f}", f"{max(sizes):,}"]


def test_the_identities_with_most_and_fewest_are_named():
    counts = {"a": 2, "b": 9, "c": 1000, "d": 9, "e": 0}
    assert inspection._spread(counts) == (
        "0 to 1,000, median 9; most c (1,000), b (9), d (9); fewest e (0), a (2), b (9)"
    )


def test_identities_without_a_pair_count(people_dir):
    counted = survey(people_dir)
    first = min(counted["train"].images)
    del counted["train"].pairs[first]
    described = inspection.describe(records.read_manifest(people_dir), counted)
    assert "  train: 0 to 6, median 6; most " in described
    assert f"; fewest {first} (0), " in described


def test_the_same_seed_draws_the_same_images(people_dir):
    counted = survey(people_dir)

    def drawn(**options):
        given = {"split": None, "names": [], "num": 4, "seed": 0} | options
        return list(inspection.choose(counted, **given))

    assert drawn() == drawn()
    assert len(set(drawn())) == 4
    assert drawn() != drawn(seed=1)
    assert len(drawn(num=99)) == 18
    assert set(drawn(num=99, split="test")) == set(counted["test"].shard_of)
    assert drawn(names=["0001_002.jpg", "0000_001.jpg"]) == [
        "0001_002.jpg",
        "0000_001.jpg",
    ]


def test_images_that_are_not_there_are_named(people_dir):
    counted = survey(people_dir)
    present = next(iter(counted["test"].shard_of))

    def choose(split, *names):
        inspection.choose(counted, split=split, names=names, num=1, seed=0)

    with pytest.raises(InputError, match=r"--names=a\.jpg: no image in the data set"):
        choose(None, present, "a.jpg")
    with pytest.raises(InputError, match="no image in the train split has this name"):
        choose("train", present)
    del counted["train"]
    with pytest.raises(InputError, match="--split=train: there is only test"):
        choose("train")
    counted["test"].shard_of.clear()
    with pytest.raises(InputError, match="the test split has no images"):
        choose("test")


@pytest.mark.parametrize("size", [(64, 32), (128, 64), (31, 47), (256, 256), (600, 9)])
def test_the_sheet_shows_each_image_in_five_ways(tmp_path, size):
    data = build_people(tmp_path / "data", size=size, identities=3)
    stored = [image for _, image in stored_images(data)][:1]
    whole = inspection.sheet(stored)
    scale = max(1, 256 // size[0])
    tall = min(size[0] * scale, 512)
    wide = round(tall * size[1] / size[0])
    assert whole.shape == (20 + 24 + tall + 4 + 20, 5 * (wide + 4) + 4, 3)
    cells = [
        whole[44 : 44 + tall, x : x + wide] for x in range(4, 5 * (wide + 4), wide + 4)
    ]
    image = images.decode(stored[0].image, name="x")
    drawing = {"size": size, "scale": scale}
    flipped = kp.flip(stored[0].pose, width=size[1])
    mirrored = np.ascontiguousarray(image[:, ::-1])
    expected = [
        images.resize(image, (size[0] * scale, size[1] * scale)),
        pictures.draw_pose(stored[0].pose, image=image, **drawing),
        pictures.fold_heatmaps(stored[0].unpack_heatmaps(), scale=scale),
        pictures.draw_mask_on(image, stored[0].unpack_mask(), scale=scale),
        pictures.draw_pose(flipped, image=mirrored, **drawing),
    ]
    for cell, picture in zip(cells, expected, strict=True):
        np.testing.assert_array_equal(cell, images.resize(picture, (tall, wide)))


def test_many_narrow_images_stand_in_blocks(tmp_path):
    data = build_people(tmp_path / "data", size=(64, 32))
    stored = [image for _, image in stored_images(data)]
    height, width = inspection.sheet(stored[:8]).shape[:2]
    assert width == 2 * (5 * 132 + 4)
    assert height == 20 + 4 * 280 + 4 + 20
    # The ninth image has no neighbour.
    nine = inspection.sheet(stored[:9])
    assert nine.shape[:2] == (height + 280, width)
    assert (nine[-300:-20, width // 2 :] == 255).all()
    assert (nine[-300:-20, : width // 2] != 255).any()


def test_the_check_prints_one_line(people_dir, tmp_path, capsys):
    flags = [f"--data_dir={people_dir}", "--check"]
    line = "checked 18 images, 36 pairs in 3 shards: no problem\n"
    assert inspect(capsys, *flags) == line
    printed = inspect(capsys, *flags, f"--out={tmp_path}/sheet.png")
    assert printed.startswith(line + "synthetic: ")
    assert (tmp_path / "sheet.png").exists()


def test_the_check_prints_the_first_problems_and_counts_all(
    people_dir, tmp_path, capsys
):
    data = shutil.copytree(people_dir, tmp_path / "data")
    for path in data.glob("*.pairs.npy"):
        np.save(path, np.zeros_like(np.load(path)))
    flags = [f"--data_dir={data}", "--check", f"--out={tmp_path}/sheet.png"]
    result = run_command(capsys, MODULE, *flags)
    assert result.status == 1
    lines = result.out.splitlines()
    assert len(lines) == 20
    assert all(".pairs.npy: row " in line for line in lines)
    assert result.err.splitlines()[-1] == f"error: {data}: 36 problems"
    assert not (tmp_path / "sheet.png").exists()


def test_one_problem_is_not_called_problems(people_dir, tmp_path, capsys):
    data = shutil.copytree(people_dir, tmp_path / "data")
    manifest = json.loads((data / "manifest.json").read_text())
    manifest["splits"]["test"]["identities"] = 99
    (data / "manifest.json").write_text(json.dumps(manifest))
    line = command_error(capsys, MODULE, f"--data_dir={data}", "--check")
    assert line == f"error: {data}: 1 problem"


def test_without_a_sheet_the_counts_are_printed(capsys, people_dir):
    printed = inspect(capsys, f"--data_dir={people_dir}")
    assert "keypoint found in" in printed
    assert "sheet" not in printed


def test_bad_flags_are_one_line(people_dir, tmp_path, capsys):
    for flags, expected in (
        ([], "--data_dir is needed"),
        ([f"--data_dir={tmp_path}/none"], "no such folder"),
        (
            [f"--data_dir={people_dir}", "--out=a.jpg"],
            "--out=a.jpg: the sheet is a PNG",
        ),
        ([f"--data_dir={tmp_path}", "--out=a.png"], "preprocessing.build"),
        ([f"--data_dir={tmp_path}", "--check"], "preprocessing.build"),
    ):
        assert expected in command_error(capsys, MODULE, *flags)


def test_a_damaged_shard_ends_the_survey_in_one_line(people_dir, tmp_path, capsys):
    data = shutil.copytree(people_dir, tmp_path / "data")
    path = next(data.glob("*.tfrecord"))
    path.write_bytes(path.read_bytes()[:-9])
    flags = [f"--data_dir={data}", f"--out={tmp_path}/sheet.png"]
    assert f"{path}: damaged at record" in command_error(capsys, MODULE, *flags)
    assert not (tmp_path / "sheet.png").exists()
