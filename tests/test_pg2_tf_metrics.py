"""Scores against the authors' scripts and against cases computed by hand."""

import math

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from pg2_tf.metrics import images as metrics


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
