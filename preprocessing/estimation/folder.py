"""Estimates the pose in each image of a folder, several images at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.images import image_files as images
from preprocessing.images.image_files import SUFFIXES
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import openpose
from preprocessing.sources.samples import Notes
from preprocessing.sources.walking import image_files
from preprocessing.system.errors import InputError


class Job(NamedTuple):
    """An image, and the JSON that its pose is written to."""

    image: Path
    json: Path


def plan(place: Path, out: Path, notes: Notes) -> list[Job]:
    """Returns a job for an image, or for each image below a folder.

    Args:
        place: an image or a folder.
        out: takes the JSON, in the sub-folders that the images are in.
        notes: takes what is left out.

    Raises:
        InputError: there is no image, or one JSON would be of two.
    """
    if place.is_file():
        return [_job(place, Path(place.name), out)]
    if not place.is_dir():
        raise InputError(f"--images={place}: no such folder or file")
    jobs: dict[Path, Job] = {}
    for image in image_files(place, notes):
        job = _job(image, image.relative_to(place), out)
        if job.json in jobs:
            raise InputError(
                f"{image}: its pose would have the name of that of "
                f"{jobs[job.json].image}; rename one of the images"
            )
        jobs[job.json] = job
    if not jobs:
        raise InputError(f"--images={place}: no image there ({', '.join(SUFFIXES)})")
    return list(jobs.values())


def estimate(
    jobs: Sequence[Job],
    estimators: Sequence[PoseEstimator],
    *,
    notes: Notes,
) -> int:
    """Estimates and writes poses; nothing is written before the first person is found.

    Args:
        jobs: to do.
        estimators: alike; so many images are worked on at once.
        notes: takes the images that cannot be read; they are left out.

    Returns:
        In how many images there is a person.
    """
    idle: SimpleQueue[PoseEstimator] = SimpleQueue()
    for estimator in estimators:
        idle.put(estimator)
    people, unwritten = 0, []
    with (
        ThreadPoolExecutor(len(estimators)) as pool,
        tqdm(total=len(jobs), desc="poses", unit=" images") as progress,
    ):
        answers = [pool.submit(_estimate, job.image, idle) for job in jobs]
        try:
            for job, answer in zip(jobs, answers, strict=True):
                try:
                    pose = answer.result()
                    people += bool(kp.found(pose).any())
                    unwritten.append((job.json, pose))
                except InputError as error:
                    notes.add("unreadable images left out", str(error))
                if people:
                    _write(unwritten)
                progress.update()
        finally:
            pool.shutdown(cancel_futures=True)
    return people


def _job(image: Path, name: Path, out: Path) -> Job:
    return Job(image, out / name.parent / (name.stem + openpose.SUFFIX))


def _estimate(path: Path, idle: SimpleQueue[PoseEstimator]) -> np.ndarray:
    image = images.read(path)
    estimator = idle.get()
    try:
        return estimator.estimate(image)
    finally:
        idle.put(estimator)


def _write(unwritten: list[tuple[Path, np.ndarray]]) -> None:
    for path, pose in unwritten:
        openpose.write_json(path, pose)
    unwritten.clear()
