"""Gives the pose of one body to another: mathematics of keypoints alone.

Poses are of one picture plane each; that a limb points towards the viewer shows only
in that it is short. Lengths of a body are therefore compared where they change least
with the pose: in the torso.
"""

import numpy as np

from preprocessing.poses import keypoints as kp

MODES = ("none", "scale", "limbs")

# Under the 18 keypoints stands the middle of the hips, which a skeleton hangs from.
_HIPS = kp.NUM_KEYPOINTS
_NECK, _NOSE = kp.INDEX["neck"], kp.INDEX["nose"]
_BOTH_HIPS = [kp.INDEX["right_hip"], kp.INDEX["left_hip"]]
_PARENT_NAMES = {
    **{"nose": "neck", "right_eye": "nose", "left_eye": "nose"},
    **{"right_ear": "nose", "left_ear": "nose"},
    **{f"{side}_shoulder": "neck" for side in ("right", "left")},
    **{f"{side}_elbow": f"{side}_shoulder" for side in ("right", "left")},
    **{f"{side}_wrist": f"{side}_elbow" for side in ("right", "left")},
    **{f"{side}_knee": f"{side}_hip" for side in ("right", "left")},
    **{f"{side}_ankle": f"{side}_knee" for side in ("right", "left")},
}
# What each keypoint hangs from, nearest the hips first.
_PARENTS = {
    _NECK: _HIPS,
    **dict.fromkeys(_BOTH_HIPS, _HIPS),
    **{kp.INDEX[child]: kp.INDEX[parent] for child, parent in _PARENT_NAMES.items()},
}
# Limbs that keep their length; shoulders, hips and face narrow as a body turns.
_LIMBS = [_NECK, _NOSE] + [
    kp.INDEX[f"{side}_{part}"]
    for part in ("elbow", "wrist", "knee", "ankle")
    for side in ("right", "left")
]
# Keypoints that stay where they are in a body while arms and legs move.
_STEADY = np.array(
    [not name.endswith(("elbow", "wrist", "knee", "ankle")) for name in kp.NAMES]
)
# Under this length in pixels a limb has no direction.
_POINT = 1e-3


def retarget(
    targets: np.ndarray, person: np.ndarray, *, mode: str = "scale"
) -> np.ndarray:
    """Puts poses where a person is, in the person's size.

    One factor holds for all of `targets`, the median of theirs, so that the frames of
    a sequence do not pulsate. The middle of the hips comes to the person's: across in
    each frame, so that nobody walks out of the picture; down only for the sequence's
    median, so that jumps remain. Without hips in all, the neck does so, and without
    necks the middle of the keypoints that `body_scale` compares.

    Args:
        targets: float32 [N, 18, 3], one pose or the frames of a sequence; in pixels of
            an image of any size.
        person: float32 [18, 3], in pixels of the person's image.
        mode: `scale`: one factor, of torso to torso; `limbs`: besides, arms, legs,
            torso and neck to nose have the person's lengths (the longer of right and
            left, since the other is foreshortened) in the directions of the target;
            a limb that the person's pose lacks keeps the scaled length; `none`:
            returned as they are.

    Returns:
        float32 [N, 18, 3], in pixels of the person's image; they may lie outside it.

    Raises:
        ValueError: no target is `comparable`.
    """
    if mode not in MODES:
        raise ValueError(f"mode {mode}; allowed are {', '.join(MODES)}")
    targets, person = kp.clean(targets), kp.clean(person)
    if mode == "none":
        return targets
    placed = _placed(targets, person)
    if mode == "limbs":
        lengths = _lengths(person)
        placed = np.stack([_with_lengths(pose, lengths) for pose in placed])
    return placed


def comparable(targets: np.ndarray, person: np.ndarray) -> bool:
    """True if `body_scale` knows the size of any of the targets [N, 18, 3]."""
    return any(body_scale(target, person) is not None for target in targets)


def body_scale(target: np.ndarray, person: np.ndarray) -> float | None:
    """Returns how many times larger a person is than a target, both float32 [18, 3].

    By the torsos, from the neck to the middle of the hips; where one of them was not
    found, by how far the keypoints of head, shoulders and hips found in both are
    spread, or else all found in both. None where these are not two places.
    """
    ours, theirs = _lengths(person).get(_NECK, 0.0), _lengths(target).get(_NECK, 0.0)
    if min(ours, theirs) > _POINT:
        return ours / theirs
    shared = _shared(target, person)
    ours, theirs = _spread(person[shared]), _spread(target[shared])
    return ours / theirs if min(ours, theirs) > _POINT else None


