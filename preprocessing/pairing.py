"""Which two images make a pair, and which identities are held out."""

import csv
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from preprocessing import keypoints as kp
from preprocessing.errors import InputError
from preprocessing.samples import Notes

RULES = ("all", "torso")


def same_identity_pairs(
    identities: Sequence[str], poses: Sequence[np.ndarray], *, rule: str
) -> np.ndarray:
    """Pairs every two images of an identity, in both orders.

    Args:
        identities: of each image.
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


class PairList:
    """The pairs of a CSV with the columns `from` and `to`.

    Args:
        path: the CSV.
        key: turns a name into what it is looked up by.

    Raises:
        InputError: the file cannot be read or lacks a column.
    """

    def __init__(self, path: str | Path, *, key: Callable[[str], str]):
        self.path = path
        self._key = key
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                if not {"from", "to"} <= set(reader.fieldnames or ()):
                    raise InputError(
                        f"{path}: a list of pairs needs the columns from,to; "
                        f"got {reader.fieldnames}"
                    )
                rows = [(row["from"], row["to"]) for row in reader]
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: not a CSV text file ({error})") from error
        if not all(all(row) for row in rows):
            raise InputError(f"{path}: a row has no name under from or to")
        self.rows = [(key(source), key(target)) for source, target in rows]
        self.used = 0

    def pairs(
        self, names: Sequence[str], poses: Sequence[np.ndarray], notes: Notes
    ) -> np.ndarray:
        """Returns the rows whose two images are among `names`, int32 [P, 2]."""
        position = {self._key(name): index for index, name in enumerate(names)}
        chosen = []
        for source, target in self.rows:
            if source not in position or target not in position:
                continue
            self.used += 1
            pair = position[source], position[target]
            if source == target:
                notes.add("listed pairs of an image with itself left out", source)
            elif all(kp.found(poses[index]).any() for index in pair):
                chosen.append(pair)
            else:
                notes.add("listed pairs without a pose left out", names[pair[0]])
        return np.array(chosen, np.int32).reshape(-1, 2)


def held_out(identities: Sequence[str], *, fraction: float, seed: int) -> set[str]:
    """Draws the identities of the test split.

    Args:
        identities: all of them.
        fraction: the share held out; at least one where it is above 0 and there are
            two or more.
        seed: the same seed and identities give the same split everywhere.
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
