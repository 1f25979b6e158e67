"""Moves poses from one body to another, and smooths sequences of poses.

A pose is a projection: a limb that points towards the viewer is short. The sizes of two
bodies are therefore compared by their torsos, which change least with the pose.
"""

from typing import NamedTuple

import numpy as np

from preprocessing.poses import keypoints as kp

Size = tuple[int, int]

MODES = ("none", "scale", "limbs")

# Index of the middle of the hips, the root of the skeleton.
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
# The parent of each keypoint in the skeleton, those near the hips first.
_PARENTS = {
    _NECK: _HIPS,
    **dict.fromkeys(_BOTH_HIPS, _HIPS),
    **{kp.INDEX[child]: kp.INDEX[parent] for child, parent in _PARENT_NAMES.items()},
}
# Outer joints of limbs of constant length; shoulders, hips and face narrow in turns.
_LIMBS = [_NECK, _NOSE] + [
    kp.INDEX[f"{side}_{part}"]
    for part in ("elbow", "wrist", "knee", "ankle")
    for side in ("right", "left")
]
# Keypoints that do not move with arms and legs.
_STEADY = np.array(
    [not name.endswith(("elbow", "wrist", "knee", "ankle")) for name in kp.NAMES]
)
# A limb below this length in pixels has no direction.
_POINT = 1e-3

# Savitzky-Golay filter: a parabola over this many seconds of a keypoint's path.
_SMOOTHED_SECONDS = 0.5
_DEGREE = 2
# A keypoint missing for at most this time is interpolated.
_GAP_SECONDS = 0.25


class Target(NamedTuple):
    """One pose, or the poses of a sequence.

    Attributes:
        name: Name of the pose, for messages and output files.
        poses: Poses, float32 [N, 18, 3], in pixels; N is 1 for a single pose.
        size: Height and width of the image that the poses belong to.
        frames_per_second: Speed of a sequence; 0 for a single pose.
    """

    name: str
    poses: np.ndarray
    size: Size
    frames_per_second: float = 0.0

    @property
    def is_sequence(self) -> bool:
        """Whether the poses are the frames of a sequence."""
        return self.frames_per_second > 0


def retarget(
    targets: np.ndarray, person: np.ndarray, *, mode: str = "scale"
) -> np.ndarray:
    """Moves poses to a person's place and scales them to the person's size.

    All targets are scaled by the median of their factors, so that the person does not
    change size during a sequence. The middle of the hips is moved to the person's:
    horizontally in each frame, so that nobody walks out of the image; vertically by
    the median of the sequence, so that jumps remain. Poses without hips are moved by
    the neck, and without a neck by the middle of the keypoints that `body_scale`
    compares.

    Args:
        targets: One pose or the frames of a sequence, float32 [N, 18, 3], in pixels of
            an image of any size.
        person: The person's pose, float32 [18, 3], in pixels of the person's image.
        mode: `scale`: all limbs are scaled by one factor, the ratio of the torsos.
            `limbs`: arms, legs, torso and neck also get the person's lengths (the
            longer of right and left, because the other is foreshortened) and keep
            their directions; a limb that is missing in the person's pose keeps its
            scaled length. `none`: the targets are returned unchanged.

    Returns:
        The poses, float32 [N, 18, 3], in pixels of the person's image. Keypoints may
        lie outside the image.

    Raises:
        ValueError: `mode` has another value, or no target is `comparable`.
    """
    if mode not in MODES:
        raise ValueError(f"mode={mode}; allowed are {', '.join(MODES)}")
    targets, person = kp.clean(targets), kp.clean(person)
    if mode == "none":
        return targets
    placed = _placed(targets, person)
    if mode == "limbs":
        lengths = _lengths(person)
        placed = np.stack([_with_lengths(pose, lengths) for pose in placed])
    return placed


def comparable(targets: np.ndarray, person: np.ndarray) -> bool:
    """Returns whether `body_scale` can compare any target [N, 18, 3] with a person."""
    return any(body_scale(target, person) is not None for target in targets)


