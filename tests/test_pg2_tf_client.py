"""The client against a loopback server: both protocols, and failures."""

import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import command_error, make_run, random_poses, run_command

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.serving.saved_model import export_saved_model
from preprocessing.images import image_files
from preprocessing.poses.formats import openpose

trustme = pytest.importorskip("trustme", reason="needs trustme")
LoopbackServer = pytest.importorskip(
    "pg2_tf_loopback_server", reason="needs tensorflow-serving-api"
).LoopbackServer

PROTOCOLS = ("grpc", "rest")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return PoseTransfer.load(make_run(tmp_path_factory.mktemp("run") / "run"))


@pytest.fixture(scope="module")
def models(model, tmp_path_factory):
    """A folder of two versions, the first of stage I."""
    place = tmp_path_factory.mktemp("models") / "people"
    run = make_run(tmp_path_factory.mktemp("run") / "run", stages=(1,), seed=5)
    export_saved_model(PoseTransfer.load(run), place, version=1)
    export_saved_model(model, place, version=2)
    return place


@pytest.fixture(scope="module")
def running(models):
    labels = {"stable": 1, "canary": 2}
    with LoopbackServer({"people": models}, labels=labels) as server:
        yield server


@pytest.fixture
def server(running):
    yield running
    running.faults.clear()
    running.delay, running.asked = 0.0, 0


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Twelve photos of different colours in a folder, three poses in another."""
    place = tmp_path_factory.mktemp("files")
    for name in ("photos", "poses"):
        (place / name).mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        small = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        pixels = cv2.resize(small, (32, 32))
        (place / "photos" / f"p{number}.png").write_bytes(
            image_files.encode_png(pixels)
        )
    for number, pose in enumerate(random_poses(3)):
        openpose.write_json(place / "poses" / f"q{number}_keypoints.json", pose)
    return place


def flags_for(server, protocol, files, out, /, **changes):
    flags = {
        "server": server and getattr(server, protocol),
        "model": "people",
        "image": files / "photos" / "p0.png",
        "pose": files / "poses" / "q1_keypoints.json",
        "out": out,
        **changes,
    }
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def ask(capsys, *flags):
    result = run_command(capsys, "pg2_tf.client", *flags)
    assert result.status == 0, result
    return result


def refused(capsys, *flags):
    return command_error(capsys, "pg2_tf.client", *flags)


def assert_made(path, photo, pose, model, name="refined"):
    expected = model(image_files.read(photo)[None], pose[None])[name][0].astype(int)
    assert np.abs(image_files.read(path) - expected).max() <= 1


# === Answers ===


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_photo_gives_the_image_of_the_model(
    server, files, model, tmp_path, capsys, protocol
):
    out = tmp_path / "out.png"
    ask(capsys, *flags_for(server, protocol, files, out))
    assert_made(out, files / "photos" / "p0.png", random_poses(3)[1], model)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_concurrent_answers_belong_to_their_photos(
    server, files, model, tmp_path, capsys, protocol
):
    out = tmp_path / "out"
    changes = {"image": files / "photos", "pose": files / "poses", "concurrency": 8}
    ask(capsys, *flags_for(server, protocol, files, out, **changes))
    assert len(list(out.iterdir())) == server.asked == 36
    for number in range(12):
        for which, pose in enumerate(random_poses(3)):
            photo = files / "photos" / f"p{number}.png"
            assert_made(out / f"p{number}_q{which}.png", photo, pose, model)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_version_and_label_choose_the_model(server, files, tmp_path, capsys, protocol):
    made = {}
    for flag in ("version=1", "label=stable", "version=2", "label=canary"):
        out = tmp_path / f"{flag}.png"
        ask(capsys, *flags_for(server, protocol, files, out), f"--{flag}")
        made[flag] = out.read_bytes()
    assert made["version=1"] == made["label=stable"]
    assert made["version=2"] == made["label=canary"]
    assert made["version=1"] != made["version=2"]
    both = ["--version=1", "--label=stable"]
    flags = flags_for(server, protocol, files, tmp_path / "no.png")
    assert "--version and --label" in refused(capsys, *flags, *both)


def test_a_photo_of_another_size_is_resized_before_it_is_sent(
    server, files, model, tmp_path, capsys
):
    photo = cv2.resize(image_files.read(files / "photos" / "p3.png"), (6000, 6000))
    (tmp_path / "large.jpg").write_bytes(image_files.encode_jpeg(photo))
    out = tmp_path / "out.png"
    changes = {"image": tmp_path / "large.jpg"}
    ask(capsys, *flags_for(server, "grpc", files, out, **changes))
    small = image_files.resize(image_files.read(tmp_path / "large.jpg"), (32, 32))
    expected = model(small[None], random_poses(3)[1:2])["refined"][0].astype(int)
    assert np.abs(image_files.read(out) - expected).max() <= 1


# === Attempts ===


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_overloaded_server_is_asked_again(
    server, files, model, tmp_path, capsys, protocol
):
    server.faults.extend(["UNAVAILABLE", "UNAVAILABLE"])
    out = tmp_path / "out.png"
    ask(capsys, *flags_for(server, protocol, files, out))
    assert server.asked == 3
    assert_made(out, files / "photos" / "p0.png", random_poses(3)[1], model)
    server.faults.extend(["UNAVAILABLE"] * 2)
    error = refused(capsys, *flags_for(server, protocol, files, out, retries=1))
    assert "told to answer UNAVAILABLE" in error
    assert server.asked == 5


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "INTERNAL", "PERMISSION_DENIED"])
def test_other_errors_are_not_retried(server, files, tmp_path, capsys, protocol, code):
    server.faults.append(code)
    out = tmp_path / "out.png"
    error = refused(capsys, *flags_for(server, protocol, files, out))
    assert f"told to answer {code}" in error
    assert getattr(server, protocol) in error
    assert server.asked == 1
    assert not out.exists()


def test_too_many_requests_is_retried_over_http_only(server, files, tmp_path, capsys):
    # In gRPC the code also means that a message is too large, which is permanent.
    server.faults.append("RESOURCE_EXHAUSTED")
    ask(capsys, *flags_for(server, "rest", files, tmp_path / "out.png"))
    assert server.asked == 2
    server.faults.append("RESOURCE_EXHAUSTED")
    flags = flags_for(server, "grpc", files, tmp_path / "no.png")
    assert "RESOURCE_EXHAUSTED" in refused(capsys, *flags)
    assert server.asked == 3


def test_a_request_that_is_too_large_for_the_server(models, files, tmp_path, capsys):
    with LoopbackServer({"people": models}, largest=1000) as small:
        flags = flags_for(small, "grpc", files, tmp_path / "out.png")
        error = refused(capsys, *flags)
    assert "RESOURCE_EXHAUSTED" in error
    assert "larger than max" in error


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_slow_answer_reaches_the_timeout(server, files, tmp_path, capsys, protocol):
    server.delay = 1.5
    flags = flags_for(server, protocol, files, tmp_path / "out.png", timeout=0.4)
    assert "no answer within 0.4 s" in refused(capsys, *flags)
    assert server.asked == 1


@pytest.mark.parametrize("address", ["localhost:{}", "http://localhost:{}"])
def test_a_refused_connection_is_one_line(files, tmp_path, capsys, address):
    # Nothing listens on port 1.
    changes = {"server": address.format(1), "retries": 1}
    flags = flags_for(None, None, files, tmp_path / "out.png", **changes)
    error = refused(capsys, *flags)
    assert changes["server"] in error
    assert "refused" in error


# === Refusals ===


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_broken_photo_does_not_stop_the_others(
    server, files, model, tmp_path, capsys, protocol
):
    (tmp_path / "text.jpg").write_text("photo")
    photos = f"{files / 'photos' / 'p0.png'},{tmp_path / 'text.jpg'}"
    photos += f",{files / 'photos' / 'p1.png'}"
    out = tmp_path / "out"
    error = refused(capsys, *flags_for(server, protocol, files, out, image=photos))
    assert "1 of 3 failed; " in error
    assert "text.jpg: cannot be decoded as an image" in error
    assert sorted(path.name for path in out.iterdir()) == ["p0.png", "p1.png"]
    for name in ("p0", "p1"):
        photo = files / "photos" / f"{name}.png"
        assert_made(out / f"{name}.png", photo, random_poses(3)[1], model)


def test_a_failing_server_gets_no_further_requests(server, files, tmp_path, capsys):
    server.faults.extend(["INTERNAL"] * 12)
    changes = {"image": files / "photos", "concurrency": 1}
    flags = flags_for(server, "grpc", files, tmp_path / "out", **changes)
    assert "told to answer INTERNAL" in refused(capsys, *flags)
    assert server.asked < 12


class Doubling(tf.Module):
    """A model of another project."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, "image")])
    def double(self, image):
        return {"doubled": 2 * image}


