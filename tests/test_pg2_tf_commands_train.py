"""The commands that train and evaluate, on tiny data."""

import dataclasses
import json

import pandas as pd
import pytest
from conftest import build_people
from pg2_tf_helpers import (
    command_error,
    make_run,
    run_command,
    tiny_config,
)

from pg2_tf.model import presets
from preprocessing.images import image_files as images

_FAST = ("--dataset=tiny", "--steps=2", "--log_every=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


def read(path):
    return images.read(path)


def test_both_stages_train_and_are_evaluated(people_dir, tmp_path, capsys):
    run = tmp_path / "run"
    places = (f"--data_dir={people_dir}", f"--run_dir={run}")
    dry = run_command(capsys, "pg2_tf.train", "--stage=1", *_FAST, *places, "--dry_run")
    assert dry.status == 0
    assert "steps: 2  [preset: 4]" in dry.out
    assert not run.exists()
    for stage in (1, 2):
        done = run_command(capsys, "pg2_tf.train", f"--stage={stage}", *_FAST, *places)
        assert done.status == 0, done
        assert f"stage{stage}: done, 2 steps" in done.out
    scored = run_command(
        capsys,
        "pg2_tf.evaluate",
        f"--run_dir={run}",
        f"--data_dir={people_dir}",
        "--num_pairs=7",
    )
    assert scored.status == 0, scored
    out = run / "evaluation"
    report = json.loads((out / "scores.json").read_text())
    assert (report["pairs"], report["stage"], report["step"]) == (7, 2, 2)
    assert list(report["means"]) == ["source", "coarse", "refined"]
    table = pd.read_csv(out / "pairs.csv")
    assert len(table) == 7
    mean = table["refined_mask_ssim"].mean()
    assert report["means"]["refined"]["mask_ssim"] == pytest.approx(mean)
    assert f"{mean:.3f}" in scored.out
    assert read(out / "sheet.png").std() > 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--stage=1"], "--dataset is needed"),
        (["--dataset=tiny"], "data/tiny"),
        (
            ["--dataset=tiny", "--variant=G1+D", "--stage=2"],
            "--stage=2: the variant G1+D has stage 1 alone",
        ),
        (["--dataset=tiny", "--stage=1", "--schedule=step"], "--halve_every 0"),
        (["--dataset=tiny", "--stage=1", "--ema=1"], "--ema 1.0: must be"),
        (["--dataset=tiny", "--stage=1", "--data_dir=nowhere"], "nowhere"),
        (["--dataset=tiny", "--stage=1", "--width=0"], "--width 0"),
        (["--dataset=tiny", "--stage=1", "--steps=0"], "--steps 0"),
        (["--dataset=tiny", "--stage=1", "--batch_size=-4"], "--batch_size -4"),
        (["--dataset=tiny", "--stage=1", "stray"], "stray: not a flag"),
    ],
)
def test_unusable_training_flag_is_one_line(flags, message, tmp_path, capsys):
    error = command_error(
        capsys, "pg2_tf.train", f"--run_dir={tmp_path / 'run'}", *flags
    )
    assert message in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flag",
    ["--dataset=market", "--stage=3", "--precision=float16", "--seed=-1", "--profil=x"],
)
def test_flag_value_that_is_not_allowed_is_named(flag, capsys):
    result = run_command(capsys, "pg2_tf.train", flag)
    assert result.status == 1
    assert flag.split("=")[0].strip("-") in result.err
    assert "Traceback" not in result.err


def test_discriminator_follows_the_width_unless_told(people_dir, tmp_path, capsys):
    flags = [f"--data_dir={people_dir}", f"--run_dir={tmp_path}", "--stage=1"]
    flags += ["--dataset=market1501", "--dry_run", "--width=32"]
    shown = run_command(capsys, "pg2_tf.train", *flags).out
    assert "discriminator_width: 16  [preset: 64]" in shown
    shown = run_command(capsys, "pg2_tf.train", *flags, "--discriminator_width=64").out
    assert "discriminator_width: 64\n" in shown


def test_what_the_discriminator_sees_stays_that_of_the_run(tmp_path, capsys):
    config = tiny_config()
    model = dataclasses.replace(config.model, discriminator_input="pair_and_pose")
    run = make_run(tmp_path / "run", config=dataclasses.replace(config, model=model))
    flags = [f"--run_dir={run}", "--dataset=tiny", "--stage=2", "--dry_run"]
    shown = run_command(capsys, "pg2_tf.train", *flags).out
    assert "discriminator_input: pair_and_pose  [preset: pair]" in shown
    flags.append("--discriminator_input=pair")
    shown = run_command(capsys, "pg2_tf.train", *flags).out
    assert "discriminator_input: pair\n" in shown


def test_run_of_another_width_or_data_set_is_refused(run, people_dir, tmp_path, capsys):
    flags = [f"--run_dir={run}", f"--data_dir={people_dir}", "--stage=1"]
    error = command_error(capsys, "pg2_tf.train", *flags, *_FAST, "--width=8")
    assert "model.width 4, not 8" in error
    size = presets.preset("demo").model.image_size
    demo = build_people(tmp_path / "demo", size=size, identities=3)
    flags[1] = f"--data_dir={demo}"
    error = command_error(capsys, "pg2_tf.train", *flags, "--dataset=demo")
    assert "dataset tiny, not demo" in error


def test_evaluation_refuses_what_does_not_fit(run, people_dir, tmp_path, capsys):
    module, flag = "pg2_tf.evaluate", f"--run_dir={run}"
    assert "either --model or --generated is needed" in command_error(capsys, module)
    error = command_error(capsys, module, f"--run_dir={tmp_path}")
    assert "not a model; expected a run folder" in error
    tall = build_people(tmp_path / "tall", size=(64, 32))
    error = command_error(capsys, module, flag, f"--data_dir={tall}")
    assert "64x32" in error
    assert "32x32" in error
    first = make_run(tmp_path / "first", stages=(1,))
    flags = [f"--run_dir={first}", f"--data_dir={people_dir}"]
    assert "stage2" in command_error(capsys, module, *flags, "--stage=2")
