"""The network of 2015, and the scores that are computed from what it sees."""

import numpy as np
import pytest
from pg2_tf_metrics_helpers import CLASSES, FEATURES, SIDE, arrays, frozen_graph
from scipy.linalg import sqrtm

from pg2_tf.evaluation.metrics.distributions import (
    KID_SUBSET_SIZE,
    Statistics,
    frechet_distance,
    inception_score,
    kernel_distance,
)
from pg2_tf.evaluation.metrics.inception import Inception
from preprocessing.system import files
from preprocessing.system.errors import InputError


@pytest.fixture(scope="module")
def graph_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "graph.pb"
    path.write_bytes(frozen_graph())
    return path


@pytest.fixture(scope="module")
def inception(graph_path):
    return Inception.load(graph_path)


def random_images(count, size=(20, 12), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)


def resized_as_then(image, side):
    """TensorFlow's bilinear resizing of 2015: corner pixels are not centred."""
    ends = []
    for axis, length in enumerate(image.shape[:2]):
        place = np.arange(side) * (length / side)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, length - 1)
        share = (place - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        ends.append((low, high, share))
    (top, bottom, down), (left, right, across) = ends
    upper = image[top][:, left] * (1 - across) + image[top][:, right] * across
    lower = image[bottom][:, left] * (1 - across) + image[bottom][:, right] * across
    return upper * (1 - down) + lower * down


def by_hand(image):
    """Returns features and probabilities of the small graph, without its bias."""
    weights = {name: array.astype(float) for name, array in arrays().items()}
    scaled = (resized_as_then(image.astype(float), SIDE) - 128) / 128
    windows = np.lib.stride_tricks.sliding_window_view(scaled, (3, 3), (0, 1))
    seen = np.einsum("hwcij,ijcf->hwf", windows[::2, ::2], weights["conv/weights"])
    factor = weights["gamma"] / np.sqrt(weights["variance"] + 1e-3)
    normal = (seen - weights["mean"]) * factor + weights["beta"]
    pool = np.maximum(normal, 0).mean(axis=(0, 1))
    powers = np.exp(pool @ weights["softmax/weights"])
    return pool, powers / powers.sum()


@pytest.mark.parametrize("size", [(20, 12), (128, 64)])
def test_images_are_seen_in_their_own_size_resized_inside_and_without_bias(
    inception, size
):
    images = random_images(3, size)
    pool, probabilities = inception.features(images)
    assert (pool.dtype, probabilities.dtype) == (np.float32, np.float64)
    assert (pool.shape, probabilities.shape) == ((3, FEATURES), (3, CLASSES))
    for index, image in enumerate(images):
        expected_pool, expected = by_hand(image)
        np.testing.assert_allclose(pool[index], expected_pool, rtol=1e-4)
        np.testing.assert_allclose(probabilities[index], expected, rtol=1e-3)


def test_what_is_seen_does_not_depend_on_the_other_images(inception):
    images = random_images(70)
    pool, probabilities = inception.features(images)
    for index in (0, 31, 32, 69):
        alone = inception.features(images[index : index + 1])
        np.testing.assert_allclose(pool[index : index + 1], alone[0], rtol=1e-5)
        np.testing.assert_allclose(
            probabilities[index : index + 1], alone[1], rtol=1e-5
        )
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_loading_names_the_file_its_checksum_and_other_sizes(graph_path, capsys):
    loaded = Inception.load(str(graph_path))
    assert loaded.checksum == files.sha256(graph_path)
    printed = capsys.readouterr().out
    assert f"Inception: {graph_path}, SHA-256 {loaded.checksum}" in printed
    assert "16 features and 10 classes instead of 2,048 and 1,008" in printed


def load_error(path):
    with pytest.raises(InputError) as error:
        Inception.load(path)
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    return line


def test_another_network_is_refused_by_what_it_lacks(tmp_path):
    path = tmp_path / "other.pb"
    path.write_bytes(
        frozen_graph(renamed={"pool_3": "AvgPool_1a"}, without=["softmax"])
    )
    assert "has no node pool_3; needed is" in load_error(path)
    path.write_bytes(b"")
    line = load_error(path)
    assert "has no node ExpandDims, pool_3, softmax/logits/MatMul" in line


def test_unusable_files_are_refused(tmp_path):
    assert "no such file" in load_error(tmp_path / "nowhere.pb")
    path = tmp_path / "text.pb"
    path.write_text("<html>not found</html>")
    assert "no frozen TensorFlow graph" in load_error(path)
    path.write_bytes(frozen_graph()[:-200])
    assert "no frozen TensorFlow graph" in load_error(path)
    path.write_bytes(frozen_graph(without=["mean"]))
    assert "not the Inception graph of 2015: " in load_error(path)


def test_weights_that_do_not_fit_the_features_are_refused(tmp_path):
    path = tmp_path / "odd.pb"
    path.write_bytes(frozen_graph(renamed={"pool_3": "p", "relu": "pool_3"}))
    assert "not the Inception graph of 2015: " in load_error(path)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 1), np.uint8),
    ],
)
def test_only_batches_of_colour_images_are_taken(inception, images):
    with pytest.raises(ValueError, match=r"needed uint8 \[B, H, W, 3\]"):
        inception.features(images)


# === Inception score ===


def test_images_that_all_look_like_everything_score_1():
    assert inception_score(np.full((40, 1008), 1 / 1008)) == pytest.approx((1, 0))


@pytest.mark.parametrize("classes", [1, 4, 10])
def test_sure_images_spread_over_k_classes_score_k(classes):
    probabilities = np.eye(1008)[np.arange(200) % classes]
    mean, deviation = inception_score(probabilities, splits=5)
    assert mean == pytest.approx(classes)
    assert deviation == pytest.approx(0, abs=1e-9)


