"""Data sets to measure on: image files, drawn or given, and their shards."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from pg2_tf.benchmarks.measurement import Options
from pg2_tf.machine import isolated
from preprocessing.dataset import records
from preprocessing.dataset.builder import Builder
from preprocessing.dataset.settings import Settings
from preprocessing.poses.formats import annotation_csv
from preprocessing.sources import synthetic
from preprocessing.sources.samples import Sample
from preprocessing.sources.table import SOURCES
from preprocessing.system import files

# Sources whose names the drawn files have.
MEASURED_SOURCES = ("market1501", "deepfashion")
_IMAGES_PER_PERSON = 8
_DRAWN_PEOPLE = 12
_DRAWINGS_PER_PERSON = 4


class Photos(NamedTuple):
    """Image files with poses.

    Attributes:
        source: Name of the source in `preprocessing.build`.
        root: Folder of the images.
        poses: Files of poses. If empty, the poses are in `root`.
        image_size: Height and width of the prepared images in pixels.
        on: Description for the report.
    """

    source: str
    root: Path
    poses: tuple[str, ...]
    image_size: tuple[int, int]
    on: str


def photos(options: Options) -> list[Photos]:
    """Returns the image files to measure on; draws them if none are given."""
    if options.source and options.root:
        size = SOURCES[options.source].default_size(options.root)
        on = f"the files in {options.root}"
        return [Photos(options.source, options.root, options.poses, size, on)]
    return [_drawn(options, source) for source in MEASURED_SOURCES]


def stages(
    photos: Photos,
    out: Path,
    *,
    workers: int,
    change: Callable[[Iterator[Sample]], Iterator[Sample]] = iter,
) -> dict[str, Callable[[], object]]:
    """Returns the stages of building a data set at `out`, by name and in order.

    Args:
        photos: Image files and poses.
        out: Folder of the data set; an existing one is replaced.
        workers: Number of processes that prepare images.
        change: Function that selects among the samples of the source.
    """
    settings = Settings(source=photos.source, image_size=photos.image_size)
    builder = Builder(settings, out=out, overwrite=True, workers=workers)
    samples = partial(SOURCES[photos.source].samples, photos.root, builder.notes)
    return {
        "list files": lambda: builder.collect(change(samples())),
        "find poses": lambda: builder.find_poses(photos.poses or [photos.root]),
        "write shards": builder.write,
    }


def place(options: Options, photos: Photos) -> Path:
    """Returns the folder of the data set that is built from image files."""
    return options.folder / f"{photos.source}-data"


def data_sets(options: Options, *, limit: int | None = None) -> list[Path]:
    """Returns the data sets to measure on; builds them if they do not exist.

    Args:
        options: The benchmark's options.
        limit: Largest number of data sets. Default: all.
    """
    if options.data_dir:
        return [options.data_dir]
    places = []
    for some in photos(options)[:limit]:
        out = place(options, some)
        if not (out / records.MANIFEST).exists():
            isolated.call(_build, some, out, cores=options.cores)
        places.append(out)
    return places


def multiply(data_dir: Path, out: Path, num_images: int) -> None:
    """Repeats the training shards of a data set until it has enough images.

    The shards and pair indexes are hard links, which need no room on the disk.

    Args:
        data_dir: Folder of the data set.
        out: Folder of the larger one, on the same disk.
        num_images: Least number of images.
    """
    manifest = records.read_manifest(data_dir)
    train = manifest["splits"]["train"]
    shards, total, copies = [], 0, 0
    while total < num_images:
        for shard in train["shards"]:
            entry = dict(shard)
            for key in ("file", "pairs_file"):
                entry[key] = f"copy-{copies:05d}-{shard[key]}"
                os.link(data_dir / shard[key], out / entry[key])
            shards.append(entry)
            total += shard["images"]
        copies += 1
    for key in ("pairs", "identities", "images_without_person"):
        train[key] *= copies
    train |= {"images": total, "shards": shards}
    manifest["splits"] = {"train": train}
    files.write_json(out / records.MANIFEST, manifest)


def _build(photos: Photos, out: Path) -> None:
    for stage in stages(photos, out, workers=isolated.usable_cores()).values():
        stage()


def _drawn(options: Options, source: str) -> Photos:
    """Writes drawn people as files of a source: few drawings, many names."""
    root = options.folder / source
    size = SOURCES[source].default_size(root)
    count = options.num_images
    drawn = min(count, _DRAWN_PEOPLE * _DRAWINGS_PER_PERSON)
    on = f"{count:,} JPEG files of {drawn} different drawings, just written"
    csv = root / "annotation.csv"
    if not csv.exists():
        samples = synthetic.samples(
            identities=_DRAWN_PEOPLE,
            images_per_identity=_DRAWINGS_PER_PERSON,
            size=size,
            seed=0,
        )
        drawings = [(s.read(), s.pose) for s in samples if s.pose is not None]
        poses = {}
        for number, (image, pose) in enumerate(islice(cycle(drawings), count)):
            path = root / _NAMES[source](*divmod(number, _IMAGES_PER_PERSON))
            files.write_bytes(path, image)
            poses[path.name] = pose
        annotation_csv.write_csv(csv, poses)
    return Photos(source, root, (str(csv),), size, on)


def _market_name(person: int, number: int) -> str:
    folder = "bounding_box_test" if person % 10 == 9 else "bounding_box_train"
    return f"{folder}/{person + 1:04d}_c1s1_{number:06d}_00.jpg"


def _deepfashion_name(person: int, number: int) -> str:
    return f"fashionWOMENDressesid{person + 1:08d}01_{number + 1}front.jpg"


_NAMES = {"market1501": _market_name, "deepfashion": _deepfashion_name}