def fit_inside(
    poses: np.ndarray, size: tuple[int, int], *, margin: float = 0.04
) -> tuple[np.ndarray, float]:
    """Moves poses as little as is needed to be in an image, smaller if they must be.

    Args:
        poses: float32 [N, 18, 3], moved together.
        size: height and width of the image in pixels.
        margin: kept free at each side, as a share of the image's height.

    Returns:
        The poses, and the factor that they were made smaller by: 1 or less.
    """
    moved = poses.copy()
    found = kp.found(moved)
    places = moved[found][:, :2].astype(float)
    free = margin * size[0]
    first, last = np.full(2, free), np.array(size[::-1]) - 1 - free
    low, high = places.min(axis=0), places.max(axis=0)
    extent = np.maximum(high - low, _POINT)
    factor = float(min(1.0, *((last - first) / extent)))
    # Who is made smaller stays with their feet on the ground.
    ground = np.array([(low[0] + high[0]) / 2, high[1]])
    start, end = first + factor * (ground - low), last - factor * (high - ground)
    ends = np.clip(ground, start, np.maximum(start, end))
    moved[found, :2] = ends + factor * (places - ground)
    return moved, factor


def _placed(targets: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Scales and moves poses, [N, 18, 3], to a person."""
    scales = [body_scale(target, person) for target in targets]
    known = [scale for scale in scales if scale is not None]
    if not known:
        raise ValueError("a person that no target is comparable to")
    scale = float(np.median(known))
    anchors, goal = _anchors(targets, person)
    # Across every frame by itself; down all frames as one.
    origin = np.stack([anchors[:, 0], np.full(len(targets), np.median(anchors[:, 1]))])
    moved = targets.copy()
    moved[..., :2] = goal + scale * (targets[..., :2] - origin.T[:, None])
    return kp.clean(moved)


def _anchors(targets: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns what of each target [N, 2] comes to which place of the person [2]."""
    for joints in (_BOTH_HIPS, [_NECK]):
        goal = _middle(person, joints)
        places = np.array([_middle(target, joints) for target in targets])
        if not np.isnan(goal).any() and not np.isnan(places).all():
            return _without_gaps(places), goal
    shared = next(
        joints for joints in (_shared(t, person) for t in targets) if len(joints)
    )
    places = np.array([_middle(target, shared) for target in targets])
    return _without_gaps(places), _middle(person, shared)


def _shared(target: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Returns which keypoints to compare two bodies by where one has no torso."""
    both = kp.found(target) & kp.found(person)
    steady = np.flatnonzero(both & _STEADY)
    return steady if len(steady) > 1 else np.flatnonzero(both)


def _spread(pose: np.ndarray) -> float:
    places = pose[:, :2].astype(float)
    return float(np.sqrt(places.var(axis=0).sum())) if len(places) else 0.0


def _middle(pose: np.ndarray, joints: list[int] | np.ndarray) -> np.ndarray:
    """Returns the middle of those joints that were found, NaN for none, float [2]."""
    chosen = pose[joints]
    seen = chosen[kp.found(chosen), :2].astype(float)
    return seen.mean(axis=0) if len(seen) else np.full(2, np.nan)


def _without_gaps(places: np.ndarray) -> np.ndarray:
    """Fills NaN in places [N, 2] from the frames before and after."""
    known = np.flatnonzero(~np.isnan(places[:, 0]))
    frames = np.arange(len(places))
    columns = [np.interp(frames, known, places[known, i]) for i in range(2)]
    return np.stack(columns, axis=1)


def _joints(pose: np.ndarray) -> dict[int, np.ndarray]:
    """Returns the places [2] of the joints found, the middle of the hips with them."""
    joints = {
        int(index): pose[index, :2].astype(float)
        for index in np.flatnonzero(kp.found(pose))
    }
    middle = _middle(pose, _BOTH_HIPS)
    return joints if np.isnan(middle).any() else {**joints, _HIPS: middle}


def _lengths(pose: np.ndarray) -> dict[int, float]:
    """Returns the length of each limb by its outer joint, the longer of both sides."""
    joints = _joints(pose)
    lengths = {
        joint: float(np.linalg.norm(joints[joint] - joints[parent]))
        for joint, parent in _PARENTS.items()
        if joint in joints and parent in joints
    }
    return {
        joint: max(
            lengths[side] for side in (joint, kp.MIRROR[joint]) if side in lengths
        )
        for joint in _PARENTS
        if joint in lengths or kp.MIRROR[joint] in lengths
    }


def _with_lengths(pose: np.ndarray, lengths: dict[int, float]) -> np.ndarray:
    """Gives a pose [18, 3] the lengths of limbs; their directions remain."""
    old = _joints(pose)
    new = {_HIPS: old[_HIPS]} if _HIPS in old else {}
    for joint, parent in _PARENTS.items():
        if joint not in old:
            continue
        near = _nearest(parent, old)
        if near is None:
            new[joint] = old[joint]
            continue
        limb = old[joint] - old[near]
        length = float(np.linalg.norm(limb))
        if near == parent and joint in _LIMBS and joint in lengths and length > _POINT:
            limb = limb * lengths[joint] / length
        new[joint] = new[near] + limb
    changed = pose.copy()
    for joint, place in new.items():
        if joint != _HIPS:
            changed[joint, :2] = place
    return changed


def _nearest(joint: int | None, joints: dict[int, np.ndarray]) -> int | None:
    """Returns the joint or the first that it hangs from that was found."""
    while joint is not None and joint not in joints:
        joint = _PARENTS.get(joint)
    return joint
