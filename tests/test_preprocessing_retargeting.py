"""Retargeting of poses: place, size and limb lengths."""

import numpy as np
import pytest

from pg2_tf.posing import named_poses
from pg2_tf.posing.retargeting import body_scale, comparable, fit_inside, retarget
from preprocessing.poses import keypoints as kp

HIPS = [kp.INDEX["right_hip"], kp.INDEX["left_hip"]]
LIMBS = [
    *(("neck", "nose"), ("right_shoulder", "right_elbow"), ("left_hip", "left_knee")),
    *(("right_elbow", "right_wrist"), ("left_knee", "left_ankle")),
    *(("left_shoulder", "left_elbow"), ("right_hip", "right_knee")),
]


def pose(name="standing", *, scale=1.0, move=(0, 0), without=()):
    moved = named_poses.named_pose(name)
    moved[:, :2] = moved[:, :2] * scale + move
    moved[[kp.INDEX[part] for part in without]] = 0
    return kp.clean(moved * (moved[:, 2:] > 0))


def place(of, name):
    if name == "hips":
        return of[HIPS, :2].mean(axis=0)
    return of[kp.INDEX[name], :2]


def length(of, start, end):
    return np.linalg.norm(place(of, start) - place(of, end))


def direction(of, start, end):
    return (place(of, end) - place(of, start)) / length(of, start, end)


@pytest.mark.parametrize("mode", ["scale", "limbs"])
@pytest.mark.parametrize("missing", [(), ("nose", "left_wrist"), ("right_hip",)])
def test_a_moved_and_scaled_pose_is_restored(mode, missing):
    person = pose("walking", without=missing)
    target = pose("walking", scale=3.7, move=(-40, 900), without=missing)
    (back,) = retarget(target[None], person, mode=mode)
    # In `limbs` both sides have the longer one's length, which here changes the pose.
    if mode == "scale":
        np.testing.assert_allclose(back, person, atol=1e-3)
    else:
        for part in ("neck", "right_hip", "left_hip"):
            np.testing.assert_allclose(
                back[kp.INDEX[part]], person[kp.INDEX[part]], atol=1e-3
            )


@pytest.mark.parametrize("mode", ["scale", "limbs"])
def test_size_and_place_of_the_target_do_not_matter(mode):
    person = pose("sitting", scale=0.6, move=(3, 20))
    one = retarget(pose("hands-up")[None], person, mode=mode)
    other = pose("hands-up", scale=11.3, move=(77, -300))
    np.testing.assert_allclose(retarget(other[None], person, mode=mode), one, atol=1e-2)


def test_scale_gives_the_persons_torso_and_hips():
    person = pose(scale=2.2, move=(10, -5))
    (placed,) = retarget(pose("hands-up")[None], person)
    np.testing.assert_allclose(place(placed, "hips"), place(person, "hips"), atol=1e-3)
    torso = [length(of, "neck", "hips") for of in (placed, person)]
    assert torso[0] == pytest.approx(torso[1], abs=1e-3)
    before = pose("hands-up")
    for limb in LIMBS:
        assert length(placed, *limb) == pytest.approx(
            length(before, *limb) * torso[1] / length(before, "neck", "hips"), abs=1e-2
        )


def long_legged():
    """A standing person whose arms are short and whose legs are long."""
    person = pose()
    for side in ("right", "left"):
        for part in ("elbow", "wrist"):
            person[kp.INDEX[f"{side}_{part}"], 1] -= 12 * (1 + (part == "wrist"))
        person[kp.INDEX[f"{side}_knee"], 1] += 15
        person[kp.INDEX[f"{side}_ankle"], 1] += 40
    return person


def test_limbs_keep_the_persons_lengths_and_the_targets_directions():
    person, target = long_legged(), pose("running", scale=1.7)
    (placed,) = retarget(target[None], person, mode="limbs")
    for limb in LIMBS:
        both = [limb, [part.replace("right", "left") for part in limb]]
        both.append([part.replace("left", "right") for part in limb])
        longest = max(length(person, *one) for one in both)
        assert length(placed, *limb) == pytest.approx(longest, abs=1e-3)
        np.testing.assert_allclose(
            direction(placed, *limb), direction(target, *limb), atol=1e-4
        )
    (scaled,) = retarget(target[None], person, mode="scale")
    assert length(scaled, *LIMBS[2]) != pytest.approx(length(placed, *LIMBS[2]), abs=3)


def test_missing_limbs_get_the_other_sides_or_the_scaled_length():
    person = long_legged()
    person[[kp.INDEX["left_wrist"], kp.INDEX["nose"]]] = 0
    (placed,) = retarget(pose("hands-up", scale=2)[None], person, mode="limbs")
    forearm = length(person, "right_elbow", "right_wrist")
    assert length(placed, "left_elbow", "left_wrist") == pytest.approx(
        forearm, abs=1e-3
    )
    (scaled,) = retarget(pose("hands-up", scale=2)[None], person)
    head = [length(of, "neck", "nose") for of in (placed, scaled)]
    assert head[0] == pytest.approx(head[1], abs=1e-3)