def test_splits_are_neighbours_in_order():
    """The parts of 7 images in 3 splits are 2, 2 and 3; each has its own p(y)."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 7)
    expected = []
    for part in (probabilities[:2], probabilities[2:4], probabilities[4:]):
        marginal = part.mean(axis=0)
        total = np.sum(part * np.log(part / marginal))
        expected.append(np.exp(total / len(part)))
    mean, deviation = inception_score(probabilities, splits=3)
    assert mean == pytest.approx(np.mean(expected), rel=1e-12)
    assert deviation == pytest.approx(np.std(expected), rel=1e-12)


def test_fewer_images_than_splits_have_no_score():
    with pytest.raises(ValueError, match="9 images; 10 splits"):
        inception_score(np.full((9, 10), 0.1))


# === Fréchet distance ===


def statistics(features, batch=1000):
    gathered = Statistics()
    for start in range(0, len(features), batch):
        gathered.update(features[start : start + batch])
    return gathered


def correlated(count, dimensions, *, seed, offset=0.0):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(count, dimensions)) @ rng.normal(size=(dimensions,) * 2)
    return (mixed + offset).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_statistics_are_those_of_all_features_at_once(batch):
    features = correlated(130, 12, seed=0, offset=1000)
    gathered = statistics(features, batch)
    assert gathered.count == 130
    exact = features.astype(np.float64)
    np.testing.assert_allclose(gathered.mean, exact.mean(axis=0), rtol=1e-12)
    expected = np.cov(exact, rowvar=False)
    np.testing.assert_allclose(gathered.covariance, expected, rtol=1e-8, atol=1e-10)


def test_distance_of_gaussians_whose_axes_agree_is_the_closed_form():
    """|m - n|² + the squared differences of the standard deviations."""
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    unit = rng.normal(size=(50, 6))
    unit -= unit.mean(axis=0)
    unit = np.linalg.solve(np.linalg.cholesky(np.cov(unit, rowvar=False)), unit.T).T
    deviations = rng.uniform(0.1, 3, (2, 6))
    means = rng.normal(size=(2, 6))
    first, second = (
        statistics((unit * deviation) @ axes.T + mean)
        for deviation, mean in zip(deviations, means, strict=True)
    )
    expected = np.square(means[0] - means[1]).sum()
    expected += np.square(deviations[0] - deviations[1]).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-10)


def test_distance_is_that_of_the_matrix_root_of_scipy():
    first = statistics(correlated(400, 20, seed=1))
    second = statistics(correlated(300, 20, seed=2, offset=0.5))
    root = sqrtm(first.covariance @ second.covariance)
    expected = np.square(first.mean - second.mean).sum()
    expected += np.trace(first.covariance + second.covariance - 2 * root.real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-8)


def test_fewer_images_than_features_have_a_distance_too():
    few = statistics(correlated(5, 40, seed=3))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-8)
    moved = statistics(correlated(5, 40, seed=3).astype(np.float64) + 2)
    assert frechet_distance(few, moved) == pytest.approx(40 * 2**2, rel=1e-9)
    same = statistics(np.ones((3, 40)))
    spread = np.trace(few.covariance) + np.square(few.mean - 1).sum()
    assert frechet_distance(few, same) == pytest.approx(spread, rel=1e-9)


def test_distances_that_do_not_exist_are_refused():
    one, some = statistics(np.ones((1, 4))), statistics(correlated(9, 4, seed=0))
    with pytest.raises(ValueError, match="1 images; a covariance needs at least 2"):
        frechet_distance(some, one)
    with pytest.raises(ValueError, match="0 images"):
        frechet_distance(Statistics(), some)
    with pytest.raises(ValueError, match="features of 4 and of 3"):
        frechet_distance(some, statistics(correlated(9, 3, seed=0)))
    with pytest.raises(ValueError, match=r"features \(2, 3\), needed \[N, 4\]"):
        some.update(np.ones((2, 3)))


def mmd_by_definition(a, b):
    """Returns the unbiased squared MMD, term by term (Gretton et al. 2012, eq. 3)."""

    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(these):
        count = len(these)
        terms = [
            kernel(these[i], these[j])
            for i in range(count)
            for j in range(count)
            if i != j
        ]
        return sum(terms) / (count * (count - 1))

    across = [kernel(x, y) for x in a for y in b]
    return within(a) + within(b) - 2 * sum(across) / len(across)


def test_kernel_distance_of_few_images_is_the_definition():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 5)), rng.normal(1, 1, size=(9, 5))
    mean, deviation = kernel_distance(a, b, seed=0)
    assert mean == pytest.approx(mmd_by_definition(a.tolist(), b.tolist()), rel=1e-12)
    assert deviation == pytest.approx(0, abs=1e-12)
    many = kernel_distance(a, np.concatenate([b, b + 1e-9]), seed=0)
    assert many[1] > 0


def test_kernel_distance_is_unbiased_and_grows_with_the_difference():
    rng = np.random.default_rng(1)
    real = rng.normal(size=(3 * KID_SUBSET_SIZE, 8)).astype(np.float32)
    again = rng.normal(size=(3 * KID_SUBSET_SIZE, 8)).astype(np.float32)
    same, spread = kernel_distance(again, real, seed=0)
    assert abs(same) < 3 * spread
    shifted = [kernel_distance(again + by, real, seed=0)[0] for by in (0.2, 0.4)]
    assert 10 * abs(same) < shifted[0] < shifted[1]
    assert kernel_distance(again, real, seed=0) == (same, spread)
    with pytest.raises(ValueError, match="KID needs at least 2"):
        kernel_distance(again[:1], real, seed=0)
    with pytest.raises(ValueError, match="features"):
        kernel_distance(again[:, :4], real, seed=0)
