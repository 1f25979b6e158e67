"""Which image goes into which split and which shard."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from preprocessing.dataset import pairing
from preprocessing.dataset.settings import Settings
from preprocessing.sources.samples import Notes, Sample

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Shard:
    """A shard that is to be made.

    Attributes:
        split: `train` or `test`.
        stem: First part of the names of its files.
        samples: the images in it, in order.
    """

    split: str
    stem: str
    samples: list[Sample]


def plan(
    samples: Sequence[Sample], settings: Settings, notes: Notes
) -> Iterator[Shard]:
    """Lays out the shards of a data set: no identity is in two of them.

    Args:
        samples: all images.
        settings: Settings of the data set.
        notes: takes what is left out.
    """
    splits = _split(samples, settings)
    tested = {sample.identity for sample in splits["test"]}
    for sample in splits["train"]:
        if sample.identity in tested:
            notes.add(
                "training images left out because the test split holds their identity",
                sample.name,
            )
    kept = {
        "train": [s for s in splits["train"] if s.identity not in tested],
        "test": splits["test"],
    }
    for split in SPLITS:
        ordered = sorted(kept[split], key=lambda s: (s.identity, s.name))
        cuts = list(
            pairing.in_shards(
                [sample.identity for sample in ordered],
                images_per_shard=settings.images_per_shard,
            )
        )
        for number, positions in enumerate(cuts):
            stem = f"{split}-{number:05d}-of-{len(cuts):05d}"
            yield Shard(split, stem, [ordered[position] for position in positions])


def _split(samples: Sequence[Sample], settings: Settings) -> dict[str, list[Sample]]:
    undecided = [s.group or s.identity for s in samples if s.split is None]
    test = pairing.held_out(
        undecided, fraction=settings.test_fraction, seed=settings.seed
    )
    splits: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        own = "test" if (sample.group or sample.identity) in test else "train"
        splits[sample.split or own].append(sample)
    return splits