def body_scale(target: np.ndarray, person: np.ndarray) -> float | None:
    """Returns the ratio of a person's size to a target's, both float32 [18, 3].

    The torsos are compared, from the neck to the middle of the hips. If one is missing,
    the spread of the shared keypoints of head, shoulders and hips is compared, or of
    all shared keypoints. The ratio is None if fewer than two keypoints are shared.
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
    """Moves poses as little as possible into an image, and scales them down to fit.

    Args:
        poses: Poses, float32 [N, 18, 3]. All get the same shift and factor.
        size: Height and width of the image in pixels.
        margin: Free border on each side, as a share of the image's height.

    Returns:
        The poses, and the factor by which they were scaled down: 1 or less.
    """
    moved = poses.copy()
    found = kp.found(moved)
    places = moved[found][:, :2].astype(float)
    free = margin * size[0]
    first, last = np.full(2, free), np.array(size[::-1]) - 1 - free
    low, high = places.min(axis=0), places.max(axis=0)
    extent = np.maximum(high - low, _POINT)
    factor = float(min(1.0, *((last - first) / extent)))
    # The feet stay on the ground.
    ground = np.array([(low[0] + high[0]) / 2, high[1]])
    start, end = first + factor * (ground - low), last - factor * (high - ground)
    ends = np.clip(ground, start, np.maximum(start, end))
    moved[found, :2] = ends + factor * (places - ground)
    return moved, factor


def smooth_sequence(poses: np.ndarray, *, frames_per_second: float) -> np.ndarray:
    """Smooths a sequence of estimated poses.

    Each keypoint's path is smoothed by a Savitzky-Golay filter (a parabola over half a
    second). A keypoint that is missing for at most a quarter of a second is
    interpolated. No keypoint is removed.

    Args:
        poses: Poses, float32 [N, 18, 3], in pixels.
        frames_per_second: Speed of the sequence.

    Returns:
        The smoothed poses, float32 [N, 18, 3].
    """
    smoothed = poses.copy()
    for joint in range(poses.shape[1]):
        found = np.flatnonzero(kp.found(poses[:, joint]))
        gaps = np.diff(found) - 1
        starts = np.flatnonzero(gaps > _GAP_SECONDS * frames_per_second) + 1
        for run in np.split(found, starts):
            if len(run) > 1:
                frames = np.arange(run[0], run[-1] + 1)
                smoothed[frames, joint] = _smooth_path(
                    poses[run, joint], run, frames, frames_per_second
                )
    return smoothed


def _smooth_path(
    path: np.ndarray, found: np.ndarray, frames: np.ndarray, rate: float
) -> np.ndarray:
    """Returns [len(frames), 3] from a keypoint [len(found), 3] in frames `found`."""
    # The import takes half a second, and most poses are not a sequence.
    from scipy.signal import savgol_filter

    whole = np.stack([np.interp(frames, found, column) for column in path.T], axis=1)
    window = 2 * round(_SMOOTHED_SECONDS * rate / 2) + 1
    window = min(window, len(frames) - (len(frames) + 1) % 2)
    if window > _DEGREE + 1:
        whole[:, :2] = savgol_filter(whole[:, :2], window, _DEGREE, axis=0)
    return whole.astype(np.float32)


def _placed(targets: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Scales poses [N, 18, 3] and moves them to a person."""
    scales = [body_scale(target, person) for target in targets]
    known = [scale for scale in scales if scale is not None]
    if not known:
        raise ValueError("no target shares enough keypoints with the person")
    scale = float(np.median(known))
    anchors, goal = _anchors(targets, person)
    # Horizontally frame by frame, vertically all frames together.
    origin = np.stack([anchors[:, 0], np.full(len(targets), np.median(anchors[:, 1]))])
    moved = targets.copy()
    moved[..., :2] = goal + scale * (targets[..., :2] - origin.T[:, None])
    return kp.clean(moved)


def _anchors(targets: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns a point of each target [N, 2], and the person's point to move it to."""
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
    """Returns the keypoints that compare two bodies if one has no torso."""
    both = kp.found(target) & kp.found(person)
    steady = np.flatnonzero(both & _STEADY)
    return steady if len(steady) > 1 else np.flatnonzero(both)


def _spread(pose: np.ndarray) -> float:
    places = pose[:, :2].astype(float)
    return float(np.sqrt(places.var(axis=0).sum())) if len(places) else 0.0


def _middle(pose: np.ndarray, joints: list[int] | np.ndarray) -> np.ndarray:
    """Returns the middle of the joints found, float [2]; NaN if none was found."""
    chosen = pose[joints]
    seen = chosen[kp.found(chosen), :2].astype(float)
    return seen.mean(axis=0) if len(seen) else np.full(2, np.nan)


def _without_gaps(places: np.ndarray) -> np.ndarray:
    """Replaces NaN in places [N, 2] by interpolation between frames."""
    known = np.flatnonzero(~np.isnan(places[:, 0]))
    frames = np.arange(len(places))
    columns = [np.interp(frames, known, places[known, i]) for i in range(2)]
    return np.stack(columns, axis=1)


def _joints(pose: np.ndarray) -> dict[int, np.ndarray]:
    """Returns the places [2] of the joints found, and of the middle of the hips."""
    joints = {
        int(index): pose[index, :2].astype(float)
        for index in np.flatnonzero(kp.found(pose))
    }
    middle = _middle(pose, _BOTH_HIPS)
    return joints if np.isnan(middle).any() else {**joints, _HIPS: middle}


def _lengths(pose: np.ndarray) -> dict[int, float]:
    """Returns the length of each limb by outer joint, the longer of both sides."""
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
    """Changes the limb lengths of a pose [18, 3], and keeps the directions."""
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
    """Returns the joint, or its nearest ancestor that was found."""
    while joint is not None and joint not in joints:
        joint = _PARENTS.get(joint)
    return joint
