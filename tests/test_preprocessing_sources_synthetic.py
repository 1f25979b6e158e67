"""Synthetic people: the same for the same seed, with exact keypoints."""

import hashlib

import numpy as np
import pytest

from preprocessing.images import image_files as images
from preprocessing.sources import synthetic
from preprocessing.synthetic import scenes
from preprocessing.synthetic.looks import random_person
from preprocessing.synthetic.poses import random_body_pose

# Mean colour of the picture and place of the neck, as first drawn.
EARLIER = (
    ((158.4, 147.4, 146.9), (11.61, 11.69)),
    ((130.4, 112.6, 122.4), (19.14, 17.77)),
    ((146.3, 121.8, 122.6), (14.61, 12.2)),
    ((206.5, 182.8, 182.2), (13.17, 15.37)),
)


def synthesize(**changes):
    settings = {"identities": 3, "images_per_identity": 4, "size": (64, 32), "seed": 5}
    return list(synthetic.samples(**settings | changes))


def test_the_same_seed_gives_the_same_people():
    first, again, other = synthesize(), synthesize(), synthesize(seed=6)
    assert len({sample.name for sample in first}) == 12
    assert sorted(s.identity for s in first) == sorted(["0000", "0001", "0002"] * 4)
    assert [s.read() for s in first] == [s.read() for s in again]
    assert [s.pose.tobytes() for s in first] == [s.pose.tobytes() for s in again]
    assert len({s.read() for s in first} | {s.read() for s in other}) == 24


def test_people_are_those_of_earlier_versions():
    drawn = synthesize(identities=2, images_per_identity=2, seed=3)
    for sample, (colour, neck) in zip(drawn, EARLIER, strict=True):
        image = images.decode(sample.read(), name=sample.name)
        np.testing.assert_allclose(image.mean(axis=(0, 1)), colour, atol=0.5)
        np.testing.assert_allclose(sample.pose[1, :2], neck, atol=0.01)


def test_more_people_begin_with_the_same():
    few, more = synthesize(), synthesize(identities=5)
    assert [s.read() for s in few] == [s.read() for s in more[: len(few)]]


def test_images_are_read_in_any_order():
    forward, backward = synthesize(occlusion=0.5), synthesize(occlusion=0.5)
    last_first = [sample.read() for sample in reversed(backward)]
    assert [s.read() for s in forward] == last_first[::-1]


@pytest.mark.parametrize("occlusion", [0.0, 1.0])
def test_keypoints_are_those_of_the_drawing(monkeypatch, occlusion):
    drawn, draw = [], scenes.draw
    monkeypatch.setattr(
        scenes, "draw", lambda *a, **k: drawn.append(draw(*a, **k)) or drawn[-1]
    )
    for sample in synthesize(occlusion=occlusion):
        content = sample.read()
        image, pose = drawn.pop()
        np.testing.assert_array_equal(sample.pose, pose)
        decoded = images.decode(content, name="a")
        assert np.abs(decoded.astype(int) - image).mean() < 6


@pytest.mark.parametrize(("same_background", "count"), [(True, 3), (False, 12)])
def test_backgrounds_are_a_persons_or_an_images(monkeypatch, same_background, count):
    seen, draw = [], scenes.draw
    monkeypatch.setattr(
        scenes, "draw", lambda *a, **k: seen.append(k["background"]) or draw(*a, **k)
    )
    samples = synthesize(same_background=same_background)
    for sample in samples:
        sample.read()
    assert len({(s.identity, repr(b)) for s, b in zip(samples, seen, strict=True)}) == (
        len({repr(background) for background in seen})
    )
    assert len({repr(background) for background in seen}) == count
    for sample, usual in zip(samples, synthesize(), strict=True):
        np.testing.assert_array_equal(sample.pose, usual.pose)


@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
def test_the_share_of_keypoints_that_are_missing(missing):
    whole = np.stack([s.pose for s in synthesize(identities=40)])
    poses = np.stack([s.pose for s in synthesize(identities=40, missing=missing)])
    seen = whole[..., 2] > 0
    kept = poses[..., 2] > 0
    assert abs((seen & ~kept).sum() / seen.sum() - missing) < 0.05
    np.testing.assert_array_equal(poses[kept], whole[kept])
    assert not poses[~kept].any()


def test_the_share_of_images_with_something_before_the_person():
    """What stands there changes nothing else, and no other image."""
    plain = synthesize(identities=15)
    changed = {}
    for share in (0.3, 0.6, 1.0):
        samples = synthesize(identities=15, occlusion=share)
        for sample, before in zip(samples, plain, strict=True):
            np.testing.assert_array_equal(sample.pose, before.pose)
        changed[share] = [
            sample.read() != before.read()
            for sample, before in zip(samples, plain, strict=True)
        ]
        assert abs(np.mean(changed[share]) - share) < 0.15
    # More of it leaves what was there before.
    assert all(np.array(changed[0.6]) >= changed[0.3])
    assert all(changed[1.0])


def test_drawings_stay_the_same_bit_for_bit():
    """Models and tables are compared on drawn people of earlier versions."""
    digest = hashlib.sha256()
    for seed in range(8):
        rng = np.random.default_rng([7, seed])
        person, background = random_person(rng), scenes.random_background(rng)
        body_pose = random_body_pose(rng)
        image, pose = scenes.draw(
            person, body_pose, size=(128, 64), background=background
        )
        digest.update(image.tobytes())
        digest.update(np.round(pose, 3).astype(np.float32).tobytes())
    expected = "54e7a3374479b22aadb108a4aaca5b8dbf167ca0f32d38e77d47163468ee61f0"
    assert digest.hexdigest() == expected
