"""Builds a data set: collects samples, finds poses, writes shards and pairs."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from preprocessing.dataset import preparing, reading, records, report, shards
from preprocessing.dataset.pair_index import Images, PairIndex
from preprocessing.dataset.preparing import Prepared
from preprocessing.dataset.settings import Settings
from preprocessing.dataset.shards import Journal, Shard
from preprocessing.poses import detections
from preprocessing.poses.detections import Detection
from preprocessing.poses.pose_files import PoseOptions, Poses
from preprocessing.sources.samples import Notes, Sample
from preprocessing.sources.table import SOURCES
from preprocessing.system import engines, files
from preprocessing.system.errors import InputError

REPORT = "report.txt"
# Images in a task of a worker.
_CHUNK = 16
# Fewer images take less time than the start of processes.
_FEW = 400


class Builder:
    """Builds one data set: `collect`, `find_poses` where needed, then `write`.

    Args:
        settings: Settings of the data set.
        out: Folder of the data set.
        overwrite: Whether to replace an existing data set.
        workers: Number of processes that prepare images; see `engines.start`. The
            result does not depend on it.
        engine: One of `engines.ENGINES`.
        listed: Pairs that the source itself lists, for the rule `listed`.

    Raises:
        InputError: `out` holds another data set, or a pair list is unusable.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        out: Path,
        overwrite: bool = False,
        workers: int = 1,
        engine: str = engines.LOCAL,
        listed: Sequence[tuple[str, str]] = (),
    ):
        self.settings = settings
        self.out = out
        self._overwrite = overwrite
        self._workers = workers
        self._engine = engine
        self._present = self._read_present()
        self._source = SOURCES[settings.source]
        self.notes = Notes()
        self._samples: list[Sample] = []
        self._found: dict[str, Detection] = {}
        self._pose_size = settings.pose_size
        self._index = PairIndex(settings, key=self._source.key, listed=listed)

    def collect(self, samples: Iterable[Sample]) -> None:
        """Collects the samples of a source.

        Raises:
            InputError: There is no sample, or two have the same name.
        """
        self._samples = list(tqdm(samples, desc="images", unit=" images", leave=False))
        if not self._samples:
            passed = "; ".join(self.notes.counted())
            raise InputError(f"no image to use was found{': ' * bool(passed)}{passed}")
        name, count = Counter(s.name for s in self._samples).most_common(1)[0]
        if count > 1:
            raise InputError(f"{name}: {count} images have this name")
        for sample in self._samples:
            if sample.pose is not None:
                self._found[sample.name] = detections.detection([sample.pose])

    def find_poses(
        self, paths: Sequence[str | Path], options: PoseOptions | None = None
    ) -> None:
        """Reads the people in every sample from annotation files.

        Raises:
            InputError: No file holds poses, or none belongs to these images.
        """
        poses = Poses(
            paths,
            key=self._source.key,
            options=options or PoseOptions(),
            images=[sample.name for sample in self._samples],
        )
        for sample in tqdm(self._samples, desc="poses", unit=" images", leave=False):
            found = poses.find(sample.name)
            if found is None:
                self.notes.add("images without an annotation", sample.name)
            elif not len(found.people):
                self.notes.add("images in which no person was found", sample.name)
            else:
                self._found[sample.name] = found
        for line in poses.describe():
            self.notes.say(line)
        if not self._found:
            raise InputError(
                f"{', '.join(map(str, paths))}: 0 of {len(self._samples):,} images "
                f"have a pose there ({'; '.join(self.notes.counted())})"
            )
        if not self._pose_size and self._source.pose_size:
            pixels = [f.people for f in self._found.values() if not f.normalized]
            self._pose_size = self._source.pose_size(pixels)
        if self._pose_size:
            height, width = self._pose_size
            self.notes.say(f"poses are taken as found in images of {height}x{width}")
        preparing.require_poses_inside(self._samples, self._found, self._preparation())

    def write(self) -> str:
        """Writes shards and pair indices, then the manifest; returns the report.

        Resumes an interrupted build, and does nothing if the data set is complete.

        Raises:
            InputError: No image can be read, there is no pair, or the folder holds
                another data set.
        """
        planned = list(shards.plan(self._samples, self.settings, self.notes))
        fingerprint = self._fingerprint(planned)
        if self._present and not self._overwrite:
            return self._unchanged(fingerprint)
        self.out.mkdir(parents=True, exist_ok=True)
        self._clear()
        journal = Journal(self.out)
        done = journal.begin(fingerprint, [shard.stem for shard in planned])
        entries, images = self._write_shards(planned, journal, done)
        if not any(len(part.names) for part in images):
            raise InputError(f"no image can be read: {'; '.join(self.notes.counted())}")
        splits = [shard.split for shard in planned]
        pairs = self._index.pairs(splits, images, self.notes)
        for entry, shard, index in zip(entries, planned, pairs, strict=True):
            entry.update(shards.write_pairs(self.out, shard.stem, index))
        summary = report.summarize(splits, entries, images)
        described = report.describe(
            self.settings,
            summary,
            self._index,
            self.notes,
            expected=self._source.expected,
        )
        files.write_text(self.out / REPORT, described + "\n")
        files.write_json(
            self.out / records.MANIFEST, self._manifest(summary, fingerprint)
        )
        journal.end()
        return described

    def _read_present(self) -> dict[str, Any]:
        """Returns the manifest of an existing data set with the same settings."""
        if not (self.out / records.MANIFEST).exists() or self._overwrite:
            return {}
        manifest = records.read_manifest(self.out)
        theirs, ours = manifest.get("settings", {}), self.settings.as_json()
        for name, value in ours.items():
            if theirs.get(name) != value:
                raise InputError(
                    f"{self.out}: was built with {name}={theirs.get(name)}, not "
                    f"{value}; use --overwrite or another --out"
                )
        return manifest

    def _unchanged(self, fingerprint: str) -> str:
        if self._present.get("fingerprint") != fingerprint:
            raise InputError(
                f"{self.out}: was built from other images, poses or pairs; use "
                "--overwrite or another --out"
            )
        for split in self._present["splits"].values():
            for entry in split["shards"]:
                for name in (entry["file"], entry["pairs_file"]):
                    if not (self.out / name).exists():
                        raise InputError(
                            f"{self.out / name}: missing, though the manifest names "
                            "it; build again with --overwrite"
                        )
        report_path = self.out / REPORT
        said = report_path.read_text(encoding="utf-8") if report_path.exists() else ""
        return f"{said}{self.out}: unchanged; nothing to do"

    def _fingerprint(self, planned: list[Shard]) -> str:
        """Returns a checksum of everything that the data set depends on."""
        digest = hashlib.sha256()
        settings = [records.SCHEMA_VERSION, self.settings.as_json(), self._pose_size]
        digest.update(json.dumps([settings, self._index.rows()]).encode())
        for shard in planned:
            for sample in shard.samples:
                row = (shard.stem, sample.name, sample.identity, sample.version)
                digest.update(json.dumps(row).encode())
                if found := self._found.get(sample.name):
                    digest.update(f"{found.normalized}{len(found.people)}".encode())
                    digest.update(found.people.tobytes() + found.scores.tobytes())
                    if found.size:
                        digest.update(str(found.size).encode())
        return digest.hexdigest()

    def _clear(self) -> None:
        # The manifest first; whole shards only of a data set that may be replaced.
        patterns = [records.MANIFEST, REPORT, ".*.tmp"]
        if self._overwrite:
            patterns += [f"{split}-?????-of-?????.*" for split in ("train", "test")]
        for pattern in patterns:
            for path in list(self.out.glob(pattern)):
                path.unlink()

    def _write_shards(
        self, planned: list[Shard], journal: Journal, done: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], list[Images]]:
        """Writes the shards that are not done; returns entries and images of all."""
        left = [shard for shard in planned if shard.stem not in done]
        samples = [sample for shard in left for sample in shard.samples]
        few = self._engine == engines.LOCAL and len(samples) < _FEW
        entries, images = [], []
        with (
            tqdm(total=len(self._samples), desc="records", unit=" images") as progress,
            engines.start(self._engine, workers=1 if few else self._workers) as mapped,
        ):
            prepared = self._prepare(samples, mapped)
            for shard in planned:
                if shard.stem in done:
                    progress.update(len(shard.samples))
                    entry, part = self._read_shard(done[shard.stem])
                else:
                    some = islice(prepared, len(shard.samples))
                    entry, part = self._write_shard(shard, some, journal, progress)
                entries.append(entry)
                images.append(part)
        return entries, images

    def _prepare(
        self, samples: list[Sample], mapped: engines.Map
    ) -> Iterator[Prepared]:
        """Prepares images in order."""
        found = [(sample, self._found.get(sample.name)) for sample in samples]
        function = partial(preparing.prepare, preparation=self._preparation())
        return iter(mapped(function, found, chunk=_CHUNK))

    def _read_shard(self, done: dict[str, Any]) -> tuple[dict[str, Any], Images]:
        """Reads a finished shard from its entry in the journal."""
        self.notes.merge(Notes.from_json(done["notes"]))
        stored = reading.read_shard(
            self.out / done["shard"]["file"],
            count=done["shard"]["images"],
            size=self.settings.image_size,
        )
        return done["shard"], Images.of(stored)

    def _write_shard(
        self,
        shard: Shard,
        prepared: Iterable[Prepared],
        journal: Journal,
        progress: tqdm,
    ) -> tuple[dict[str, Any], Images]:
        notes, written = Notes(), []

        def examples() -> Iterator[bytes]:
            for record, noted in prepared:
                notes.merge(noted)
                progress.update()
                if record:
                    written.append(record)
                    yield shards.serialize(record)

        entry = shards.write_shard(self.out, shard.stem, examples())
        journal.finish(shard.stem, {"shard": entry, "notes": notes.as_json()})
        self.notes.merge(notes)
        return dict(entry), Images.of(written)

    def _preparation(self) -> preparing.Preparation:
        return preparing.Preparation(
            size=self.settings.image_size,
            fit=self.settings.fit,
            person=self.settings.person,
            min_confidence=self.settings.min_confidence,
            pose_size=self._pose_size,
        )

    def _manifest(self, splits: dict[str, Any], fingerprint: str) -> dict[str, Any]:
        return {
            "schema_version": records.SCHEMA_VERSION,
            "source": self.settings.source,
            "image_size": list(self.settings.image_size),
            "settings": self.settings.as_json(),
            "fingerprint": fingerprint,
            "versions": report.versions(),
            "notes": dict(self.notes.counts),
            "splits": splits,
        }
