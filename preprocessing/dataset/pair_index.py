"""The pairs of a data set: by a rule or from a list, limited in number."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.dataset import pairing
from preprocessing.dataset.records import Record
from preprocessing.dataset.settings import Settings
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

PICKLES = (".p", ".pkl")
COLUMNS = ("from", "to")


class PairList:
    """Listed pairs, found again among images by name.

    Args:
        origin: Origin of the list, for messages.
        rows: Names of source and target.
        key: Function from a name to its lookup key.
    """

    def __init__(
        self,
        origin: str | Path,
        rows: Sequence[tuple[str, str]],
        *,
        key: Callable[[str], str],
    ):
        self.origin = str(origin)
        self._key = key
        self.rows = [(key(source), key(target)) for source, target in rows]
        self.used = 0

    def pairs(
        self, names: Sequence[str], poses: Sequence[np.ndarray], notes: Notes
    ) -> np.ndarray:
        """Returns the rows whose two images are among `names`, int32 [P, 2]."""
        position = {self._key(name): index for index, name in enumerate(names)}
        chosen: dict[tuple[int, int], None] = {}
        for source, target in self.rows:
            if source not in position or target not in position:
                continue
            self.used += 1
            pair = position[source], position[target]
            if source == target:
                notes.add("listed pairs of an image with itself left out", source)
            elif pair in chosen:
                notes.add("pairs listed twice left out", names[pair[0]])
            elif all(kp.found(poses[index]).any() for index in pair):
                chosen[pair] = None
            else:
                notes.add("listed pairs without a pose left out", names[pair[0]])
        return np.array(list(chosen), np.int32).reshape(-1, 2)


def read(path: str | Path) -> list[tuple[str, str]]:
    """Reads a file of pairs.

    Args:
        path: A CSV with the columns `from` and `to` (others are skipped), as PATN
            and pose-gan publish them, or a `p_pairs_*.p` of the released code.

    Returns:
        The names of source and target of each.

    Raises:
        InputError: The file cannot be read or lists no pairs.
    """
    path = Path(path)
    rows = (
        pickles.read_pairs(path) if path.suffix.lower() in PICKLES else _read_csv(path)
    )
    if not rows:
        raise InputError(f"{path}: lists no pairs")
    return rows


def _read_csv(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise InputError(
                    f"{path}: a list of pairs needs the columns {','.join(COLUMNS)}; "
                    f"got {reader.fieldnames}"
                )
            rows = [(row["from"], row["to"]) for row in reader]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV text file ({error})") from error
    if not all(all(row) for row in rows):
        raise InputError(f"{path}: a row has no name under from or to")
    return rows


LISTED = "listed"


@dataclass(frozen=True)
class Images:
    """What pairs are made of, for the images of a shard in order.

    Attributes:
        names, identities: Name and identity of each image.
        poses: float32 [18, 3] of each, as stored.
    """

    names: list[str]
    identities: list[str]
    poses: list[np.ndarray]

    @classmethod
    def of(cls, stored: Iterable[Record]) -> "Images":
        """Returns those of records."""
        rows = [(image.name, image.identity, image.pose) for image in stored]
        names, identities, poses = zip(*rows, strict=True) if rows else ((), (), ())
        return cls(list(names), list(identities), list(poses))


class PairIndex:
    """Chooses the pairs of each split.

    Args:
        settings: Settings of the data set.
        key: Function from a name to its lookup key.
        listed: The pairs that the source itself lists: those of the rule `listed`.

    Attributes:
        lists: The lists that pairs are taken from.

    Raises:
        InputError: A pair list is unusable.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        key: Callable[[str], str],
        listed: Sequence[tuple[str, str]] = (),
    ):
        self._settings = settings
        self._key = key
        self._listed = listed
        named = {"train": settings.pairs, "test": settings.test_pairs}
        # Both splits may name one list, which is then read once.
        rules = {rule: self._rule(rule) for rule in named.values()}
        self._rules = {split: rules[rule] for split, rule in named.items()}
        self.lists = [rule for rule in rules.values() if isinstance(rule, PairList)]

    def rows(self) -> list[Any]:
        """Returns the rows of all lists, for a fingerprint."""
        return [pairs.rows for pairs in self.lists]

    def pairs(
        self, splits: Sequence[str], shards: Sequence[Images], notes: Notes
    ) -> list[np.ndarray]:
        """Returns the pairs of each shard, int32 [P, 2] of positions in it.

        Args:
            splits: Which split each shard belongs to.
            shards: Images of each shard.
            notes: Collects notes about pairs that are left out.

        Raises:
            InputError: There is not a single pair.
        """
        chosen = [
            self._thinned(self._of_shard(self._rules[split], images, notes), images)
            for split, images in zip(splits, shards, strict=True)
        ]
        if not any(len(pairs) for pairs in chosen):
            raise InputError(
                f"no pairs at all under pairs={self._settings.pairs}: each needs two "
                f"images of one person with poses ({'; '.join(notes.counted())})"
            )
        if self._settings.num_test_pairs is None:
            return chosen
        return self._drawn(splits, shards, chosen, self._settings.num_test_pairs)

    def _rule(self, rule: str) -> str | PairList:
        if rule in pairing.RULES:
            return rule
        if rule == LISTED and self._listed:
            return PairList(self._settings.source, self._listed, key=self._key)
        if not Path(rule).is_file():
            raise InputError(
                f"pairs={rule}: neither a rule ({', '.join(pairing.RULES)}) nor a file"
                + f"; {self._settings.source} lists no pairs" * (rule == LISTED)
            )
        return PairList(rule, read(rule), key=self._key)

    def _of_shard(
        self, rule: str | PairList, images: Images, notes: Notes
    ) -> np.ndarray:
        if isinstance(rule, PairList):
            return rule.pairs(images.names, images.poses, notes)
        return pairing.same_identity_pairs(images.identities, images.poses, rule=rule)

    def _thinned(self, pairs: np.ndarray, images: Images) -> np.ndarray:
        settings = self._settings
        pairs = pairing.far_apart(
            pairs,
            images.poses,
            distance=settings.min_pose_distance,
            height=settings.image_size[0],
        )
        if not settings.max_pairs_per_identity:
            return pairs
        return pairing.capped(
            pairs,
            images.names,
            images.identities,
            count=settings.max_pairs_per_identity,
            seed=settings.seed,
        )

    def _drawn(
        self,
        splits: Sequence[str],
        shards: Sequence[Images],
        chosen: list[np.ndarray],
        count: int,
    ) -> list[np.ndarray]:
        """Draws so many of the test pairs, over all shards."""
        places = [
            (shard, row)
            for shard, split in enumerate(splits)
            if split == "test"
            for row in range(len(chosen[shard]))
        ]
        named = []
        for shard, row in places:
            source, target = chosen[shard][row]
            names = shards[shard].names
            named.append((names[source], names[target]))
        kept = pairing.drawn(named, count=count, seed=self._settings.seed)
        rows: dict[int, list[int]] = defaultdict(list)
        for shard, row in (places[position] for position in kept):
            rows[shard].append(row)
        return [
            pairs[rows[shard]] if split == "test" else pairs
            for shard, (split, pairs) in enumerate(zip(splits, chosen, strict=True))
        ]
