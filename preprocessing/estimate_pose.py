r"""Finds the pose in each image with MoveNet and writes it in OpenPose's format.

    python -m preprocessing.estimate_pose --images=photos --out=poses

writes `poses/anna/01_keypoints.json` for `photos/anna/01.jpg`. The model (3 MB)
is downloaded once. The same command resumes an interrupted run.
"""

import time
from pathlib import Path

from absl import flags

from preprocessing.estimation import folder
from preprocessing.estimation.movenet import MIN_CONFIDENCE, model_path
from preprocessing.poses.pose_files import read_one
from preprocessing.sources.samples import Notes
from preprocessing.system import command, engines, files
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
_ENGINE, _WORKERS = command.define_engine()
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
        people += folder.estimate(
            left,
            _model(),
            notes=notes,
            engine=_ENGINE.value,
            workers=engines.workers(_ENGINE.value, _WORKERS.value),
        )
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


def _model() -> folder.Model:
    cache = Path(_CACHE_DIR.value) if _CACHE_DIR.value else None
    path = model_path(_MODEL.value, cache=cache)
    model = folder.Model(path, _MIN_CONFIDENCE.value)
    folder.estimator(model)  # An unusable model is refused before anything is done.
    print(f"model: {path}, SHA-256 {files.sha256(path)}")
    return model


if __name__ == "__main__":
    command.run(main)
