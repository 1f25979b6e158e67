"""The shards of a data set: their images, their files, and a journal of a build."""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from preprocessing.dataset import pairing
from preprocessing.dataset.records import Record
from preprocessing.dataset.settings import Settings
from preprocessing.sources.samples import Notes, Sample
from preprocessing.system import files, host

SPLITS = ("train", "test")
_JOURNAL = ".build"
_PLAN = "plan.json"


@dataclass(frozen=True)
class Shard:
    """A shard to write.

    Attributes:
        split: `train` or `test`.
        stem: File name without suffix.
        samples: Images in the order of the records.
    """

    split: str
    stem: str
    samples: list[Sample]


def plan(
    samples: Sequence[Sample], settings: Settings, notes: Notes
) -> Iterator[Shard]:
    """Assigns images to splits and shards. All images of an identity share a shard.

    Args:
        samples: All images.
        settings: Settings of the data set.
        notes: Collects notes about images that are left out.
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


def serialize(record: Record) -> bytes:
    """Returns a record as a serialized tf.train.Example."""
    features = {
        "name": _bytes(record.name.encode()),
        "identity": _bytes(record.identity.encode()),
        "image": _bytes(record.image),
        "keypoints": tf.train.Feature(
            float_list=tf.train.FloatList(value=record.pose.reshape(-1).tolist())
        ),
        "heatmaps": _bytes(record.heatmaps),
        "mask": _bytes(record.mask),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def write_shard(
    directory: Path, stem: str, examples: Iterable[bytes]
) -> dict[str, Any]:
    """Writes a shard atomically.

    Args:
        directory: Folder of the data set.
        stem: File name without suffix.
        examples: Serialized records.

    Returns:
        Entry of the shard in the manifest: file, number of images, bytes, checksum.
    """

    def write(path: Path) -> None:
        with host.writing(shard), tf.io.TFRecordWriter(str(path)) as writer:
            for example in examples:
                writer.write(example)
                counts.append(len(example))

    counts: list[int] = []
    shard = directory / f"{stem}.tfrecord"
    files.write_atomically(shard, write)
    return {
        "file": shard.name,
        "images": len(counts),
        "bytes": os.path.getsize(shard),
        "sha256": files.sha256(shard),
    }


def write_pairs(directory: Path, stem: str, pairs: np.ndarray) -> dict[str, Any]:
    """Writes the pair index of a shard atomically.

    Args:
        directory: Folder of the data set.
        stem: File name without suffix.
        pairs: Positions of source and target in the shard, int [P, 2].

    Returns:
        Fields of the shard's entry in the manifest: file and number of pairs.
    """

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, pairs.astype(np.int32))

    index = directory / f"{stem}.pairs.npy"
    files.write_atomically(index, write)
    return {"pairs_file": index.name, "pairs": len(pairs)}


class Journal:
    """Lists the shards that a build has finished, in the folder `.build`.

    Args:
        out: Folder of the data set.
    """

    def __init__(self, out: Path):
        self._out = out
        self._folder = out / _JOURNAL

    def begin(self, fingerprint: str, stems: list[str]) -> dict[str, dict[str, Any]]:
        """Starts a build or resumes the one with this fingerprint.

        Deletes the files of an interrupted build with another fingerprint.

        Args:
            fingerprint: Checksum of everything that the shards depend on.
            stems: File names of the shards without suffix.

        Returns:
            Entries of the finished shards, as given to `finish`, by stem.
        """
        plan = _read(self._folder / _PLAN)
        if plan.get("fingerprint") == fingerprint:
            kept = {stem: _read(self._entry(stem)) for stem in stems}
            return {stem: done for stem, done in kept.items() if self._whole(done)}
        for stem in plan.get("stems", []):
            for path in self._out.glob(f"{stem}.*"):
                path.unlink()
        self.end()
        content = {"fingerprint": fingerprint, "stems": stems}
        files.write_json(self._folder / _PLAN, content)
        return {}

    def finish(self, stem: str, done: dict[str, Any]) -> None:
        """Adds a finished shard; `done["shard"]` is its entry in the manifest."""
        files.write_json(self._entry(stem), done)

    def end(self) -> None:
        """Deletes the journal."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _entry(self, stem: str) -> Path:
        return self._folder / f"{stem}.json"

    def _whole(self, done: dict[str, Any]) -> bool:
        if not done:
            return False
        path = self._out / done["shard"]["file"]
        return path.exists() and files.sha256(path) == done["shard"]["sha256"]


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


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _read(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file, or an empty one if it is missing or torn."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