def test_a_model_of_another_project_is_refused(files, tmp_path, capsys):
    module = Doubling()
    place = str(tmp_path / "models" / "1")
    tf.saved_model.save(module, place, signatures={"serving_default": module.double})
    with LoopbackServer({"people": tmp_path / "models"}) as other:
        for protocol in PROTOCOLS:
            flags = flags_for(other, protocol, files, tmp_path / "out.png")
            error = refused(capsys, *flags)
            assert "people was not exported by pg2_tf.export" in error


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_missing_model_or_label(server, files, tmp_path, capsys, protocol):
    flags = flags_for(server, protocol, files, tmp_path / "out.png", model="nobody")
    assert "Servable not found" in refused(capsys, *flags)
    flags = flags_for(server, protocol, files, tmp_path / "out.png", label="new")
    assert "Unrecognized servable version label: new" in refused(capsys, *flags)


def test_equal_output_names_are_refused_before_any_request(
    server, files, tmp_path, capsys
):
    (tmp_path / "p0.png").write_bytes((files / "photos" / "p1.png").read_bytes())
    photos = f"{files / 'photos' / 'p0.png'},{tmp_path / 'p0.png'}"
    flags = flags_for(server, "grpc", files, tmp_path / "out", image=photos)
    assert "rename one" in refused(capsys, *flags)
    flags = flags_for(server, "grpc", files, tmp_path / "out.png", image=photos)
    assert "a file cannot hold several images" in refused(capsys, *flags)
    assert server.asked == 0


