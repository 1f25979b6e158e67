"""Input checks of the signatures, and resizing in the signature `encoded`."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import make_run, random_poses

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.serving import graph_inputs
from pg2_tf.serving.saved_model import export_saved_model
from preprocessing.images import framing, image_files


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return PoseTransfer.load(make_run(tmp_path_factory.mktemp("run") / "run"))


@pytest.fixture(scope="module")
def place(model, tmp_path_factory):
    return export_saved_model(model, tmp_path_factory.mktemp("out"), version=1)


@pytest.fixture(scope="module")
def loaded(model, place):
    return model, tf.saved_model.load(str(place))


def photo(height, width, *, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


def pose_in(height, width):
    return random_poses(1, size=(height, width), seed=3)[0]


# === Shapes ===


@pytest.mark.parametrize(
    ("image", "keypoints", "message"),
    [
        ((2, 32, 32, 3), (2, 17, 3), r"keypoints: shape \[2 17 3\], needed \[B, 18, 3"),
        ((2, 32, 32, 3), (2, 18, 2), r"keypoints: shape \[2 18 2\], needed"),
        ((2, 32, 32, 3), (18, 3), r"keypoints: shape \[18 3\], needed"),
        ((2, 32, 32, 3), (3, 18, 3), "image: batch size 2, keypoints: batch size 3"),
        ((1, 32, 32, 3), (2, 18, 3), "image: batch size 1, keypoints: batch size 2"),
        ((0, 32, 32, 3), (0, 18, 3), "image: batch size 0, .* at least 1"),
        ((2, 64, 32, 3), (2, 18, 3), r"image: shape \[2 64 32 3\], needed \[B, 32, 32"),
        ((2, 32, 32, 1), (2, 18, 3), r"image: shape \[2 32 32 1\], needed"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_inside_the_graph(
    loaded, image, keypoints, message
):
    signature = loaded[1].signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signature(
            image=tf.zeros(image, tf.uint8), keypoints=tf.zeros(keypoints, tf.float32)
        )


def test_raw_and_encoded_refuse_other_shapes_too(loaded):
    raw, encoded = (loaded[1].signatures[name] for name in ("raw", "encoded"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="heatmaps: shape"):
        raw(image=tf.zeros((1, 32, 32, 3)), heatmaps=tf.zeros((1, 32, 32, 17)))
    content = tf.constant([image_files.encode_png(photo(32, 32))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="keypoints: batch size 2"):
        encoded(image_bytes=content, keypoints=tf.zeros((2, 18, 3)))


def test_session_and_eager_functions_agree(loaded, place):
    # TensorFlow Serving feeds a session by the names of the signature's tensors.
    content = np.array([image_files.encode_png(photo(40, 32))] * 2, object)
    poses = random_poses(2)
    eager = (
        loaded[1]
        .signatures["encoded"](
            image_bytes=tf.constant(content), keypoints=tf.constant(poses)
        )["refined_png"]
        .numpy()
    )
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(place))
        signature = graph.signature_def["encoded"]
        fed = [signature.inputs[name].name for name in ("image_bytes", "keypoints")]
        made = signature.outputs["refined_png"].name
        answer = session.run(made, dict(zip(fed, (content, poses), strict=True)))
        for one, other in zip(answer, eager, strict=True):
            pixels = [
                image_files.decode(png, name="").astype(int) for png in (one, other)
            ]
            assert np.abs(pixels[0] - pixels[1]).max() <= 1
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="keypoints: batch size 1"
        ):
            session.run(made, dict(zip(fed, (content, poses[:1]), strict=True)))


# === Values ===


def raw_inputs(image=(-1.0, 1.0), heatmaps=(-1.0, 1.0)):
    """Inputs of the signature `raw`, each half of one value and half of another."""
    made = {}
    for name, channels, (low, high) in (
        ("image", 3, image),
        ("heatmaps", 18, heatmaps),
    ):
        values = np.full((1, 32, 32, channels), low, np.float32)
        values[:, :16] = high
        made[name] = tf.constant(values)
    return made


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image": (0.0, 1.0)}, r"image: values from \[0 1\], .*looks like \[0, 1\]"),
        ({"image": (0.0, 255.0)}, r"image: values from \[0 255\], needed .*\[-1, 1\]"),
        ({"image": (-1.0, np.nan)}, r"image: .*needed values in \[-1, 1\]"),
        ({"heatmaps": (0.0, 1.0)}, r"heatmaps: values from \[0 1\], .*\[0, 1\]"),
    ],
)
def test_raw_refuses_other_ranges(loaded, changed, message):
    raw = loaded[1].signatures["raw"]
    assert raw(**raw_inputs())["refined"].shape == (1, 32, 32, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        raw(**raw_inputs(**changed))


def test_keypoints_as_fractions_are_refused(loaded):
    poses = random_poses(2)
    fractions = poses / np.float32([32, 32, 1])
    one = np.zeros((2, 18, 3), np.float32)
    one[:, 0] = (0.5, 0.5, 1)
    signatures = loaded[1].signatures
    inputs = {
        "serving_default": {"image": tf.zeros((2, 32, 32, 3), tf.uint8)},
        "encoded": {
            "image_bytes": tf.constant([image_files.encode_png(photo(32, 32))] * 2)
        },
    }
    for name, image in inputs.items():
        run = signatures[name]
        for accepted in (poses, one):  # One keypoint in the corner may be right.
            run(**image, keypoints=tf.constant(accepted))
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"looks like fractions .*pixels"
        ):
            run(**image, keypoints=tf.constant(fractions))


# === Sizes ===


@pytest.mark.parametrize(
    "size", [(32, 32), (64, 64), (100, 37), (31, 90), (16, 8), (20, 20), (1, 50)]
)
def test_images_of_any_size_are_fitted_as_for_training(size):
    image, pose = photo(*size), pose_in(*size)
    content = tf.constant([image_files.encode_png(image)])
    for wanted in ((32, 32), (64, 32)):
        made, moved = graph_inputs.decode_and_fit(
            content, tf.constant(pose[None]), wanted
        )
        fitted = framing.fit(size, wanted)
        expected = framing.fit_image(image, fitted).astype(int)
        enlarged = wanted[0] > fitted.framed[0]
        # OpenCV's cubic kernel is another one: its overshoot is stronger.
        assert np.abs(made[0].numpy() - expected).max() <= (24 if enlarged else 1)
        assert np.abs(made[0].numpy() - expected).mean() <= (2.5 if enlarged else 0.2)
        found = pose[:, 2] > 0
        np.testing.assert_allclose(
            moved[0].numpy()[found], framing.fit_pose(pose, fitted)[found], atol=1e-4
        )
        assert (moved[0].numpy()[~found, 2] <= 0).all()


def test_a_batch_holds_images_of_many_sizes(loaded):
    model, served = loaded
    sizes = [(32, 32), (80, 80), (50, 120)]
    photos = [photo(*size, seed=seed) for seed, size in enumerate(sizes)]
    poses = np.stack([pose_in(*size) for size in sizes])
    made = served.signatures["encoded"](
        image_bytes=tf.constant([image_files.encode_png(image) for image in photos]),
        keypoints=tf.constant(poses),
    )["refined_png"].numpy()
    for image, pose, size, answer in zip(photos, poses, sizes, made, strict=True):
        fitted = framing.fit(size, (32, 32))
        source, target = (
            framing.fit_image(image, fitted),
            framing.fit_pose(pose, fitted),
        )
        expected = model(source[None], target[None])["refined"][0].astype(int)
        assert np.abs(image_files.decode(answer, name="") - expected).mean() < 1


# === Files ===


def declared_png(height, width):
    """A PNG file that declares a size, and ends after that."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    length, checksum = struct.pack(">I", 13), struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + length + chunk + checksum


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a JPEG or PNG file"),
        (b"no image", "not a JPEG or PNG file"),
        (b"GIF89a" + bytes(64), "not a JPEG or PNG file"),
        (image_files.encode_jpeg(photo(40, 40))[:60], "JPEG"),
        (image_files.encode_png(photo(40, 40))[:60], "PNG"),
        (declared_png(5001, 5000), "more than 25,000,000 pixels"),
        (declared_png(2**31 - 1, 2**31 - 1), "more than 25,000,000 pixels"),
        # Too large when padded to the model's proportions.
        (declared_png(1, 6000), "more than 25,000,000 pixels"),
        (declared_png(0, 40), "pixels"),
    ],
)
def test_files_that_are_not_images_or_too_large_are_refused(loaded, content, message):
    good = image_files.encode_png(photo(32, 32))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded[1].signatures["encoded"](
            image_bytes=tf.constant([good, content]),
            keypoints=tf.constant(random_poses(2)),
        )
