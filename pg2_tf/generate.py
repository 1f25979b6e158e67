r"""Puts the people of photos into poses, with any trained or exported model.

    python -m pg2_tf.generate --model=runs/market1501 --image=me.jpg \
        --pose=hands-up,walking --out=me
"""

from functools import cache
from pathlib import Path

from absl import flags
from tqdm import tqdm

from pg2_tf.inference.loading import Model, load_model
from pg2_tf.posing import named_poses as named
from pg2_tf.posing import photo as photos
from pg2_tf.posing import retargeting
from pg2_tf.posing.results import Result, Writer
from pg2_tf.posing.target_poses import Target, TargetReader, read_pose
from pg2_tf.runs.weights_flag import define_weights
from preprocessing.estimation import download
from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes
from preprocessing.sources.walking import image_files
from preprocessing.system import command
from preprocessing.system.errors import InputError

_MODEL = flags.DEFINE_string(
    "model", None, "Run folder, SavedModel or .tflite file of a trained model."
)
_RUN_DIR = flags.DEFINE_string("run_dir", None, "The same as --model.")
_IMAGE = command.define_paths(
    "image", "Photos, and folders of them, separated by commas."
)
_POSE = command.define_paths(
    "pose",
    "Separated by commas: pose files of an image each (OpenPose, COCO, AlphaPose, "
    "MMPose), folders of them, photos, videos, folders of video frames, and names of "
    "--list_poses.",
)
_LIST_POSES = flags.DEFINE_boolean("list_poses", False, "Print the poses with a name.")
_POSE_SIZE = flags.DEFINE_string(
    "pose_size",
    None,
    "HEIGHTxWIDTH of the images that the poses in files were found in. Default: the "
    "model's. Matters for --retarget=none and for poses in shares of the image.",
)
_SEQUENCE = flags.DEFINE_boolean(
    "sequence", False, "The pose files of a folder are the frames of one sequence."
)
_FRAMES_PER_SECOND = flags.DEFINE_float(
    "frames_per_second",
    12.0,
    "Of sequences; a video with more is thinned out.",
    lower_bound=0.1,
    upper_bound=60,
)
_MOST_FRAMES = flags.DEFINE_integer(
    "most_frames", 240, "Of a sequence; what follows is left out.", lower_bound=1
)
_RETARGET = flags.DEFINE_enum(
    "retarget",
    "scale",
    retargeting.MODES,
    "scale: poses come to the person's place and size; limbs: and get the person's "
    "limb lengths; none: they stay where they are in their image.",
)
_CROP = flags.DEFINE_enum(
    "crop", "auto", photos.CROPS, "auto: around the person; none: the whole photo."
)
_PERSON = flags.DEFINE_integer(
    "person",
    None,
    "Which of several people in a photo, counted from the left. Default: the largest.",
    lower_bound=1,
)
_PHOTO_POSE = flags.DEFINE_string(
    "photo_pose", None, "Pose file of the one photo, which is then not estimated."
)
_POSE_MODEL = flags.DEFINE_string(
    "pose_model",
    None,
    "A MoveNet SinglePose model (.tflite). Default: Lightning int8, fetched once.",
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "A .png: the image, or a sheet of many; a .gif or .mp4: of one sequence. "
    "Otherwise a folder for all of these.",
)
_PASTE_BACK = flags.DEFINE_boolean(
    "paste_back", False, "Put the image back into the photo."
)
_INTERMEDIATE = flags.DEFINE_boolean(
    "save_intermediate", False, "Keep skeleton, coarse image and difference as well."
)
_STAGE = flags.DEFINE_enum(
    "stage", None, ["1", "2"], "Which stage's image. Default: the last of the model."
)
_WEIGHTS = define_weights()