def test_unusable_flags_are_one_line(server, files, tmp_path, capsys):
    for changes, message in (
        ({"server": "localhost"}, "expected HOST:PORT"),
        ({"server": "ftp://localhost:1"}, "expected HOST:PORT"),
        ({"server": None}, "--server is needed"),
        ({"model": None}, "--model is needed"),
        ({"image": None}, "--image is needed"),
        ({"pose": None}, "--pose is needed"),
        ({"out": None}, "--out is needed"),
        ({"image": tmp_path}, "no image found in this folder"),
        ({"ca": tmp_path / "none.pem"}, "none.pem: no such file"),
        ({"cert": tmp_path / "none.pem"}, "--cert and --key"),
        ({"token_file": tmp_path / "none"}, "none: cannot be read"),
        ({"server": "http://localhost:1", "tls": True}, "use https://"),
    ):
        flags = flags_for(server, "grpc", files, tmp_path / "out", **changes)
        assert message in refused(capsys, *flags)


def test_a_missing_package_is_named(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pg2_tf.serving.grpc_model", None)
    flags = flags_for(None, "grpc", files, tmp_path / "out", server="localhost:1")
    assert "pip install 'pg2-tf[serving]'" in refused(capsys, *flags)


# === Certificates and tokens ===


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority, and files: its certificate, the client's certificate and key."""
    ca, place = trustme.CA(), tmp_path_factory.mktemp("keys")
    client = ca.issue_cert("client@localhost")
    ca.cert_pem.write_to_path(place / "ca.pem")
    trustme.CA().cert_pem.write_to_path(place / "other.pem")
    client.cert_chain_pems[0].write_to_path(place / "client.pem")
    client.private_key_pem.write_to_path(place / "client.key")
    return ca, place


@pytest.fixture(scope="module")
def guarded(models, authority):
    """A server with TLS that requires a client certificate and a token."""
    ca, _ = authority
    with LoopbackServer(
        {"people": models},
        certificate=ca.issue_cert("localhost"),
        client_ca=ca,
        token="a-secret",
    ) as server:
        yield server


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_certificates_and_token_are_accepted(
    guarded, authority, files, model, tmp_path, capsys, monkeypatch, protocol
):
    keys, out = authority[1], tmp_path / "out.png"
    (tmp_path / "token").write_text("a-secret\n")
    (tmp_path / "wrong").write_text("another")
    good = {
        "ca": keys / "ca.pem",
        "cert": keys / "client.pem",
        "key": keys / "client.key",
        "token_file": tmp_path / "token",
        "retries": 0,
        "timeout": 10,
    }
    for changes, message in (
        ({"ca": keys / "other.pem"}, ": "),
        ({"cert": None, "key": None}, ": "),
        ({"token_file": None}, "a token is needed"),
        ({"token_file": tmp_path / "wrong"}, "a token is needed"),
    ):
        flags = flags_for(guarded, protocol, files, out, **{**good, **changes})
        error = refused(capsys, *flags)
        assert message in error
        assert getattr(guarded, protocol) in error
        assert "a-secret" not in error
        assert not out.exists()
    monkeypatch.setenv("PG2_TOKEN", "a-secret")
    good["token_file"] = None
    ask(capsys, *flags_for(guarded, protocol, files, out, **good))
    assert_made(out, files / "photos" / "p0.png", random_poses(3)[1], model)


def test_unusable_certificate_files_are_named(authority, files, tmp_path, capsys):
    keys = authority[1]
    (tmp_path / "text.pem").write_text("certificate")
    for changes in (
        {"ca": tmp_path / "text.pem"},
        {"cert": tmp_path / "text.pem", "key": keys / "client.key"},
        {"cert": keys / "client.pem", "key": tmp_path / "text.pem"},
    ):
        changes["server"] = "example.org:8500"
        flags = flags_for(None, None, files, tmp_path / "out.png", **changes)
        error = refused(capsys, *flags)
        assert "text.pem" in error
        assert "unusable PEM file or key" in error


@pytest.mark.parametrize("address", ["example.org:8500", "http://example.org:8501"])
def test_a_token_is_never_sent_unencrypted(files, tmp_path, capsys, address):
    (tmp_path / "token").write_text("a-secret")
    changes = {"server": address, "token_file": tmp_path / "token"}
    flags = flags_for(None, None, files, tmp_path / "out.png", **changes)
    error = refused(capsys, *flags)
    assert "a token needs an encrypted connection" in error
    assert "a-secret" not in error
