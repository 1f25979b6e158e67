"""`python -m preprocessing.build`: its flags arrive, and bad ones are one line."""

from preprocessing_helpers import (
    add,
    people_folder,
    photo,
    pose,
    read_images,
    read_manifest,
    run_build,
)


def error_of(capsys, *arguments):
    """Runs the build, which must end in one line of error; returns that line."""
    result = run_build(capsys, *arguments)
    assert result.status == 1
    assert result.out == ""
    line = result.err.splitlines()[-1]
    assert line.startswith("error: ")
    assert result.err.count("error: ") == 1
    assert "Traceback" not in result.err
    return line


def test_the_build_says_what_it_needs(capsys, tmp_path):
    assert "--source is needed" in error_of(capsys)
    assert "--out is needed" in error_of(capsys, "--source=folder")
    flags_given = ("--source=folder", f"--out={tmp_path / 'data'}")
    assert "--root is needed" in error_of(capsys, *flags_given)
    assert "no such folder" in error_of(capsys, *flags_given, "--root=none")
    assert "not a flag" in error_of(capsys, *flags_given, "root=none")
    assert "--image_size=9" in error_of(capsys, *flags_given, "--image_size=9")
    assert not (tmp_path / "data").exists()


def test_synthetic_people_take_no_root_and_no_poses(capsys, tmp_path):
    for flag in ("--root=a", "--poses=a.csv"):
        line = error_of(capsys, "--source=synthetic", f"--out={tmp_path}/data", flag)
        assert "--root and --poses are not allowed" in line


def test_the_place_to_write_to_is_a_file(capsys, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for out in ("file", "file/data"):
        place = f"{tmp_path}/{out}"
        line = error_of(
            capsys, "--source=synthetic", "--identities=2", f"--out={place}"
        )
        assert f"{tmp_path}/file" in line


def test_the_build_of_synthetic_people(capsys, tmp_path):
    small = ["--identities=4", "--images_per_identity=2", "--image_size=64x32"]
    chosen = ["--source=synthetic", f"--out={tmp_path}/data", "--test_fraction=0.5"]
    result = run_build(capsys, *small, *chosen, "--seed=3")
    assert result.status == 0
    assert f"{tmp_path}/data: done in " in result.out
    assert "synthetic: 64x32" in result.out
    manifest = read_manifest(tmp_path / "data")
    assert manifest["image_size"] == [64, 32]
    assert [s["pairs"] for s in manifest["splits"].values()] == [4, 4]
    assert "--overwrite" in error_of(capsys, *small, *chosen, "--seed=4")
    assert run_build(capsys, *small, *chosen, "--overwrite").status == 0


def test_every_flag_of_the_build_arrives(capsys, tmp_path):
    small = ["--source=synthetic", "--identities=6", "--images_per_identity=3"]
    small += ["--image_size=64x32", "--overwrite", f"--out={tmp_path}"]
    more = ["--pairs=torso", "--test_pairs=all", "--test_fraction=0.34"]
    run_build(capsys, *small, *more, "--images_per_shard=3", "--seed=3")
    manifest = read_manifest(tmp_path)
    expected = {"pairs": "torso", "test_pairs": "all", "test_fraction": 0.34}
    expected |= {"images_per_shard": 3, "seed": 3}
    assert expected.items() <= manifest["settings"].items()
    assert [len(split["shards"]) for split in manifest["splits"].values()] == [4, 2]

    run_build(capsys, *small, "--pairs=torso")
    assert read_manifest(tmp_path)["settings"]["test_pairs"] == "torso"
    drawn = [{stored.image for stored in read_images(tmp_path)}]
    whole = read_manifest(tmp_path)["splits"]["train"]["mean_joints"]
    for flag in ("--seed=3", "--same_background", "--missing=0.5"):
        run_build(capsys, *small, flag)
        drawn.append({stored.image for stored in read_images(tmp_path)})
    holes = read_manifest(tmp_path)["splits"]["train"]["mean_joints"]
    assert holes < 0.7 * whole
    # Another seed and another background are other pictures, missing joints are not.
    assert len(drawn[0] | drawn[1] | drawn[2]) == 3 * 18
    assert drawn[3] == drawn[0]


def test_the_build_of_a_folder_with_poses_elsewhere(capsys, tmp_path):
    people_folder(tmp_path / "photos", anna=2)
    for beside in (tmp_path / "photos" / "anna").glob("*.json"):
        place = tmp_path / "json" / "anna" / beside.name
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.rename(place)
    add(tmp_path / "more", "x/2.jpg", photo(), poses=[pose()])
    (tmp_path / "photos" / "anna" / "2.jpg").write_bytes(photo(9))
    poses = f"{tmp_path}/json,{tmp_path}/more/x/2_keypoints.json"
    where = [f"--root={tmp_path}/photos", f"--poses={poses}", f"--out={tmp_path}/data"]
    result = run_build(capsys, "--source=folder", "--test_fraction=0", *where)
    assert result.status == 0, result.err
    # The paper's size for photos, unless another is asked for.
    assert "folder: 256x256" in result.out
    assert "3 images of 1 identities, 0 without a person" in result.out
    assert len(read_images(tmp_path / "data")) == 3


def test_an_option_of_another_source_is_refused(capsys, tmp_path):
    where = ("--source=folder", f"--root={tmp_path}", f"--out={tmp_path}/data")
    line = error_of(capsys, *where, "--identity=item_colour")
    assert "--identity is not an option of --source=folder; allowed: none" in line
    line = error_of(capsys, "--source=synthetic", where[2], "--folders=query")
    assert "allowed: --identities, --images_per_identity, " in line
