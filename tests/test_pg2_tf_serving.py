"""The exported SavedModel: inputs and outputs of its three signatures."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import make_run, random_poses, run_script

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.serving import saved_model
from pg2_tf.serving.saved_model import export_saved_model, next_version
from preprocessing.images import image_files
from preprocessing.images.heatmaps import draw_heatmaps


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return PoseTransfer.load(make_run(tmp_path_factory.mktemp("run") / "run"))


@pytest.fixture(scope="module")
def place(model, tmp_path_factory):
    return export_saved_model(model, tmp_path_factory.mktemp("out"), version=3)


@pytest.fixture(scope="module")
def signatures(place):
    # Held: signatures do not keep the variables alive.
    loaded = tf.saved_model.load(str(place))
    yield loaded.signatures
    del loaded


def photos(count):
    rng = np.random.default_rng(count)
    small = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.stack([cv2.resize(image, (32, 32)) for image in small])


def assert_same_pixels(one, other):
    difference = np.abs(np.array(one).astype(int) - np.array(other))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_version_is_a_folder_and_nothing_else_is_left(place):
    assert place.name == "3"
    assert [path.name for path in place.parent.iterdir()] == ["3"]
    assert (place / "saved_model.pb").exists()


_OTHER_TENSORFLOW = """
import sys
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
given = np.load(sys.argv[2], allow_pickle=True)
made = {}
for name in ("serving_default", "encoded", "raw"):
    inputs = {k.split("/")[1]: given[k] for k in given if k.startswith(name + "/")}
    inputs = {k: tf.constant(v.tolist() if v.dtype == object else v)
              for k, v in inputs.items()}
    for key, value in loaded.signatures[name](**inputs).items():
        made[name + "/" + key] = value.numpy()
np.savez(sys.argv[3], **made)
print(tf.__version__)
"""


@pytest.mark.skipif(
    not os.environ.get("PG2_OTHER_TENSORFLOW"),
    reason="PG2_OTHER_TENSORFLOW names no Python of another TensorFlow",
)
def test_another_tensorflow_gives_the_same_images(place, tmp_path):
    """TensorFlow Serving is built on an older TensorFlow than the one that exports.

    PG2_OTHER_TENSORFLOW holds the Python executables of environments with other
    TensorFlow versions, separated by colons.
    """
    poses, pixels = random_poses(2), photos(2)
    content = np.array([image_files.encode_png(image) for image in pixels], object)
    heatmaps = np.stack([draw_heatmaps(pose, size=(32, 32)) for pose in poses])
    np.savez(
        tmp_path / "in.npz",
        **{
            "serving_default/image": pixels,
            "serving_default/keypoints": poses,
            "encoded/image_bytes": content,
            "encoded/keypoints": poses,
            "raw/image": pixels.astype(np.float32) / 127.5 - 1,
            "raw/heatmaps": heatmaps.astype(np.float32) * 2 - 1,
        },
    )

    def run(python):
        out = tmp_path / "out.npz"
        command = [python, "-c", _OTHER_TENSORFLOW, place, tmp_path / "in.npz", out]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        with np.load(out, allow_pickle=True) as made:
            return done.stdout.strip(), dict(made)

    own, expected = run(sys.executable)
    for python in os.environ["PG2_OTHER_TENSORFLOW"].split(":"):
        version, made = run(python)
        assert version != own
        assert set(made) == set(expected)
        for name, value in made.items():
            if name == "encoded/refined_png":
                assert value.tolist() == expected[name].tolist()
            else:
                np.testing.assert_allclose(value, expected[name], atol=1e-5)


def test_next_version_is_one_more_than_the_largest(tmp_path):
    assert next_version(tmp_path / "none") == 1
    for name in ("2", "10", ".11.77.tmp", "notes"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 11


def test_a_version_is_replaced_in_one_step(model, tmp_path, monkeypatch):
    export_saved_model(model, tmp_path, version=1)
    (tmp_path / "1" / "mark").touch()
    seen = []

    def replace(old, new, rename=os.replace):
        names = [path for path in tmp_path.iterdir() if path.name == "1"]
        seen.extend((path / "saved_model.pb").exists() for path in names)
        rename(old, new)

    monkeypatch.setattr(saved_model.os, "replace", replace)
    export_saved_model(model, tmp_path, version=1)
    assert seen
    assert all(seen)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert not (tmp_path / "1" / "mark").exists()


def test_signatures_have_the_promised_names_types_and_shapes(signatures):
    keypoints = ("float32", [None, 18, 3])
    pixels, values = ("uint8", [None, 32, 32, 3]), ("float32", [None, 32, 32, 3])
    expected = {
        "serving_default": (
            {"image": pixels, "keypoints": keypoints},
            {"refined": pixels, "coarse": pixels},
        ),
        "encoded": (
            {"image_bytes": ("string", [None]), "keypoints": keypoints},
            {"refined_png": ("string", [None])},
        ),
        "raw": (
            {"image": values, "heatmaps": ("float32", [None, 32, 32, 18])},
            {"coarse": values, "difference": values, "refined": values},
        ),
    }

    def described(specs):
        return {k: (v.dtype.name, v.shape.as_list()) for k, v in specs.items()}

    assert set(signatures) == set(expected)
    for name, (inputs, outputs) in expected.items():
        _, keywords = signatures[name].structured_input_signature
        assert described(keywords) == inputs
        assert described(signatures[name].structured_outputs) == outputs


@pytest.mark.parametrize("count", [1, 3])
def test_default_signature_equals_the_model_in_python(signatures, model, count):
    images, poses = photos(count), random_poses(count)
    served = signatures["serving_default"](
        image=tf.constant(images), keypoints=tf.constant(poses)
    )
    for name, expected in model(images, poses).items():
        assert served[name].shape == (count, 32, 32, 3)
        assert_same_pixels(served[name], expected)
    assert not np.array_equal(served["refined"], served["coarse"])


def test_raw_and_default_signature_agree(signatures):
    images, poses = photos(3), random_poses(3)
    drawn = np.stack([draw_heatmaps(pose, size=(32, 32)) for pose in poses])
    raw = signatures["raw"](
        image=tf.constant(images / 127.5 - 1, tf.float32),
        heatmaps=tf.constant(drawn * 2.0 - 1, tf.float32),
    )
    served = signatures["serving_default"](
        image=tf.constant(images), keypoints=tf.constant(poses)
    )
    for name in ("coarse", "refined"):
        pixels = np.clip((np.array(raw[name]) + 1) * 127.5, 0, 255).round()
        assert_same_pixels(served[name], pixels)
    summed = raw["coarse"] + raw["difference"]
    np.testing.assert_allclose(raw["refined"], summed, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_encoded_signature_takes_png_and_jpeg(signatures, count):
    images, poses = photos(count), random_poses(count)
    jpeg = tf.stack([tf.io.encode_jpeg(image, quality=95) for image in images])
    png = tf.constant([image_files.encode_png(image) for image in images])
    by_jpeg = np.stack(
        [image_files.decode(content, name="") for content in jpeg.numpy()]
    )
    for content, pixels in ((png, images), (jpeg, by_jpeg)):
        served = signatures["encoded"](
            image_bytes=content, keypoints=tf.constant(poses)
        )["refined_png"].numpy()
        expected = signatures["serving_default"](
            image=tf.constant(pixels), keypoints=tf.constant(poses)
        )["refined"]
        decoded = [image_files.decode(one, name="") for one in served]
        assert_same_pixels(np.stack(decoded), expected)
        assert all(one.startswith(b"\x89PNG") for one in served)


def test_grey_png_is_converted_to_colour(signatures):
    grey = photos(1)[0, ..., :1]
    one = tf.constant([tf.io.encode_png(grey).numpy()])
    other = tf.constant([image_files.encode_png(np.repeat(grey, 3, axis=-1))])
    poses = tf.constant(random_poses(1))
    first, second = (
        signatures["encoded"](image_bytes=content, keypoints=poses)["refined_png"]
        for content in (one, other)
    )
    assert first[0] == second[0]


def test_version_that_cannot_be_replaced_stays(model, tmp_path, monkeypatch):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "old").touch()

    def replace(old, new, rename=os.replace):
        if str(old).endswith(".tmp"):
            raise OSError(13, "Permission denied")
        rename(old, new)

    monkeypatch.setattr(saved_model.os, "replace", replace)
    with pytest.raises(OSError, match="Permission denied"):
        export_saved_model(model, tmp_path, version=1)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "old").exists()


_WITHOUT_KERAS = """
import sys
for name in ("keras", "tf_keras", "pg2_tf", "preprocessing"):
    sys.modules[name] = None
