r"""Puts the person of a photo into one or many poses.

    python -m pg2_tf.generate --run_dir=runs/market1501 --image=photo.jpg \
        --pose=pose.json --out=out.png
"""

from pathlib import Path

import numpy as np
from absl import flags

from pg2_tf.inference import PoseTransfer
from pg2_tf.weights_flag import define_weights
from preprocessing import command, detections, files, fitting, images, pictures, poses
from preprocessing import keypoints as kp
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
    paths = _pose_files()
    stage = int(_STAGE.value) if _STAGE.value else None
    model = PoseTransfer.load(run_dir, stage=stage, weights=_WEIGHTS.value)
    size = model.image_size
    pose_size = (
        command.parse_size("pose_size", _POSE_SIZE.value) if _POSE_SIZE.value else size
    )
    source = fitting.fit_image(photo, fitting.fit(photo.shape[:2], size))
    targets = np.stack([_read_pose(path, pose_size, size) for path in paths])
    made = model(np.repeat(source[None], len(targets), axis=0), targets)
    generated = made.get("refined", made["coarse"])
    _write(out, source, paths, targets, generated)
    print(f"{out}: {len(paths)} images of {size[0]}x{size[1]}, stage {model.stage}")


def _pose_files() -> list[Path]:
    if not _POSE.value:
        raise InputError("--pose is needed; see --help")
    paths: list[Path] = []
    for path in map(Path, _POSE.value):
        if path.is_dir():
            inside = sorted(path.glob("*.json"))
            if not inside:
                raise InputError(f"{path}: no JSON file in this folder")
            paths += inside
        else:
            paths.append(path)
    return paths


def _read_pose(
    path: Path, pose_size: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    found = poses.read_one(path)
    pose = detections.choose(found, pose_size)
    if pose is None:
        raise InputError(f"{path}: no person in it")
    if len(found.people) > 1:
        print(f"{path}: {len(found.people)} people, the most confident was taken")
    places = pose[kp.found(pose), :2]
    if (places < -0.5).any() or (places >= pose_size[::-1]).any():
        (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
        raise InputError(
            f"{path}: its keypoints reach from x {left:.0f}, y {top:.0f} to x "
            f"{right:.0f}, y {bottom:.0f}, outside {pose_size[0]}x{pose_size[1]}; give "
            "--pose_size=HEIGHTxWIDTH of the image they were found in"
        )
    return fitting.fit_pose(pose, fitting.fit(pose_size, size))


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
        name = f"{number:03d}_{path.stem.removesuffix('_keypoints')}.png"
        files.write_bytes(out / name, images.encode_png(image))
    files.write_bytes(out / "sheet.png", images.encode_png(sheet()))


if __name__ == "__main__":
    command.run(main)
