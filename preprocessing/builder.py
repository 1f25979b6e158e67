"""Builds a data set: collects samples, finds poses, splits, pairs, writes, reports."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from preprocessing import files, fitting, pairing, records, report
from preprocessing import keypoints as kp
from preprocessing.errors import InputError
from preprocessing.poses import Poses, default_key
from preprocessing.samples import Notes, Sample
from preprocessing.sources.table import SOURCES

SPLITS = ("train", "test")
REPORT = "report.txt"


@dataclass(frozen=True)
class Settings:
    """What a data set is made with; the manifest keeps it.

    Attributes:
        source: name of the source.
        image_size: height and width in pixels.
        pairs, test_pairs: `all`, `torso` or the path of a CSV of pairs.
        test_fraction: share of identities held out where the source does not say.
        images_per_shard: about how many images a shard holds.
        seed: of the split.
        fit: how images of another size come to `image_size`: `pad` or `stretch`.
    """

    source: str
    image_size: tuple[int, int]
    pairs: str = "all"
    test_pairs: str = "all"
    test_fraction: float = 0.1
    images_per_shard: int = 1024
    seed: int = 0
    fit: str = "pad"


class Builder:
    """Builds one data set: `collect`, `find_poses` where needed, then `write`.

    Args:
        settings: what to make.
        out: the folder to make it in.
        overwrite: whether a data set that is there may be replaced.

    Raises:
        InputError: `out` holds a data set already, or a pair list is unusable.
    """

    def __init__(self, settings: Settings, *, out: Path, overwrite: bool = False):
        if (out / records.MANIFEST).exists() and not overwrite:
            raise InputError(
                f"{out}: holds a data set; give another --out, or --overwrite"
            )
        self.settings = settings
        self.out = out
        self._overwrite = overwrite
        self.notes = Notes()
        source = SOURCES.get(settings.source)
        self._key: Callable[[str], str] = source.key if source else default_key
        self._samples: list[Sample] = []
        self._poses: dict[str, np.ndarray] = {}
        self._rules = {
            split: rule if rule in pairing.RULES else self._pair_list(rule)
            for split, rule in zip(
                SPLITS, (settings.pairs, settings.test_pairs), strict=True
            )
        }

    def collect(self, samples: Iterable[Sample]) -> None:
        """Takes in what a source yields.

        Raises:
            InputError: it yields nothing, or two images of one name.
        """
        self._samples = list(tqdm(samples, desc="images", unit=" images", leave=False))
        if not self._samples:
            passed = "; ".join(self.notes.lines())
            raise InputError(f"no image to use was found{': ' * bool(passed)}{passed}")
        name, count = Counter(s.name for s in self._samples).most_common(1)[0]
        if count > 1:
            raise InputError(f"{name}: {count} images have this name")
        for sample in self._samples:
            if sample.pose is not None:
                self._poses[sample.name] = kp.clean(sample.pose)

    def find_poses(self, paths: Sequence[str | Path]) -> None:
        """Looks up the pose of every sample in annotation files.

        Raises:
            InputError: no file holds poses, or none of them is of these images.
        """
        poses = Poses(paths, key=self._key)
        for sample in tqdm(self._samples, desc="poses", unit=" images", leave=False):
            detection = poses.find(sample.name)
            if detection is None:
                self.notes.add("images without an annotation", sample.name)
            elif detection.pose is None:
                self.notes.add("images in which no person was found", sample.name)
            else:
                self._poses[sample.name] = detection.pose
                if detection.people > 1:
                    self.notes.add(
                        "images with several people: the most confident was taken",
                        sample.name,
                    )
        if not self._poses:
            raise InputError(
                f"{', '.join(map(str, paths))}: 0 of {len(self._samples):,} images "
                f"have a pose there ({'; '.join(self.notes.lines())})"
            )

    def write(self) -> str:
        """Writes shards and pair indices, then the manifest; returns the report.

        Raises:
            InputError: no image can be read, or there is not a single pair.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        self._clear()
        splits = {}
        with tqdm(total=len(self._samples), desc="records", unit=" images") as progress:
            for split, samples in self._split().items():
                splits[split] = self._write_split(split, samples, progress)
        if not sum(split["images"] for split in splits.values()):
            raise InputError(f"no image can be read: {'; '.join(self.notes.lines())}")
        if not sum(split["pairs"] for split in splits.values()):
            raise InputError(
                f"no pairs at all under pairs={self.settings.pairs}: each needs two "
                f"images of one person with poses ({'; '.join(self.notes.lines())})"
            )
        described = report.describe(
            self.settings.source,
            self.settings.image_size,
            splits,
            [rule for rule in self._rules.values() if not isinstance(rule, str)],
            self.notes,
        )
        files.write_text(self.out / REPORT, described + "\n")
        files.write_json(self.out / records.MANIFEST, self._manifest(splits))
        return described

    def _pair_list(self, path: str) -> pairing.PairList:
        if not Path(path).exists():
            raise InputError(
                f"pairs={path}: neither a rule ({', '.join(pairing.RULES)}) nor a file"
            )
        return pairing.PairList(path, key=self._key)

    def _clear(self) -> None:
        # The manifest first; whole shards only of a data set that may be replaced.
        shards = "-?????-of-?????."
        patterns = [records.MANIFEST, REPORT]
        patterns += [f".{split}{shards}*.tmp" for split in SPLITS]
        if self._overwrite:
            patterns += [f"{split}{shards}*" for split in SPLITS]
        for pattern in patterns:
            for path in list(self.out.glob(pattern)):
                path.unlink()

    def _split(self) -> dict[str, list[Sample]]:
        undecided = [s.identity for s in self._samples if s.split is None]
        test = pairing.held_out(
            undecided, fraction=self.settings.test_fraction, seed=self.settings.seed
        )
        splits: dict[str, list[Sample]] = defaultdict(list)
        for sample in self._samples:
            own = "test" if sample.identity in test else "train"
            splits[sample.split or own].append(sample)
        return {
            split: sorted(splits[split], key=lambda s: (s.identity, s.name))
            for split in SPLITS
            if splits[split]
        }

    def _write_split(
        self, split: str, samples: list[Sample], progress: tqdm
    ) -> dict[str, Any]:
        shards = list(
            pairing.in_shards(
                [sample.identity for sample in samples],
                images_per_shard=self.settings.images_per_shard,
            )
        )
        entries, joints, identities = [], [], set()
        for number, positions in enumerate(shards):
            chosen = []
            for position in positions:
                if record := self._read(samples[position]):
                    chosen.append(record)
                else:
                    progress.update()
            stem = f"{split}-{number:05d}-of-{len(shards):05d}"
            pairs = self._pairs(split, chosen)
            examples = (self._serialize(record, progress) for record in chosen)
            entries.append(records.write_shard(self.out, stem, examples, pairs))
            joints += [int(kp.found(record.pose).sum()) for record in chosen]
            identities |= {record.identity for record in chosen}
        with_person = [count for count in joints if count]
        return {
            "images": len(joints),
            "identities": len(identities),
            "images_without_person": len(joints) - len(with_person),
            "mean_joints": float(np.mean(with_person)) if with_person else 0.0,
            "pairs": sum(entry["pairs"] for entry in entries),
            "shards": entries,
        }

    def _serialize(self, record: records.Record, progress: tqdm) -> bytes:
        progress.update()
        return records.serialize(record, size=self.settings.image_size)

    def _read(self, sample: Sample) -> records.Record | None:
        size = self.settings.image_size
        try:
            image, fitted = fitting.fit_jpeg(
                sample.read(), size, name=sample.name, mode=self.settings.fit
            )
        except InputError as error:
            self.notes.add("unreadable images left out", str(error))
            return None
        except OSError as error:
            self.notes.add("unreadable images left out", f"{sample.name}: {error}")
            return None
        pose = self._poses.get(sample.name, kp.missing_pose())
        if fitted.size != size:
            came = "{}x{}".format(*fitted.size)
            how = ", padded to these proportions" * (fitted.padded != fitted.size)
            self.notes.add(
                f"images resized from {came} to {size[0]}x{size[1]}{how}", sample.name
            )
        return records.Record(
            sample.name, sample.identity, image, fitting.fit_pose(pose, fitted)
        )

    def _pairs(self, split: str, chosen: list[records.Record]) -> np.ndarray:
        rule = self._rules[split]
        poses = [record.pose for record in chosen]
        if isinstance(rule, pairing.PairList):
            return rule.pairs([record.name for record in chosen], poses, self.notes)
        identities = [record.identity for record in chosen]
        return pairing.same_identity_pairs(identities, poses, rule=rule)

    def _manifest(self, splits: dict[str, Any]) -> dict[str, Any]:
        return {
            "schema_version": records.SCHEMA_VERSION,
            "source": self.settings.source,
            "image_size": list(self.settings.image_size),
            "settings": asdict(self.settings),
            "versions": report.versions(),
            "notes": dict(self.notes.counts),
            "splits": splits,
        }