import numpy as np, tensorflow as tf
data = np.load(sys.argv[2])
loaded = tf.saved_model.load(sys.argv[1])
inputs = dict(keypoints=tf.constant(data["poses"]))
out = loaded.signatures["serving_default"](image=tf.constant(data["images"]), **inputs)
png = [tf.io.encode_png(image).numpy() for image in data["images"]]
served = loaded.signatures["encoded"](image_bytes=tf.constant(png), **inputs)
decoded = [tf.io.decode_png(one).numpy() for one in served["refined_png"]]
assert not any(name.startswith(("keras.", "pg2_tf.")) for name in sys.modules)
images = {name: image.numpy() for name, image in out.items()}
np.savez(sys.argv[3], encoded=np.stack(decoded), **images)
"""


def test_export_runs_without_keras_and_this_project(place, model, tmp_path):
    images, poses = photos(2), random_poses(2)
    np.savez(tmp_path / "in.npz", images=images, poses=poses)
    run_script(_WITHOUT_KERAS, place, tmp_path / "in.npz", tmp_path / "out.npz")
    served, expected = np.load(tmp_path / "out.npz"), model(images, poses)
    for name, pixels in expected.items():
        assert_same_pixels(served[name], pixels)
    assert_same_pixels(served["encoded"], expected["refined"])


def test_failure_leaves_neither_a_version_nor_a_temporary_folder(
    model, tmp_path, monkeypatch
):
    def fail(served, path, **options):
        Path(path).mkdir(parents=True)
        (Path(path) / "saved_model.pb").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    out = tmp_path / "out"
    (out / "1").mkdir(parents=True)
    (out / "1" / "old").touch()
    monkeypatch.setattr(saved_model.tf.saved_model, "save", fail)
    for version in (1, 2):
        with pytest.raises(OSError, match="No space left"):
            export_saved_model(model, out, version=version)
    assert [path.name for path in out.iterdir()] == ["1"]
    assert (out / "1" / "old").exists()
