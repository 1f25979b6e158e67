"""Scores of images in folders, by any method, against folders of real images."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from pg2_tf_helpers import command_error, make_run, run_command

from pg2_tf.evaluation.metrics import images as metrics
from preprocessing.images import image_files as images

MODULE = "pg2_tf.evaluate"
_SIZE = (32, 24)


def write(folder, name, picture, *, suffix=".png"):
    path = folder / f"{name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(images.encode_png(picture))
    return path


def random_image(rng, size=_SIZE):
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def folders(tmp_path):
    """Three pairs with masks; the generated images are the targets with noise."""
    rng = np.random.default_rng(0)
    for name in ("anna/1", "ben", "cleo"):
        target = random_image(rng)
        noise = rng.integers(-30, 31, target.shape)
        made = np.clip(target + noise, 0, 255).astype(np.uint8)
        write(tmp_path / "target", name, target)
        write(tmp_path / "made", name, made)
        mask = 255 * rng.integers(0, 2, (*_SIZE, 1), dtype=np.uint8).repeat(3, axis=2)
        write(tmp_path / "mask", name, mask)
    return tmp_path


def given(place, *, mask=True):
    flags = [f"--generated={place / 'made'}", f"--target={place / 'target'}"]
    return [*flags, *([f"--mask={place / 'mask'}"] if mask else [])]


def scores_of(capsys, place, *flags, mask=True):
    out = place / "out"
    result = run_command(
        capsys, MODULE, *given(place, mask=mask), *flags, f"--out={out}"
    )
    assert result.status == 0, result.err
    return (
        json.loads((out / "scores.json").read_text()),
        pd.read_csv(out / "pairs.csv"),
        result.out,
    )


def test_images_are_paired_by_name(capsys, folders):
    scores, table, _ = scores_of(capsys, folders)
    assert table["name"].tolist() == ["anna/1", "ben", "cleo"]
    for row in table.to_dict("records"):
        made, target, mask = (
            images.read(folders / kind / f"{row['name']}.png")
            for kind in ("made", "target", "mask")
        )
        expected = metrics.score(made, target, mask[..., 0])
        for name, value in expected.items():
            assert row[f"generated_{name}"] == pytest.approx(value, rel=1e-9)
    assert scores["means"]["generated"]["ssim"] == pytest.approx(
        table["generated_ssim"].mean()
    )
    assert scores["protocol"]["mask"] == "given"


def test_suffixes_may_differ_and_what_has_no_counterpart_is_reported(capsys, folders):
    (folders / "made" / "ben.png").rename(folders / "made" / "ben.jpeg")
    (folders / "target" / "cleo.png").rename(folders / "target" / "dora.png")
    scores, table, out = scores_of(capsys, folders)
    assert table["name"].tolist() == ["anna/1", "ben"]
    assert (
        f"{folders / 'made'}: 1 images without a counterpart, not scored: cleo" in out
    )
    assert scores["unpaired"] == {
        str(folders / "made"): ["cleo"],
        str(folders / "target"): ["dora"],
    }


def test_scores_are_those_of_the_authors_scripts(capsys, tmp_path, shared):
    golden = np.load(shared / "golden" / "scores.npz")
    for index in range(8):
        write(tmp_path / "made", index, golden["G"][index])
        write(tmp_path / "target", index, golden["x_target"][index])
        write(tmp_path / "mask", index, golden["mask"][index][..., None].repeat(3, 2))
    for protocol in ("authors", "corrected"):
        _, table, _ = scores_of(capsys, tmp_path, f"--protocol={protocol}")
        for name in ("ssim", "psnr", "l1", "l2"):
            for prefix in ("", "mask_"):
                np.testing.assert_allclose(
                    table[f"generated_{prefix}{name}"],
                    golden[f"score_{prefix}{name}"],
                    rtol=1e-9,
                )


def test_saved_images_of_a_run_score_the_same_again(capsys, tmp_path, people_dir):
    run = make_run(tmp_path / "run")
    place = tmp_path / "first"
    result = run_command(
        capsys,
        MODULE,
        f"--run_dir={run}",
        f"--data_dir={people_dir}",
        "--save_images",
        f"--out={place}",
    )
    assert result.status == 0, result.err
    first = json.loads((place / "scores.json").read_text())
    result = run_command(
        capsys,
        MODULE,
        f"--generated={place / 'images/refined'}",
        f"--target={place / 'images/target'}",
        f"--mask={place / 'images/mask'}",
        f"--out={tmp_path / 'second'}",
    )
    assert result.status == 0, result.err
    second = json.loads((tmp_path / "second" / "scores.json").read_text())
    assert second["pairs"] == first["pairs"] > 1
    for name, value in second["means"]["generated"].items():
        assert value == pytest.approx(first["means"]["refined"][name]), name


def test_masks_can_be_drawn_from_poses(capsys, folders):
    points = {"x": 12.0, "y": 16.0}
    people = [[points["x"], points["y"], 1.0] * 18]
    for name in ("1", "ben", "cleo"):
        content = {"people": [{"pose_keypoints_2d": people[0]}]}
        path = folders / "poses" / f"{name}_keypoints.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    flags = [f"--poses={folders / 'poses'}", "--metrics=mask_l1"]
    _, table, _ = scores_of(capsys, folders, *flags, mask=False)
    y, x = np.mgrid[:32, :24]
    disc = (x - 12) ** 2 + (y - 16) ** 2 <= 16
    made, target = (
        images.read(folders / kind / "ben.png").astype(float)
        for kind in ("made", "target")
    )
    expected = np.abs(made - target)[disc].sum() / made.size
    value = table.set_index("name")["generated_mask_l1"]["ben"]
    assert value == pytest.approx(expected, rel=0.2)


def test_patn_protocol_pads_narrow_images_with_white(capsys, tmp_path):
    rng = np.random.default_rng(1)
    made, target = random_image(rng, (256, 176)), random_image(rng, (256, 176))
    for kind, picture in (("made", made), ("target", target)):
        write(tmp_path / kind, "a", picture)
    scores = {
        protocol: scores_of(
            capsys, tmp_path, f"--protocol={protocol}", "--metrics=ssim,l1", mask=False
        )[0]["means"]["generated"]
        for protocol in ("pose_gan", "patn")
    }
    wide = [
        cv2.copyMakeBorder(i, 0, 0, 40, 40, cv2.BORDER_CONSTANT, value=(255,) * 3)
        for i in (made, target)
    ]
    assert scores["pose_gan"]["ssim"] == pytest.approx(
        metrics.gaussian_ssim(made, target)
    )
    assert scores["patn"]["ssim"] == pytest.approx(metrics.gaussian_ssim(*wide))
    assert scores["patn"]["l1"] == pytest.approx(scores["pose_gan"]["l1"] * 176 / 256)


def test_images_that_are_equal_have_no_finite_psnr(capsys, folders):
    for name in ("anna/1", "ben", "cleo"):
        write(folders / "made", name, images.read(folders / "target" / f"{name}.png"))
    scores, _, out = scores_of(capsys, folders, "--metrics=ssim,psnr")
    assert scores["means"]["generated"] == {"ssim": 1.0, "psnr": None}
    assert scores["interval"]["generated"]["psnr"] == [None, None]
    assert "inf" in out


def test_grey_images_are_scored_as_colour_images(capsys, folders):
    grey = cv2.imread(str(folders / "made" / "ben.png"), cv2.IMREAD_GRAYSCALE)
    (folders / "made" / "ben.png").write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    _, table, _ = scores_of(capsys, folders, "--metrics=l1")
    target = images.read(folders / "target" / "ben.png")
    expected = metrics.l1(grey[..., None].repeat(3, axis=2), target)
    assert table.set_index("name")["generated_l1"]["ben"] == pytest.approx(expected)


# === Bad input ===


def damage_size(place):
    write(place / "made", "ben", np.zeros((30, 24, 3), np.uint8))


def damage_mask(place):
    (place / "mask" / "ben.png").unlink()


def damage_mask_values(place):
    write(place / "mask", "ben", np.full((*_SIZE, 3), 100, np.uint8))


def damage_image(place):
    (place / "made" / "ben.png").write_text("not an image")


def damage_folder(place):
    for path in (place / "made").rglob("*.png"):
        path.unlink()


def damage_names(place):
    for path in sorted((place / "made").rglob("*.png")):
        path.rename(path.with_name(f"other_{path.name}"))


def damage_twice(place):
    write(place / "made", "ben", np.zeros((*_SIZE, 3), np.uint8), suffix=".jpg")


@pytest.mark.parametrize(
    ("damage", "flags", "expected"),
    [
        (damage_size, (), "made/ben.png: is 30x24, the other images are 32x24"),
        (damage_mask, (), "mask: has no mask for ben"),
        (damage_mask_values, (), "mask/ben.png: a mask has the values 0 and 255"),
        (damage_image, (), "made/ben.png: cannot be decoded as an image"),
        (damage_folder, (), "made: has no images; allowed are .jpg"),
        (damage_names, (), "no image there has the name of one in"),
        (damage_twice, (), "ben.png: ben.jpg has the same name without suffix"),
        (None, ("--target={}/none",), "none: no such folder"),
        (
            None,
            ("--metrics=is",),
            "--metrics=is: needs at least 10 images, there are 3",
        ),
        (None, ("--metrics=pckh",), "--metrics=pckh: needs the targets' poses"),
        (
            None,
            ("--mask=", "--metrics=mask_ssim"),
            "needs masks; give --mask or --poses",
        ),
        (
            None,
            ("--metrics=fid", "--fid_reference=train"),
            "--fid_reference=train requires --model",
        ),
        (None, ("--protocol=gfla",), "window of 51 pixels"),
        (None, ("--mask_of=source",), "--mask_of requires --model"),
        (None, ("--split=train",), "--split requires --model"),
    ],
)
def test_bad_input_is_one_clear_line(capsys, folders, damage, flags, expected):
    if damage:
        damage(folders)
    flags = [flag.format(folders) for flag in flags]
    out = folders / "out"
    error = command_error(capsys, MODULE, *given(folders), *flags, f"--out={out}")
    assert expected in error
    assert not (out / "scores.json").exists()
