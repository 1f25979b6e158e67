r"""Finds the pose in each image with MoveNet and writes it in OpenPose's format.

    python -m preprocessing.estimate_pose --images=photos --out=poses

writes `poses/anna/01_keypoints.json` for `photos/anna/01.jpg`. The model (3 MB)
is downloaded once. The same command resumes an interrupted run.
"""

import os
import time
from pathlib import Path

from absl import flags

from preprocessing.estimation import folder
from preprocessing.estimation.movenet import (
    MIN_CONFIDENCE,
    PoseEstimator,
    model_path,
)
from preprocessing.poses.pose_files import read_one
from preprocessing.sources.samples import Notes
from preprocessing.system import command, files
from preprocessing.system.errors import InputError

_IMAGES = flags.DEFINE_string(
    "images", None, "An image, or a folder that is searched with its subfolders."
)
_OUT = flags.DEFINE_string("out", None, "Folder to write to.")
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "A MoveNet SinglePose model (.tflite). Default: Lightning int8, downloaded once.",
)
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir",
    None,
    "Folder that keeps the downloaded model. Default: $XDG_CACHE_HOME/pg2_tf or "
    "~/.cache/pg2_tf.",
)
_MIN_CONFIDENCE = flags.DEFINE_float(
    "min_confidence",
    MIN_CONFIDENCE,
    "Keypoints with a lower confidence count as not found.",
    lower_bound=0,
    upper_bound=1,
)
_WORKERS = flags.DEFINE_integer(
    "workers",
    os.cpu_count() or 1,
    "Number of images processed at once; the poses do not depend on it.",
    lower_bound=1,
)
_OVERWRITE = command.define_overwrite()


def main() -> None:
    """Checks the flags, estimates the missing poses, and reports."""
    place = Path(command.required("images", _IMAGES.value))
    out = Path(command.required("out", _OUT.value))
    started, notes = time.monotonic(), Notes()
    jobs = folder.plan(place, out, notes)
    kept = [job for job in jobs if not _OVERWRITE.value and job.json.exists()]
    people = sum(len(read_one(job.json).people) > 0 for job in kept)
    left = sorted(set(jobs) - set(kept))
    if left:
        estimators = _estimators(min(_WORKERS.value, len(left)))
        people += folder.estimate(left, estimators, notes=notes)
    if kept:
        notes.say(
            f"{len(kept):,} existing poses kept (--overwrite estimates them again)"
        )
    if not people:
        raise InputError(
            f"--images={place}: 0 of {len(jobs):,} images have a person"
            + "".join(f"; {line}" for line in notes.lines())
        )
    print(f"{out}: {people:,} of {len(jobs):,} images have a person")
    print(*notes.lines(), f"done in {time.monotonic() - started:.1f} s", sep="\n")


def _estimators(count: int) -> list[PoseEstimator]:
    cache = Path(_CACHE_DIR.value) if _CACHE_DIR.value else None
    path = model_path(_MODEL.value, cache=cache)
    estimators = [
        PoseEstimator(path, min_confidence=_MIN_CONFIDENCE.value) for _ in range(count)
    ]
    print(f"model: {path}, SHA-256 {files.sha256(path)}")
    return estimators


if __name__ == "__main__":
    command.run(main)
