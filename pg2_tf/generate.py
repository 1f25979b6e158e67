r"""Generates images of people in other poses with a trained or exported model.

    python -m pg2_tf.generate --model=runs/market1501 --image=me.jpg \
        --pose=hands-up,walking --out=me
"""

from pathlib import Path

from absl import flags
from tqdm import tqdm

from pg2_tf.inference.loading import define_trust_model
from pg2_tf.posing import named_poses, retargeting
from pg2_tf.posing.photo import CROPS, Person
from pg2_tf.posing.results import Writer
from pg2_tf.posing.retargeting import Target
from pg2_tf.posing.transfer import Transfer, load
from pg2_tf.runs.weights_flag import define_weights
from preprocessing.images.image_files import SUFFIXES
from preprocessing.sources.samples import Notes, image_files
from preprocessing.system import command
from preprocessing.system.errors import InputError

_MODEL = flags.DEFINE_string(
    "model",
    None,
    "Run folder, SavedModel, .tflite file or the name of a shipped model.",
)
_RUN_DIR = flags.DEFINE_string("run_dir", None, "The same as --model.")
_TRUST_MODEL = define_trust_model()
_IMAGE = command.define_paths(
    "image", "Photos or folders of photos, separated by commas."
)
_POSE = command.define_paths(
    "pose",
    "Target poses, separated by commas: pose files (OpenPose, COCO, AlphaPose, "
    "MMPose, MediaPipe), folders of them, photos, videos, folders of frames, and names "
    "of --list_poses.",
)
_LIST_POSES = flags.DEFINE_boolean(
    "list_poses", False, "Print the names of poses and motions."
)
_POSE_SIZE = flags.DEFINE_string(
    "pose_size",
    None,
    "HEIGHTxWIDTH of the images that the poses in files belong to. Default: the "
    "model's. Needed for --retarget=none and for poses as fractions of the image size.",
)
_SEQUENCE = flags.DEFINE_boolean(
    "sequence", False, "Read the pose files of a folder as frames of one sequence."
)
_FRAMES_PER_SECOND = flags.DEFINE_float(
    "frames_per_second",
    12.0,
    "Speed of sequences. Faster videos are reduced to it.",
    lower_bound=0.1,
    upper_bound=60,
)
_MOST_FRAMES = flags.DEFINE_integer(
    "most_frames",
    240,
    "Largest number of frames of a sequence. Later frames are left out.",
    lower_bound=1,
)
_SMOOTH = flags.DEFINE_boolean(
    "smooth", True, "Smooth the poses of a sequence (Savitzky-Golay)."
)
_RETARGET = flags.DEFINE_enum(
    "retarget",
    "scale",
    retargeting.MODES,
    "scale: poses get the person's place and size; limbs: also the person's limb "
    "lengths; none: poses stay unchanged.",
)
_SHRINK = flags.DEFINE_boolean(
    "shrink", True, "Scale down poses that do not fit in the image."
)
_CROP = flags.DEFINE_enum(
    "crop", "auto", CROPS, "auto: crop to the person; none: the whole photo."
)
_PERSON = flags.DEFINE_integer(
    "person",
    None,
    "Number of the person in a photo, from the left. Default: the largest person.",
    lower_bound=1,
)
_PHOTO_POSE = flags.DEFINE_string(
    "photo_pose", None, "Pose file of the only photo. Default: the estimated pose."
)
_POSE_MODEL = flags.DEFINE_string(
    "pose_model",
    None,
    "MoveNet SinglePose model (.tflite). Default: Lightning int8, downloaded once.",
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "A .png file for one image or a sheet of several; a .gif or .mp4 file for one "
    "sequence; otherwise a folder.",
)
_PASTE_BACK = flags.DEFINE_boolean(
    "paste_back", False, "Put the image back into the photo."
)
_INTERMEDIATE = flags.DEFINE_boolean(
    "save_intermediate", False, "Also write skeleton, coarse image and difference."
)
_STAGE = flags.DEFINE_enum(
    "stage", None, ["1", "2"], "Stage to generate with. Default: the model's last one."
)
_WEIGHTS = define_weights()


def main() -> None:
    """Checks the flags, generates the images, and writes them."""
    if _LIST_POSES.value:
        print(*named_poses.NAMES, *named_poses.MOTIONS, sep="\n")
        return
    path, notes = _model_path(), Notes()
    out, photos = command.required("out", _OUT.value), _photos(notes)
    command.required("pose", ",".join(_POSE.value))
    transfer = load(
        path,
        stage=int(_STAGE.value) if _STAGE.value else None,
        weights=_WEIGHTS.value,
        trust_model=_TRUST_MODEL.value,
        pose_model=_POSE_MODEL.value,
        notes=notes,
    )
    targets = _targets(transfer)
    writer = Writer(
        out,
        photos=len(photos),
        targets=targets,
        intermediate=_INTERMEDIATE.value,
        pasted=_PASTE_BACK.value,
    )
    count = _generate(transfer, photos, targets, writer=writer, notes=notes)
    for line in notes.lines():
        print(line)
    height, width = transfer.image_size
    stage = transfer.model.stage
    print(f"{out}: {count} images of {height}x{width}, stage {stage}")


def _model_path() -> str:
    if _MODEL.value and _RUN_DIR.value:
        raise InputError("--model and --run_dir are the same; use one of them")
    return command.required("model", _MODEL.value or _RUN_DIR.value)


def _photos(notes: Notes) -> list[Path]:
    command.required("image", ",".join(_IMAGE.value))
    paths: list[Path] = []
    for path in map(Path, _IMAGE.value):
        inside = image_files(path, notes) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"{path}: no image in it ({', '.join(SUFFIXES)})")
        paths += inside
    if _PHOTO_POSE.value and len(paths) > 1:
        raise InputError(f"--photo_pose is for one photo, but --image has {len(paths)}")
    return paths


def _targets(transfer: Transfer) -> list[Target]:
    pose_size = None
    if _POSE_SIZE.value:
        pose_size = command.parse_size("pose_size", _POSE_SIZE.value)
    return [
        target
        for value in _POSE.value
        for target in transfer.read_poses(
            value,
            pose_size=pose_size,
            sequence=_SEQUENCE.value,
            frames_per_second=_FRAMES_PER_SECOND.value,
            most_frames=_MOST_FRAMES.value,
            smooth=_SMOOTH.value,
        )
    ]


def _generate(
    transfer: Transfer,
    photos: list[Path],
    targets: list[Target],
    *,
    writer: Writer,
    notes: Notes,
) -> int:
    """Generates all images, and returns their number."""
    each, refused = sum(len(target.poses) for target in targets), []
    with tqdm(total=len(photos) * each, desc="generating", unit=" images") as progress:
        for path in photos:
            try:
                person = _find(transfer, path)
            except InputError as error:
                refused.append(error)
                notes.add("photos left out", str(error))
                progress.update(each)
                continue
            for target in targets:
                result = transfer.generate(
                    person, target, retarget=_RETARGET.value, shrink=_SHRINK.value
                )
                writer.add(result)
                progress.update(len(target.poses))
    if len(refused) == len(photos):
        raise refused[0]
    writer.close()
    return (len(photos) - len(refused)) * each


def _find(transfer: Transfer, path: Path) -> Person:
    return transfer.find(
        path,
        pose=_PHOTO_POSE.value,
        number=_PERSON.value,
        crop=_CROP.value,
        look=_CROP.value == "auto" or _RETARGET.value != "none",
    )


if __name__ == "__main__":
    command.run(main)