@pytest.mark.parametrize("mode", ["none", "scale", "limbs"])
def test_missing_keypoints_of_the_target_stay_missing(mode):
    gone = ("neck", "left_elbow", "right_knee", "right_ear")
    target = pose("walking", without=gone)
    (placed,) = retarget(target[None], long_legged(), mode=mode)
    np.testing.assert_array_equal(kp.found(placed), kp.found(target))
    assert np.isfinite(placed).all()
    assert not placed[[kp.INDEX[part] for part in gone]].any()


def test_none_changes_nothing():
    target = pose("waving", without=("nose",))
    np.testing.assert_array_equal(
        retarget(target[None], pose(scale=5), mode="none")[0], target
    )


def test_without_hips_head_and_shoulders_set_size_and_place():
    gone = ("right_hip", "left_hip", "right_knee", "left_knee")
    gone += ("right_ankle", "left_ankle")
    person = pose(scale=4, move=(9, 9), without=gone)
    # All of this pose is in a picture of the same size, so that its body is smaller;
    # and raised arms draw the shoulders together.
    expected = 4 * body_scale(pose("hands-up"), pose())
    assert body_scale(pose("hands-up"), person) == pytest.approx(expected, rel=0.2)
    (placed,) = retarget(pose()[None], person)
    neck = kp.INDEX["neck"]
    np.testing.assert_allclose(placed[neck], person[neck], atol=1e-3)
    np.testing.assert_allclose(placed, pose(scale=4, move=(9, 9)), atol=1e-2)


def test_a_face_alone_is_compared_by_eyes_and_ears():
    body = [name for name in kp.NAMES if not name.endswith(("eye", "ear"))]
    person = pose(scale=6, move=(-100, 50), without=body)
    (placed,) = retarget(pose()[None], person)
    np.testing.assert_allclose(placed, pose(scale=6, move=(-100, 50)), atol=1e-2)


def test_bodies_without_two_keypoints_in_common_cannot_be_compared():
    legs = pose(without=[n for n in kp.NAMES if not n.endswith(("knee", "ankle"))])
    arms = pose(without=[n for n in kp.NAMES if not n.endswith(("elbow", "wrist"))])
    assert not comparable(legs[None], arms)
    assert comparable(np.stack([legs, pose()]), arms)
    with pytest.raises(ValueError, match="shares enough keypoints"):
        retarget(legs[None], arms)


# === Sequences ===


def test_a_sequence_keeps_size_place_and_jumps():
    frames = [pose(scale=s, move=(x, 0)) for s, x in ((2, 0), (2.2, 60), (1.8, 500))]
    jump = pose(scale=2, move=(90, -30))
    targets, person = np.stack([*frames, jump]), pose()
    placed = retarget(targets, person)
    factors = [
        length(after, "neck", "hips") / length(before, "neck", "hips")
        for before, after in zip(targets, placed, strict=True)
    ]
    np.testing.assert_allclose(factors, factors[0], rtol=1e-4)
    across = [place(after, "hips")[0] for after in placed]
    np.testing.assert_allclose(across, place(person, "hips")[0], atol=1e-2)
    up = place(placed[0], "hips")[1] - place(placed[3], "hips")[1]
    assert up == pytest.approx(30 * factors[0], abs=0.1)


def test_frames_without_hips_are_placed_from_those_around_them():
    first, last = pose(), pose(move=(40, 0))
    between = pose(move=(20, 0), without=("right_hip", "left_hip"))
    placed = retarget(np.stack([first, between, last]), pose())
    np.testing.assert_allclose(
        place(placed[1], "neck"), place(pose(), "neck"), atol=0.1
    )


# === Inside the image ===


def test_a_pose_inside_is_not_moved():
    inside, factor = fit_inside(pose()[None], named_poses.SIZE, margin=0.02)
    assert factor == 1
    np.testing.assert_allclose(inside[0], pose(), atol=1e-4)


def test_a_pose_partly_outside_is_moved_as_little_as_possible():
    moved, factor = fit_inside(pose(move=(0, 45))[None], named_poses.SIZE, margin=0.02)
    assert factor == 1
    lowest = moved[0, :, 1].max()
    assert lowest == pytest.approx(255 - 0.02 * 256, abs=1e-3)
    np.testing.assert_allclose(
        moved[0, :, 0], np.where(kp.found(pose()), pose()[:, 0], 0), atol=1e-3
    )


def test_a_wide_pose_is_scaled_down_around_the_feet():
    wide = pose("arms-out", scale=1.2, move=(-12, -20))
    (moved,), factor = fit_inside(wide[None], named_poses.SIZE)
    assert factor < 0.9
    assert moved[:, 1].max() == pytest.approx(wide[:, 1].max(), abs=1e-3)
    assert np.ptp(moved[kp.found(moved), 0]) == pytest.approx(
        127 - 2 * 0.04 * 256, abs=1e-2
    )


def test_large_poses_are_scaled_down_by_one_factor():
    large = np.stack([pose("hands-up", scale=2), pose("arms-out", scale=2)])
    moved, factor = fit_inside(large, named_poses.SIZE)
    assert 0.3 < factor < 0.9
    places = moved[kp.found(moved)][:, :2]
    assert (places >= 0).all()
    assert (places <= (127, 255)).all()
    for before, after in zip(large, moved, strict=True):
        np.testing.assert_allclose(
            length(after, "neck", "hips"),
            factor * length(before, "neck", "hips"),
            rtol=1e-4,
        )
    assert not moved[~kp.found(large)].any()
