"""What stands in front of drawn people: how much it hides, and that it is seeded."""

from dataclasses import replace

import numpy as np
import pytest
from preprocessing_people_helpers import MAGENTA

from preprocessing.synthetic import scenes
from preprocessing.synthetic.looks import random_person
from preprocessing.synthetic.poses import random_body_pose
from preprocessing.synthetic.scenes import OCCLUDERS, Occluder, stand_before

WIDE = (64, 128)


def random_parts(seed, kind=None):
    """Returns a person, a pose, and an occluder, of one kind or any."""
    rng = np.random.default_rng([seed, 3])
    parts = random_person(rng), random_body_pose(rng)
    occluder = scenes.random_occluder(rng)
    return *parts, replace(occluder, kind=kind) if kind else occluder


def draw(seed, *, kind=None, size=(128, 64)):
    """Returns the pictures without and with the occluder."""
    person, body_pose, occluder = random_parts(seed, kind)
    drawn = [
        scenes.draw(person, body_pose, size=size, background=MAGENTA, occluder=front)
        for front in (None, occluder)
    ]
    np.testing.assert_array_equal(drawn[0][1], drawn[1][1])
    return drawn[0][0], drawn[1][0]


def hidden(before, after):
    """Returns the share of the body, the shadow not counted, that was drawn over."""
    body = (before[..., 1] > 0.25 * before[..., 0]) | (before[..., 0] < 120)
    over = np.abs(after.astype(int) - before).max(axis=2) > 60
    return (body & over).sum() / body.sum()


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_each_kind_hides_some_of_the_body_and_never_too_much(kind):
    shares = [hidden(*draw(seed, kind=kind)) for seed in range(12)]
    assert max(shares) < 0.45
    assert np.mean(np.array(shares) > 0.03) > 0.8
    assert np.mean(shares) > 0.08


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.4])
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_body_is_covered_by_no_more_than_the_share(side, share):
    body = np.zeros((120, 80), bool)
    body[10:110, 25:55] = True
    covered = []
    for number, kind in enumerate(OCCLUDERS):
        image = np.full((*body.shape, 3), (255, 0, 255), np.uint8)
        stand_before(image, body, Occluder(kind, side, share, seed=number))
        drawn = (image != (255, 0, 255)).any(axis=2)
        covered.append((drawn & body).sum() / body.sum())
    assert max(covered) <= share
    assert np.mean(covered) >= 0.5 * share


def test_occluders_come_from_both_sides():
    body = np.zeros((120, 80), bool)
    body[10:110, 25:55] = True
    images = []
    for side in ("left", "right"):
        image = np.full((*body.shape, 3), 255, np.uint8)
        stand_before(image, body, Occluder("panel", side, 0.4, seed=1))
        images.append(image)
    left, right = ((image != 255).any(axis=2) for image in images)
    assert left[:, 0].any()
    assert not left[:, -1].any()
    assert right[:, -1].any()
    assert not right[:, 0].any()


@pytest.mark.parametrize("size", [(128, 64), (64, 32), (256, 256), WIDE, (90, 61)])
def test_any_size(size):
    for number, kind in enumerate(OCCLUDERS):
        before, after = draw(number, kind=kind, size=size)
        assert (after.shape, after.dtype) == ((*size, 3), np.uint8)
        assert (before != after).any()


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_a_larger_picture_shows_the_same(kind):
    """Seen from afar, the large picture is about the small one."""
    small, large = (draw(4, kind=kind, size=size)[1] for size in ((64, 32), (256, 128)))
    blocks = large.reshape(64, 4, 32, 4, 3).mean(axis=(1, 3))
    assert np.abs(blocks - small).mean() < 12


def test_the_same_seed_gives_the_same_bytes():
    for kind in OCCLUDERS:
        first, again, other = (draw(seed, kind=kind)[1] for seed in (3, 3, 5))
        assert first.tobytes() == again.tobytes()
        assert (first != other).any()


def test_random_occluders_are_of_every_kind_from_both_sides():
    chosen = [scenes.random_occluder(np.random.default_rng(seed)) for seed in range(99)]
    assert {occluder.kind for occluder in chosen} == set(OCCLUDERS)
    assert {occluder.side for occluder in chosen} == {"left", "right"}
    assert all(0.1 <= occluder.share <= 0.4 for occluder in chosen)
