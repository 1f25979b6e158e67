"""The export command: versions, stage, precision, model card and warm-up requests."""

import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import command_error, make_run, random_poses, run_command

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.serving import saved_model
from preprocessing.system import files


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run")


def export(capsys, run, out, *flags):
    result = run_command(
        capsys, "pg2_tf.export", f"--run_dir={run}", f"--out={out}", *flags
    )
    assert result.status == 0, result
    return result.out


def serve(place, images, poses):
    loaded = tf.saved_model.load(str(place))
    made = loaded.signatures["serving_default"](
        image=tf.constant(images), keypoints=tf.constant(poses)
    )
    return {name: image.numpy() for name, image in made.items()}


def some(count):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 32, 32, 3), np.uint8), random_poses(count)


def read_card(place):
    return json.loads((place / "model_card.json").read_text())


def test_versions_count_up_and_overwrite_requires_a_version(run, tmp_path, capsys):
    for version in (1, 2):
        assert f"{tmp_path / str(version)}: " in export(capsys, run, tmp_path)
    flags = [f"--run_dir={run}", f"--out={tmp_path}", "--overwrite"]
    assert "--version" in command_error(capsys, "pg2_tf.export", *flags)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_stage_1_can_be_exported(run, tmp_path, capsys):
    export(capsys, run, tmp_path, "--stage=1")
    images, poses = some(2)
    made = serve(tmp_path / "1", images, poses)
    assert set(made) == {"coarse"}
    expected = PoseTransfer.load(run, stage=1)(images, poses)["coarse"].astype(int)
    assert np.abs(made["coarse"] - expected).max() <= 1
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    assert set(loaded.signatures["encoded"].structured_outputs) == {"coarse_png"}
    assert read_card(tmp_path / "1")["stage"] == 1


def test_bfloat16_changes_neither_inputs_nor_outputs(run, tmp_path, capsys):
    export(capsys, run, tmp_path)
    export(capsys, run, tmp_path, "--precision=bfloat16")
    images, poses = some(4)
    exact, short = (serve(tmp_path / version, images, poses) for version in "12")
    difference = np.abs(exact["refined"].astype(int) - short["refined"])
    assert 0 < difference.mean() < 4
    loaded = tf.saved_model.load(str(tmp_path / "2"))
    for name, dtype in (("serving_default", "uint8"), ("raw", "float32")):
        outputs = loaded.signatures[name].structured_outputs.values()
        assert {output.dtype.name for output in outputs} == {dtype}
    assert read_card(tmp_path / "2")["precision"] == "bfloat16"


# === Model card ===


def test_model_card_describes_the_model_and_has_checksums(run, tmp_path, capsys):
    export(capsys, run, tmp_path)
    place = tmp_path / "1"
    card = read_card(place)
    assert (card["dataset"], card["profile"], card["variant"]) == (
        *("tiny", "paper", "G1+G2+D"),
    )
    assert (card["version"], card["stage"], card["step"]) == (1, 2, 7)
    assert card["image_size"] == [32, 32]
    assert card["keypoints"][:2] == ["nose", "neck"]
    assert card["versions"]["tensorflow"] == tf.__version__
    assert card["scores"] is None
    written = {p for p in place.rglob("*") if p.is_file()} - {place / "model_card.json"}
    assert set(card["sha256"]) == {str(path.relative_to(place)) for path in written}
    for name, digest in card["sha256"].items():
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest
    assert str(run) not in (place / "model_card.json").read_text()


def test_model_card_has_the_scores_of_the_same_model_only(tmp_path, capsys):
    run, out = make_run(tmp_path / "run"), tmp_path / "out"
    scores = {"means": {"refined": {"ssim": 0.25}}, "pairs": 3, "split": "test"}
    scores |= {"protocol": "p", "stage": 2, "step": 7, "weights": "auto"}
    files.write_json(run / "evaluation" / "scores.json", scores)
    export(capsys, run, out)
    export(capsys, run, out, "--weights=last")
    kept = ("means", "pairs", "split", "protocol")
    assert read_card(out / "1")["scores"] == {name: scores[name] for name in kept}
    assert read_card(out / "2")["scores"] is None
    files.write_json(run / "evaluation" / "scores.json", {"means": {}})
    export(capsys, run, out)
    assert read_card(out / "3")["scores"] is None
    (run / "evaluation" / "scores.json").write_text("[")
    flags = [f"--run_dir={run}", f"--out={out}"]
    assert "scores.json: damaged" in command_error(capsys, "pg2_tf.export", *flags)
    assert not (out / "4").exists()


# === Warm-up ===


def test_warm_up_requests_are_valid(run, tmp_path, capsys):
    prediction_log_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2",
        reason="needs tensorflow-serving-api",
    )
    export(capsys, run, tmp_path / "people")
    place = tmp_path / "people" / "1"
    loaded = tf.saved_model.load(str(place))
    path = place / "assets.extra" / "tf_serving_warmup_requests"
    asked = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        assert request.model_spec.name == "people"
        inputs = {key: tf.make_ndarray(one) for key, one in request.inputs.items()}
        signature = request.model_spec.signature_name
        made = loaded.signatures[signature](**dict(map(as_tensor, inputs.items())))
        (count,) = {len(value) for value in made.values()}
        asked.append((signature, count))
    assert sorted(asked) == [
        (signature, count)
        for signature in ("encoded", "serving_default")
        for count in saved_model.BATCH_SIZES
    ]


def as_tensor(item):
    return item[0], tf.constant(item[1])


def test_a_missing_serving_package_is_reported(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(saved_model, "can_warm_up", lambda: False)
    assert "pip install 'pg2-tf[serving]'" in export(capsys, run, tmp_path)
    assert (tmp_path / "1" / "saved_model.pb").exists()
    assert not (tmp_path / "1" / "assets.extra").exists()
