r"""Trains a model of one person from a video, and moves them as another video does.

    python -m pg2_tf.one_person --video=me.mp4 --motion=dance.mp4 --out=me

It runs the commands that build the data set, train both stages and generate the clip,
and prints each of them. The same command again continues where it stopped.
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from pg2_tf.posing.photo import extent
from preprocessing.images import image_files
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import openpose
from preprocessing.system import command, files, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from pg2_tf.data.dataset import read_split

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
        host.hide_gpus()
        _write_photo(data, photo)
    for motion in _MOTION.value:
        _run(
            "pg2_tf.generate",
            *(f"--model={run}", f"--image={photo}", f"--photo_pose={_pose_of(photo)}"),
            # The model knows one size of the person.
            *("--crop=none", "--noshrink"),
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


def _write_photo(data: Path, photo: Path) -> None:
    """Writes the image of a data set that shows most of the person, and its pose."""
    size = command.parse_size("image_size", _IMAGE_SIZE.value)
    split = read_split(data, "train", image_size=size)
    best = max(range(len(split.names)), key=lambda i: _shown(split.keypoints[i]))
    image = image_files.decode(split.images.numpy()[best], name=split.names[best])
    files.write_bytes(photo, image_files.encode_png(image))
    openpose.write_json(_pose_of(photo), split.keypoints[best])
    print(f"{photo}: the image that shows most of the person")


def _shown(pose: np.ndarray) -> tuple[int, float]:
    """Returns how well a pose shows a person: more is better.

    First the number of keypoints, where those of the face count twice; then how much
    of the crop around the person the torso fills, which is most with hanging arms.
    """
    found = kp.found(pose)
    if not kp.has_torso(pose):
        return 0, 0.0
    shoulders, hips = pose[list(kp.TORSO[:2]), 1], pose[list(kp.TORSO[2:]), 1]
    torso = float(hips.mean() - shoulders.mean())
    return int(found.sum() + found[_FACE].sum()), torso / extent(pose)


def _pose_of(photo: Path) -> Path:
    return photo.with_name(photo.stem + openpose.SUFFIX)


if __name__ == "__main__":
    command.run(main)
