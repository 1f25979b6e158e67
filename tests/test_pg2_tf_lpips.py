"""LPIPS against its definition, computed step by step in NumPy."""

import numpy as np
import pytest
from pg2_tf_metrics_helpers import CONVOLUTIONS, alexnet_weights, linear_weights

from pg2_tf.evaluation.metrics.lpips import Lpips
from preprocessing.system import files
from preprocessing.system.errors import InputError

ALEXNET, LINEAR = alexnet_weights(), linear_weights()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """The weights as files: AlexNet's and the linear ones."""
    place = tmp_path_factory.mktemp("lpips")
    alexnet, linear = place / "alexnet.npz", place / "alex.npz"
    np.savez(alexnet, **ALEXNET, **{"classifier.1.bias": np.ones(9)})
    np.savez(linear, **LINEAR)
    return alexnet, linear


@pytest.fixture(scope="module")
def lpips(paths):
    return Lpips.load(*paths)


def random_images(count, size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)


def windows(features, side, stride):
    """Returns [C, rows, columns, side, side] of features [C, H, W]."""
    view = np.lib.stride_tricks.sliding_window_view(features, (side, side), (1, 2))
    return view[:, ::stride, ::stride]


def features_by_hand(image):
    """Yields the features after each ReLU, brought to length 1, float64 [C, H, W]."""
    mean, deviation = [-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]
    x = ((image / 127.5 - 1 - mean) / deviation).transpose(2, 0, 1)
    for number, ((_, _, side), stride, padding, pooled) in CONVOLUTIONS.items():
        if pooled:
            x = windows(x, 3, 2).max(axis=(3, 4))
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        kernel = ALEXNET[f"features.{number}.weight"].astype(float)
        bias = ALEXNET[f"features.{number}.bias"].astype(float)
        seen = np.tensordot(kernel, windows(x, side, stride), ((1, 2, 3), (0, 3, 4)))
        x = np.maximum(seen + bias[:, None, None], 0)
        yield x / (np.sqrt(np.square(x).sum(axis=0)) + 1e-10)


def by_hand(image, target):
    pairs = zip(features_by_hand(image), features_by_hand(target), strict=True)
    return sum(
        np.tensordot(weight[0, :, 0, 0], np.square(a - b), 1).mean()
        for weight, (a, b) in zip(LINEAR.values(), pairs, strict=True)
    )


@pytest.mark.parametrize("size", [(64, 40), (31, 31), (33, 47)])
def test_distance_is_the_published_definition(lpips, size):
    images, targets = random_images(2, size), random_images(2, size, seed=1)
    found = lpips(images, targets)
    assert (found.dtype, found.shape) == (np.float64, (2,))
    expected = [by_hand(a, b) for a, b in zip(images, targets, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_equal_images_are_no_distance_apart_and_order_does_not_matter(lpips):
    images, targets = random_images(3, (40, 32)), random_images(3, (40, 32), seed=1)
    np.testing.assert_array_equal(lpips(images, images), 0)
    forth, back = lpips(images, targets), lpips(targets, images)
    np.testing.assert_allclose(forth, back, rtol=1e-6)
    assert (forth > 0).all()


def test_more_images_than_fit_at_once_keep_their_order(lpips):
    images, targets = random_images(19, (32, 32)), random_images(19, (32, 32), seed=1)
    found = lpips(images, targets)
    assert len(set(found)) == 19
    for index in (0, 15, 16, 18):
        alone = lpips(images[index : index + 1], targets[index : index + 1])
        np.testing.assert_allclose(found[index], alone[0], rtol=1e-5)


def test_checksums_are_those_of_the_files(lpips, paths):
    expected = dict(zip(("alexnet", "linear"), map(files.sha256, paths), strict=True))
    assert lpips.checksums == expected


def load_error(*paths):
    with pytest.raises(InputError) as error:
        Lpips.load(*paths)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_files_that_are_not_these_weights_are_refused(paths, tmp_path):
    alexnet, linear = paths
    line = load_error(linear, alexnet)
    assert line == f"{linear}: has no array features.0.weight"
    other = {**LINEAR, "lin2.model.1.weight": np.ones((1, 512, 1, 1), np.float32)}
    path = tmp_path / "vgg.npz"
    np.savez(path, **other)
    line = load_error(alexnet, path)
    assert line.startswith(f"{path}: its lin2.model.1.weight is [1, 512, 1, 1], needed")
    assert line.endswith("[1, 384, 1, 1]")
    path.write_bytes(path.read_bytes()[:50])
    assert load_error(alexnet, path).startswith(
        f"{path}: not a readable .npz of arrays"
    )
    np.savez(path, a=np.array([print], dtype=object))
    assert load_error(alexnet, path).startswith(
        f"{path}: not a readable .npz of arrays"
    )


def test_file_of_pytorch_is_refused_with_its_conversion(paths, tmp_path):
    """The line's command gives the arrays that a dictionary of tensors holds."""

    class Tensor:
        def __init__(self, array):
            self.array = array

        def numpy(self):
            return self.array

    class Torch:
        @staticmethod
        def load(path, **options):
            assert options == {"map_location": "cpu", "weights_only": True}
            return {name: Tensor(array) for name, array in LINEAR.items()}

    path = tmp_path / "alex.pth"
    path.write_bytes(b"a pickle")
    line = load_error(paths[0], path)
    assert line.startswith(f"{path}: convert it to .npz, with PyTorch: numpy.savez(")
    conversion = line.split("PyTorch: ")[1].replace("FILE", str(tmp_path / "alex"))
    eval(conversion, {"numpy": np, "torch": Torch})
    again = Lpips.load(paths[0], tmp_path / "alex.npz")
    images = random_images(2, (32, 32))
    assert (again(images, images[::-1]) > 0).all()


@pytest.mark.parametrize(
    ("images", "targets", "reason"),
    [
        (np.zeros((2, 32, 32, 3)), np.zeros((2, 32, 40, 3)), "differ"),
        (np.zeros((2, 32, 32)), np.zeros((2, 32, 32)), "needed uint8"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(lpips, images, targets, reason):
    with pytest.raises(ValueError, match=reason):
        lpips(images.astype(np.uint8), targets.astype(np.uint8))
    with pytest.raises(ValueError, match="needed uint8"):
        lpips(images, targets)


def test_images_of_which_nothing_would_be_left_are_refused(lpips):
    small = random_images(1, (64, 30))
    with pytest.raises(InputError, match="images of 64x30; LPIPS needs at least 31x31"):
        lpips(small, small)