def main() -> None:
    """Checks the flags, generates, and writes."""
    if _LIST_POSES.value:
        print(*named.NAMES, sep="\n")
        return
    place, notes = _model_path(), Notes()
    out, paths = command.required("out", _OUT.value), _photos(notes)
    if not _POSE.value:
        raise InputError("--pose is needed; see --help")
    stage = int(_STAGE.value) if _STAGE.value else None
    model = load_model(place, stage=stage, weights=_WEIGHTS.value)
    targets = _targets(model.image_size, notes)
    writer = Writer(
        out,
        photos=len(paths),
        targets=targets,
        intermediate=_INTERMEDIATE.value,
        pasted=_PASTE_BACK.value,
    )
    count = _generate(model, paths, targets, writer=writer, notes=notes)
    for line in notes.lines():
        print(line)
    height, width = model.image_size
    print(f"{out}: {count} images of {height}x{width}, stage {model.stage}")


def _model_path() -> str:
    if _MODEL.value and _RUN_DIR.value:
        raise InputError("--model and --run_dir are the same; give one of them")
    return command.required("model", _MODEL.value or _RUN_DIR.value)


def _photos(notes: Notes) -> list[Path]:
    if not _IMAGE.value:
        raise InputError("--image is needed; see --help")
    paths: list[Path] = []
    for path in map(Path, _IMAGE.value):
        inside = image_files(path, notes) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"{path}: no image there ({', '.join(images.SUFFIXES)})")
        paths += inside
    if _PHOTO_POSE.value and len(paths) > 1:
        raise InputError("--photo_pose is the pose of one photo, and there are several")
    return paths


def _targets(image_size: tuple[int, int], notes: Notes) -> list[Target]:
    pose_size = image_size
    if _POSE_SIZE.value:
        pose_size = command.parse_size("pose_size", _POSE_SIZE.value)
    reader = TargetReader(
        _estimator,
        notes=notes,
        pose_size=pose_size,
        sequence=_SEQUENCE.value,
        frames_per_second=_FRAMES_PER_SECOND.value,
        most_frames=_MOST_FRAMES.value,
    )
    return [target for value in _POSE.value for target in reader.read(value)]


def _generate(
    model: Model,
    paths: list[Path],
    targets: list[Target],
    *,
    writer: Writer,
    notes: Notes,
) -> int:
    """Returns how many images were made; photos without a person are left out."""
    looked_for = _CROP.value == "auto" or _RETARGET.value != "none"
    estimator = _estimator() if looked_for and not _PHOTO_POSE.value else None
    each, refused = sum(len(target.poses) for target in targets), []
    with tqdm(total=len(paths) * each, desc="generating", unit=" images") as progress:
        for path in paths:
            try:
                person = _find(path, model.image_size, estimator, notes)
            except InputError as error:
                refused.append(error)
                notes.add("photos left out", str(error))
                progress.update(each)
                continue
            for target in targets:
                made = photos.transfer(model, person, target, retarget=_RETARGET.value)
                if made.shrunk < 0.995:
                    name = f"{path.name} as {target.name}, {made.shrunk:.0%}"
                    notes.add("poses made smaller to be in the image", name)
                writer.add(Result(path.stem, person, target, made))
                progress.update(len(target.poses))
    if len(refused) == len(paths):
        raise refused[0]
    writer.close()
    return (len(paths) - len(refused)) * each


def _find(
    path: Path,
    image_size: tuple[int, int],
    estimator: PoseEstimator | None,
    notes: Notes,
) -> photos.Person:
    photo, shrunk = images.read_bounded(path)
    size = (photo.shape[0], photo.shape[1])
    if shrunk > 1:
        notes.say(f"{path}: read {shrunk} times smaller, {size[0]}x{size[1]}")
    pose = None
    if _PHOTO_POSE.value:
        whole = (size[0] * shrunk, size[1] * shrunk)
        found = read_pose(Path(_PHOTO_POSE.value), whole, notes=notes)
        pose = kp.within(kp.resize(found, size=whole, new_size=size), size)
    person = photos.find_person(
        photo,
        image_size,
        name=str(path),
        estimator=estimator,
        pose=pose,
        number=_PERSON.value,
        crop=_CROP.value,
    )
    if (line := photos.describe(person)) is not None:
        notes.say(line)
    return person


@cache
def _estimator() -> PoseEstimator:
    return PoseEstimator(
        download.given_or_fetched(_POSE_MODEL.value, flag="pose_model")
    )


if __name__ == "__main__":
    command.run(main)
