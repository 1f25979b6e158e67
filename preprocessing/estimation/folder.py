"""Estimates the pose in each image of a folder, several images at once."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.images import image_files
from preprocessing.images.image_files import SUFFIXES
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import openpose
from preprocessing.sources import samples
from preprocessing.sources.samples import Notes
from preprocessing.system import engines
from preprocessing.system.errors import InputError

# Fewer images take less time than the start of processes.
_FEW = 32


class Job(NamedTuple):
    """An image, and the JSON file for its pose."""

    image: Path
    json: Path


class Model(NamedTuple):
    """Arguments of `PoseEstimator`: a model file, and the least confidence."""

    path: Path
    min_confidence: float


def plan(place: Path, out: Path, notes: Notes) -> list[Job]:
    """Returns a job for an image, or for each image below a folder.

    Args:
        place: Image or folder.
        out: Folder of the JSON files; it gets the subfolders of the images.
        notes: Collects notes about files that are left out.

    Raises:
        InputError: There is no image, or two images have the same JSON file.
    """
    if place.is_file():
        return [_job(place, Path(place.name), out)]
    if not place.is_dir():
        raise InputError(f"--images={place}: no such folder or file")
    jobs: dict[Path, Job] = {}
    for image in samples.image_files(place, notes):
        job = _job(image, image.relative_to(place), out)
        if job.json in jobs:
            raise InputError(
                f"{image}: its pose would have the same file name as that of "
                f"{jobs[job.json].image}; rename one of the images"
            )
        jobs[job.json] = job
    if not jobs:
        raise InputError(f"--images={place}: no image there ({', '.join(SUFFIXES)})")
    return list(jobs.values())


def estimate(
    jobs: Sequence[Job],
    model: Model,
    *,
    notes: Notes,
    engine: str = engines.LOCAL,
    workers: int = 1,
) -> int:
    """Estimates and writes poses; nothing is written before the first person is found.

    Args:
        jobs: Images and the files for their poses.
        model: Model that estimates the poses.
        notes: Collects notes about images that cannot be read; they are left out.
        engine: One of `engines.ENGINES`.
        workers: Number of processes; see `engines.start`.

    Returns:
        Number of images with a person.
    """
    people, unwritten = 0, []
    few = engine == engines.LOCAL and len(jobs) < _FEW
    with (
        engines.start(engine, workers=1 if few else workers) as mapped,
        tqdm(total=len(jobs), desc="poses", unit=" images") as progress,
    ):
        paths = [job.image for job in jobs]
        poses = mapped(partial(_estimate, model), paths)
        for job, pose in zip(jobs, poses, strict=True):
            if isinstance(pose, str):
                notes.add("unreadable images left out", pose)
            else:
                people += bool(kp.found(pose).any())
                unwritten.append((job.json, pose))
            if people:
                _write(unwritten)
            progress.update()
    return people


@lru_cache(maxsize=1)
def estimator(model: Model) -> PoseEstimator:
    """Returns the estimator of this process."""
    return PoseEstimator(model.path, min_confidence=model.min_confidence)


def _job(image: Path, name: Path, out: Path) -> Job:
    return Job(image, out / name.parent / (name.stem + openpose.SUFFIX))


def _estimate(model: Model, path: Path) -> np.ndarray | str:
    """Returns the pose in an image, or why the image cannot be read."""
    try:
        image = image_files.read(path)
    except InputError as error:
        return str(error)
    return estimator(model).estimate(image)


def _write(unwritten: list[tuple[Path, np.ndarray]]) -> None:
    for path, pose in unwritten:
        openpose.write_json(path, pose)
    unwritten.clear()
