r"""Trains a model of one person from a video, and moves them as another video does.

    python -m pg2_tf.one_person --video=me.mp4 --motion=dance.mp4 --out=me

It runs the commands that build the data set, train both stages and generate the clip,
and prints each of them. The same command again continues where it stopped.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from pg2_tf.posing import finding
from pg2_tf.posing.transfer import pose_estimator
from preprocessing.images import image_files, video
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import openpose
from preprocessing.system import command, files
from preprocessing.system.errors import InputError

_VIDEO = flags.DEFINE_string("video", None, "Video of the person, about a minute long.")
_MOTION = command.define_paths(
    "motion",
    "Videos of other people, and names of motions (python -m pg2_tf.generate "
    "--list_poses), separated by commas. Default: only the model is trained.",
)
_OUT = flags.DEFINE_string(
    "out", None, "Folder of the data set, the run, the photo and the clips."
)
_PRESET = flags.DEFINE_string(
    "preset", "one_person", "Preset of the model and its training."
)
_IMAGE_SIZE = flags.DEFINE_string(
    "image_size", "128x64", "HEIGHTxWIDTH of the preset's images."
)
_STAGE1_STEPS = flags.DEFINE_integer(
    "stage1_steps", None, "Steps of stage I. Default: the preset's.", lower_bound=1
)
_STAGE2_STEPS = flags.DEFINE_integer(
    "stage2_steps", None, "Steps of stage II. Default: the preset's.", lower_bound=1
)
_RETARGET = flags.DEFINE_enum(
    "retarget",
    "limbs",
    ["scale", "limbs"],
    "scale: poses get the person's place and size; limbs: also their limb lengths.",
)
_SMOOTH = flags.DEFINE_boolean("smooth", True, "Smooth the poses of the motions.")
_POSE_MODEL = flags.DEFINE_string(
    "pose_model",
    None,
    "A MoveNet SinglePose model (.tflite). Default: Lightning int8, fetched once.",
)

# Frames a second among which the photo is chosen.
_LOOKED_AT = 2.0
_MOST_LOOKED_AT = 240
_FACE = [kp.INDEX[name] for name in ("nose", "right_eye", "left_eye")]


def main() -> None:
    """Checks the flags, and runs one command after the other."""
    film = Path(command.required("video", _VIDEO.value))
    if not film.is_file():
        raise InputError(f"--video={film}: no such file")
    out = Path(command.required("out", _OUT.value))
    data, run, photo = out / "data", out / "run", out / "photo.png"
    model = [f"--pose_model={_POSE_MODEL.value}"] if _POSE_MODEL.value else []
    _run(
        "preprocessing.build",
        *("--source=video", f"--root={film}", f"--image_size={_IMAGE_SIZE.value}"),
        *(f"--out={data}", *model),
    )
    for stage, steps in ((1, _STAGE1_STEPS.value), (2, _STAGE2_STEPS.value)):
        _run(
            "pg2_tf.train",
            *(f"--dataset={_PRESET.value}", f"--stage={stage}", "--precision=auto"),
            *(f"--data_dir={data}", f"--run_dir={run}"),
            *([f"--steps={steps}"] if steps else []),
        )
    if not photo.exists():
        _write_photo(film, photo)
    for motion in _MOTION.value:
        _run(
            "pg2_tf.generate",
            *(f"--model={run}", f"--image={photo}", f"--photo_pose={_pose_of(photo)}"),
            *(f"--pose={motion}", f"--retarget={_RETARGET.value}"),
            *(f"--{'' if _SMOOTH.value else 'no'}smooth", *model),
            f"--out={out / Path(motion).stem}.mp4",
        )
    print(f"{run}: model of the person; python -m pg2_tf.demo --model={run}")


def _run(module: str, *arguments: str) -> None:
    """Runs a command of this project; ends with its exit status if it fails."""
    print(f"$ python -m {module} {' '.join(arguments)}", flush=True)
    status = subprocess.run([sys.executable, "-m", module, *arguments]).returncode
    if status:
        sys.exit(status)


def _write_photo(film: Path, photo: Path) -> None:
    """Writes the frame that shows most of the person, and its pose."""
    estimator = pose_estimator(_POSE_MODEL.value)()
    _, frames = video.read_frames(
        film, frames_per_second=_LOOKED_AT, most=_MOST_LOOKED_AT
    )
    best, chosen = (0, 0.0), None
    for frame in tqdm(frames, desc="photo", unit=" frames", leave=False):
        pose = estimator.estimate(frame)
        if (shown := _shown(pose)) > best:
            best, chosen = shown, (frame, pose)
    if chosen is None:
        raise InputError(f"{film}: no person found in it")
    frame, pose = chosen
    files.write_bytes(photo, image_files.encode_png(frame))
    openpose.write_json(_pose_of(photo), pose)
    print(f"{photo}: the frame that shows most of the person")


def _shown(pose: np.ndarray) -> tuple[int, float]:
    """Returns the number of keypoints, those of the face twice, and the height."""
    found = kp.found(pose)
    if not found.any():
        return 0, 0.0
    return int(found.sum() + found[_FACE].sum()), finding.height(pose)


def _pose_of(photo: Path) -> Path:
    return photo.with_name(photo.stem + openpose.SUFFIX)


if __name__ == "__main__":
    command.run(main)
