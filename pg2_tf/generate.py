r"""Puts the person of a photo into one or many poses.

    python -m pg2_tf.generate --run_dir=runs/market1501 --image=photo.jpg \
        --pose=pose.json --out=out.png
"""

from pathlib import Path

import numpy as np
from absl import flags

from pg2_tf import pose_files
from pg2_tf.inference import PoseTransfer
from pg2_tf.weights_flag import define_weights
from preprocessing import command, files, fitting, images, pictures
from preprocessing.errors import InputError

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Run folder of a trained model.")
_IMAGE = flags.DEFINE_string(
    "image", None, "Photo of one person; padded to the model's proportions and resized."
)
_POSE = flags.DEFINE_list(
    "pose",
    [],
    "Pose JSON files (OpenPose, COCO, AlphaPose, MMPose) of an image each, or folders "
    "of them, separated by commas.",
)
_POSE_SIZE = flags.DEFINE_string(
    "pose_size",
    None,
    "HEIGHTxWIDTH of the images that the poses were found in. Default: the model's.",
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "A .png: the image, or for many poses a sheet of them. Otherwise a folder: an "
    "image for each pose, and the sheet.",
)
_STAGE = flags.DEFINE_enum(
    "stage", None, ["1", "2"], "Which stage's image. Default: the last one trained."
)
_WEIGHTS = define_weights()


def main() -> None:
    """Checks the flags, generates, and writes images."""
    run_dir = command.required("run_dir", _RUN_DIR.value)
    photo = images.read(command.required("image", _IMAGE.value))
    out = Path(command.required("out", _OUT.value))
    if not _POSE.value:
        raise InputError("--pose is needed; see --help")
    paths = pose_files.find(_POSE.value)
    stage = int(_STAGE.value) if _STAGE.value else None
    model = PoseTransfer.load(run_dir, stage=stage, weights=_WEIGHTS.value)
    size = model.image_size
    pose_size = (
        command.parse_size("pose_size", _POSE_SIZE.value) if _POSE_SIZE.value else size
    )
    source = fitting.fit_image(photo, fitting.fit(photo.shape[:2], size))
    targets = np.stack([pose_files.read(path, pose_size, size) for path in paths])
    made = model(np.repeat(source[None], len(targets), axis=0), targets)
    generated = made.get("refined", made["coarse"])
    _write(out, source, paths, targets, generated)
    print(f"{out}: {len(paths)} images of {size[0]}x{size[1]}, stage {model.stage}")


def _write(
    out: Path,
    source: np.ndarray,
    paths: list[Path],
    targets: np.ndarray,
    made: np.ndarray,
) -> None:
    def sheet() -> np.ndarray:
        sources = [source] * len(made)
        return pictures.pose_sheet(sources, targets, {"generated": made})

    if out.suffix.lower() == ".png":
        picture = made[0] if len(made) == 1 else sheet()
        files.write_bytes(out, images.encode_png(picture))
        return
    for number, (path, image) in enumerate(zip(paths, made, strict=True)):
        name = f"{number:03d}_{pose_files.name(path)}.png"
        files.write_bytes(out / name, images.encode_png(image))
    files.write_bytes(out / "sheet.png", images.encode_png(sheet()))


if __name__ == "__main__":
    command.run(main)
