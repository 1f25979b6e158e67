"""A few seconds of the load test in `pg2_tf_serving_load`."""

import pytest
from pg2_tf_helpers import make_run

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.serving.saved_model import export_saved_model

load = pytest.importorskip(
    "pg2_tf_serving_load", reason="needs tensorflow-serving-api"
).load


def test_every_answer_under_load_belongs_to_its_request(tmp_path):
    model = PoseTransfer.load(make_run(tmp_path / "run"))
    export_saved_model(model, tmp_path / "model", version=1)
    report = load(tmp_path / "model", seconds=4, clients=6)
    assert report["alive"]
    assert report["wrong"] == 0
    assert set(report["percentiles"]) == {"grpc", "rest"}
    met = {kind.partition(": ")[0]: set() for kind in report["met"]}
    for kind in report["met"]:
        name, _, end = kind.partition(": ")
        met[name].add(end)
    assert met["good"] == {"answered"}
    assert met.get("broken", set()) <= {"INVALID_ARGUMENT"}
    assert met.get("declared", set()) <= {"INVALID_ARGUMENT"}
    assert met.get("mismatched", set()) <= {"refused"}
    assert met.get("large", set()) <= {"answered"}
