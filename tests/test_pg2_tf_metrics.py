"""Scores against the authors' scripts and against cases computed by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter, uniform_filter

from pg2_tf.evaluation import summary
from pg2_tf.evaluation.metrics import images as metrics
from pg2_tf.evaluation.protocols import draw_limb_mask


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (32, 24, 3), dtype=np.uint8)
    noise = rng.integers(-40, 41, target.shape)
    image = np.clip(target.astype(int) + noise, 0, 255).astype(np.uint8)
    return image, target, rng.integers(0, 2, (32, 24), dtype=np.uint8)


def ssim_by_hand(image, target):
    """Wang et al. 2004 with a 7x7 window and sample covariance, as score.py has it."""
    values = []
    for channel in range(3):
        x, y = (a[..., channel].astype(float) for a in (image, target))
        mean_x, mean_y = uniform_filter(x, 7), uniform_filter(y, 7)
        unbiased = 49 / 48
        var_x = unbiased * (uniform_filter(x * x, 7) - mean_x**2)
        var_y = unbiased * (uniform_filter(y * y, 7) - mean_y**2)
        both = unbiased * (uniform_filter(x * y, 7) - mean_x * mean_y)
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        top = (2 * mean_x * mean_y + c1) * (2 * both + c2)
        bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
        values.append((top / bottom)[3:-3, 3:-3].mean())
    return np.mean(values)


def test_scores_are_those_of_the_authors_scripts(shared):
    golden = np.load(shared / "golden" / "scores.npz")
    for index in range(8):
        mask = golden["mask"][index] // 255
        scores = metrics.score(golden["G"][index], golden["x_target"][index], mask)
        assert set(scores) == {
            *("ssim", "psnr", "l1", "mask_ssim", "mask_psnr", "mask_l1")
        }
        for name, value in scores.items():
            expected = float(golden[f"score_{name}"][index])
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), name


def test_equal_images_have_the_best_scores(pair):
    image, _, mask = pair
    scores = metrics.score(image, image.copy(), mask)
    for prefix in ("", "mask_"):
        assert scores[f"{prefix}ssim"] == pytest.approx(1)
        assert scores[f"{prefix}psnr"] == math.inf
        assert scores[f"{prefix}l1"] == 0


def test_ssim_follows_its_definition(pair):
    image, target, _ = pair
    assert metrics.ssim(image, target) == pytest.approx(ssim_by_hand(image, target))


def test_psnr_and_l1_follow_their_definitions(pair):
    image, target, _ = pair
    error = image.astype(float) - target
    expected = 10 * math.log10(255**2 / np.mean(error**2))
    assert metrics.psnr(image, target) == pytest.approx(expected)
    total = sum(
        abs(int(a) - int(b)) for a, b in zip(image.flat, target.flat, strict=True)
    )
    assert metrics.l1(image, target) == pytest.approx(total / image.size)


def test_l1_does_not_wrap_around():
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert metrics.l1(black, white) == metrics.l1(white, black) == 255
    assert metrics.psnr(black, white) == pytest.approx(0)


def test_mask_blackens_both_images_and_nothing_else(pair):
    image, target, mask = pair
    kept = metrics.masked(image, mask)
    assert kept.dtype == np.uint8
    np.testing.assert_array_equal(kept[mask == 1], image[mask == 1])
    assert not kept[mask == 0].any()
    scores = metrics.score(image, target, mask)
    inside = np.abs(image.astype(float) - target)[mask == 1]
    assert scores["mask_l1"] == pytest.approx(inside.sum() / image.size)
    changed = np.where(mask[..., None] == 0, 255 - image, image)
    again = metrics.score(changed, target, mask)
    for name in metrics.METRICS:
        assert again[f"mask_{name}"] == scores[f"mask_{name}"]
        assert again[name] != scores[name]


def test_full_mask_changes_no_score(pair):
    image, target, mask = pair
    scores = metrics.score(image, target, np.ones_like(mask))
    for name in metrics.METRICS:
        assert scores[f"mask_{name}"] == scores[name]


def test_gaussian_ssim_takes_the_generated_image_for_the_data_range(pair):
    image, target, _ = pair
    x, y = image.astype(float), target.astype(float)

    def blur(values):
        # A radius of 5 pixels, as 3.5 sigma rounded.
        return gaussian_filter(values, (1.5, 1.5, 0), truncate=3.5)

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    both = blur(x * y) - mean_x * mean_y
    spread = x.max() - x.min()
    c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
    top = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    expected = (top / bottom)[5:-5, 5:-5].mean()
    assert metrics.gaussian_ssim(image, target) == pytest.approx(expected)
    dull = (image // 4).astype(np.uint8)
    assert metrics.gaussian_ssim(dull, target) != metrics.gaussian_ssim(target, dull)
    assert math.isnan(metrics.gaussian_ssim(np.full_like(image, 9), target))


def test_wide_ssim_has_a_window_of_51_pixels():
    rng = np.random.default_rng(0)
    image, target = rng.integers(0, 256, (2, 51, 51, 3), dtype=np.uint8)
    x, y = (a.reshape(-1, 3) / 255 for a in (image, target))
    both = ((x - x.mean(0)) * (y - y.mean(0))).sum(0) / (51**2 - 1)
    spread = x.var(0, ddof=1) + y.var(0, ddof=1)
    means = 2 * x.mean(0) * y.mean(0) + 1e-4, x.mean(0) ** 2 + y.mean(0) ** 2 + 1e-4
    expected = (means[0] * (2 * both + 9e-4) / (means[1] * (spread + 9e-4))).mean()
    assert metrics.wide_ssim(image, target) == pytest.approx(expected)


def test_l1_of_other_work_differs_by_its_scale_alone(pair):
    image, target, _ = pair
    grey = metrics.l1(image, target)
    signed = np.abs(2 * (target / 255 - 0.5) - 2 * (image / 255 - 0.5)).mean()
    assert metrics.signed_l1(image, target) == pytest.approx(signed)
    assert metrics.unit_l1(image, target) == pytest.approx(grey / 255)
    relative = (
        np.abs(image / 255 - target / 255).sum() / (image / 255 + target / 255).sum()
    )
    assert metrics.relative_l1(image, target) == pytest.approx(relative)
    black = np.zeros_like(image)
    assert metrics.relative_l1(black, black) == 0
    assert metrics.relative_l1(black, target) == pytest.approx(1)


def test_limb_mask_is_bars_and_discs_closed():
    pose = np.zeros((18, 3), np.float32)
    pose[2], pose[3] = (10, 20, 1), (40, 20, 1)  # An upper arm, level.
    mask = draw_limb_mask(pose, size=(48, 64))
    y, x = np.mgrid[:48, :64]
    bar = (abs(y - 20) <= 4) & (x >= 10) & (x <= 40)
    discs = ((x - 10) ** 2 + (y - 20) ** 2 < 16) | ((x - 40) ** 2 + (y - 20) ** 2 < 16)
    assert mask[bar | discs].all()
    # The 5x5 closing fills corners between bar and discs, and nothing else.
    assert not mask[(abs(y - 20) > 4) | (x < 7) | (x > 43)].any()
    pose[3, 2] = 0
    alone = draw_limb_mask(pose, size=(48, 64))
    assert alone[20, 10]
    assert not alone[20, 20]
    assert not draw_limb_mask(np.zeros((18, 3), np.float32), size=(48, 64)).any()


def test_intervals_are_those_of_scipys_bootstrap():
    """The same interval as SciPy's to the noise of 1,000 samples, and with weights."""
    rng = np.random.default_rng(0)
    columns = {f"refined/{name}": rng.normal(1, 2, 300) for name in ("ssim", "l1")}
    columns["refined/pckh"] = rng.random(300)
    columns["refined/pckh_keypoints"] = rng.integers(0, 19, 300).astype(float)
    weights = columns["refined/pckh_keypoints"]

    def weighted(indices, axis):
        index = indices.astype(int)
        values = columns["refined/pckh"][index] * weights[index]
        return values.sum(axis=axis) / weights[index].sum(axis=axis)

    found = summary.summarise(columns)["refined"]
    assert set(found) == {"ssim", "l1", "pckh"}
    for name, value in found.items():
        data = columns[f"refined/{name}"] if name != "pckh" else np.arange(300)
        expected = stats.bootstrap(
            (data,),
            np.mean if name != "pckh" else weighted,
            n_resamples=20_000,
            batch=1000,
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(1),
        )
        interval, error = expected.confidence_interval, expected.standard_error
        assert value.interval[0] == pytest.approx(interval.low, abs=0.3 * error)
        assert value.interval[1] == pytest.approx(interval.high, abs=0.3 * error)
