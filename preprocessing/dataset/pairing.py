"""Rules of pairs and of splits."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from preprocessing.poses import keypoints as kp

RULES = ("all", "torso")


def same_identity_pairs(
    identities: Sequence[str], poses: Sequence[np.ndarray], *, rule: str
) -> np.ndarray:
    """Pairs every two images of an identity, in both orders.

    Args:
        identities: Identity of each image.
        poses: float32 [18, 3] of each image.
        rule: `all`: both images have a pose (paper section 4.1); `torso`: both
            shoulders and both hips were found in both.

    Returns:
        int32 [P, 2], the positions of source and target, in ascending order.
    """
    usable = kp.has_torso if rule == "torso" else lambda pose: kp.found(pose).any()
    groups = defaultdict(list)
    for position, (identity, pose) in enumerate(zip(identities, poses, strict=True)):
        if usable(pose):
            groups[identity].append(position)
    pairs = [
        (source, target)
        for members in groups.values()
        for source in members
        for target in members
        if source != target
    ]
    return np.array(sorted(pairs), np.int32).reshape(-1, 2)


def far_apart(
    pairs: np.ndarray, poses: Sequence[np.ndarray], *, distance: float, height: int
) -> np.ndarray:
    """Keeps the pairs whose poses differ.

    Args:
        pairs: int32 [P, 2], positions among `poses`.
        poses: float32 [18, 3] of each image.
        distance: The least allowed mean distance between the keypoints that were
            found in both images, as a share of the image's height.
        height: Height of the images in pixels.

    Returns:
        Those of `pairs` that are kept, in the same order. Poses without a common
        keypoint count as different.
    """
    if not len(pairs) or distance <= 0:
        return pairs
    points = np.stack(poses)
    source, target = points[pairs[:, 0]], points[pairs[:, 1]]
    both = kp.found(source) & kp.found(target)
    apart = np.linalg.norm(source[..., :2] - target[..., :2], axis=-1) * both
    common = both.sum(axis=1)
    mean = apart.sum(axis=1) / np.maximum(common, 1) / height
    return pairs[(mean >= distance) | (common == 0)]


def capped(
    pairs: np.ndarray,
    names: Sequence[str],
    identities: Sequence[str],
    *,
    count: int,
    seed: int,
) -> np.ndarray:
    """Keeps at most `count` pairs of each identity, drawn as `drawn` does."""
    groups = defaultdict(list)
    for position, (source, _) in enumerate(pairs.tolist()):
        groups[identities[source]].append(position)
    kept = []
    for positions in groups.values():
        named = [(names[a], names[b]) for a, b in pairs[positions].tolist()]
        kept += [positions[i] for i in drawn(named, count=count, seed=seed)]
    return pairs[sorted(kept)]


def drawn(pairs: Sequence[tuple[str, str]], *, count: int, seed: int) -> list[int]:
    """Draws pairs by their names.

    The same names and seed give the same pairs on every machine, however the images
    are ordered or cut into shards.

    Args:
        pairs: Names of source and target.
        count: Number of pairs to draw.
        seed: Seed of the drawing.

    Returns:
        Positions of the drawn pairs, in ascending order; all if there are not more.
    """
    if len(pairs) <= count:
        return list(range(len(pairs)))
    lots = [
        hashlib.sha256(f"{seed}\n{source}\n{target}".encode()).digest()
        for source, target in pairs
    ]
    return sorted(sorted(range(len(pairs)), key=lots.__getitem__)[:count])


def held_out(identities: Sequence[str], *, fraction: float, seed: int) -> set[str]:
    """Draws the identities of the test split.

    Args:
        identities: All of them.
        fraction: Fraction to hold out; above 0, at least one identity of two or more.
        seed: The same seed and identities give the same split everywhere.
    """
    ordered = sorted(set(identities))
    count = round(fraction * len(ordered))
    if fraction > 0 and len(ordered) > 1:
        count = min(max(count, 1), len(ordered) - 1)
    return set(random.Random(seed).sample(ordered, count))


def in_shards(identities: Sequence[str], *, images_per_shard: int) -> Iterator[range]:
    """Cuts positions, sorted by identity, into shards that split no identity.

    Yields:
        The positions of each shard: as many whole identities as `images_per_shard`
        has room for, and at least one.
    """
    start = 0
    for end in range(1, len(identities) + 1):
        at_end = end == len(identities)
        if not at_end and identities[end] == identities[end - 1]:
            continue
        following = end
        while following < len(identities) and identities[following] == identities[end]:
            following += 1
        if at_end or following - start > images_per_shard:
            yield range(start, end)
            start = end
