r"""Turns images and keypoints into TFRecord shards, a pair index and a manifest.

    python -m preprocessing.build --source=market1501 --root=Market-1501 \
        --poses=market-annotation-train.csv,market-annotation-test.csv \
        --out=data/market1501

The same command resumes an interrupted build, and does nothing if nothing has changed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from preprocessing.dataset.settings import Settings
from preprocessing.estimation.movenet import PoseEstimator, model_path
from preprocessing.images import framing
from preprocessing.poses import detections
from preprocessing.poses.formats import people, table
from preprocessing.poses.pose_files import SCALES, PoseOptions
from preprocessing.sources.table import SOURCES, Source
from preprocessing.system import command, engines, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from preprocessing.dataset.builder import Builder
    from preprocessing.dataset.pair_index import LISTED

_SOURCE = flags.DEFINE_enum("source", None, list(SOURCES), "Source of the images.")
_ROOT = flags.DEFINE_string(
    "root", None, "Folder of the images; for video a folder of videos, or one video."
)
_OUT = flags.DEFINE_string("out", None, "Folder of the data set.")
_OVERWRITE = command.define_overwrite()
_ENGINE, _WORKERS = command.define_engine()

# Poses.
_POSES = command.define_paths(
    "poses",
    "Files of poses, or folders of them, separated by commas: annotation CSVs, JSON of "
    "OpenPose, COCO, AlphaPose, MMPose or MediaPipe, the released code's "
    "all_peaks_dic_*.p. Default: those found beside the images.",
)
_POSE_FORMAT = flags.DEFINE_enum(
    "pose_format", "auto", list(table.FORMATS), "Format of the files of poses."
)
_KEYPOINT_ORDER = flags.DEFINE_enum(
    "keypoint_order", "auto", ["auto", *people.ORDERS], "Order of the keypoints."
)
_POSE_SCALE = flags.DEFINE_enum(
    "pose_scale",
    "auto",
    list(SCALES),
    "Whether coordinates are pixels or shares of the image's width and height.",
)
_POSE_SIZE = flags.DEFINE_string(
    "pose_size",
    None,
    "HEIGHTxWIDTH of the images that the poses were found in, if these are other "
    "images; for deepfashion 256x256 and 256x176 are recognised.",
)
_MIN_CONFIDENCE = flags.DEFINE_float(
    "min_confidence",
    0.0,
    "Keypoints with a lower confidence count as missing; estimators other than "
    "OpenPose give every keypoint some confidence.",
    lower_bound=0,
)
_PERSON = flags.DEFINE_enum(
    "person",
    "confident",
    detections.POLICIES,
    "Choice among several people: the one with the highest score, the largest, or the "
    "one nearest the centre.",
)

# Pairs.
_PAIRS = flags.DEFINE_string(
    "pairs",
    None,
    "Pairs: all (every two images of a person, in both orders), torso (where both "
    "shoulders and hips were found), listed (authors: those of the records), or a "
    "list: a CSV with the columns from,to, or the released code's p_pairs_*.p. "
    "Default: all; listed for authors.",
)
_TEST_PAIRS = flags.DEFINE_string(
    "test_pairs", None, "The same for the test split alone. Default: --pairs."
)
_NUM_TEST_PAIRS = flags.DEFINE_integer(
    "num_test_pairs",
    None,
    "Number of test pairs to draw with --seed; the same on every machine.",
    lower_bound=1,
)
_MAX_PAIRS = flags.DEFINE_integer(
    "max_pairs_per_identity",
    None,
    "Largest number of pairs, drawn with --seed.",
    lower_bound=1,
)
_MIN_DISTANCE = flags.DEFINE_float(
    "min_pose_distance",
    0.0,
    "Pairs whose poses are nearer are left out: mean distance of the keypoints found "
    "in both images, as a share of the image's height.",
    lower_bound=0,
)

# Images, splits, shards.
_IMAGE_SIZE = flags.DEFINE_string(
    "image_size",
    None,
    "HEIGHTxWIDTH of the images in the data set; others are resized, with their "
    "keypoints. Default: 128x64 for market1501 and synthetic, 256x256 else.",
)
_FIT = flags.DEFINE_enum(
    "fit",
    "pad",
    framing.MODES,
    "How images of other proportions are resized: pad repeats the border, crop cuts "
    "both sides off, stretch changes the person's proportions.",
)
_TEST_FRACTION = flags.DEFINE_float(
    "test_fraction",
    0.1,
    "Fraction of identities to hold out for testing, if the source has no split.",
    lower_bound=0,
    upper_bound=1,
)
_IMAGES_PER_SHARD = flags.DEFINE_integer(
    "images_per_shard", 1024, "Approximate number of images in a shard.", lower_bound=1
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the split, of drawn pairs and of synthetic people."
)

_POSE_MODEL = flags.DEFINE_string(
    "pose_model",
    None,
    "video: a MoveNet SinglePose model (.tflite). Default: Lightning int8, downloaded "
    "once.",
)

# Options of one source each; None leaves the source's own default.
_OPTIONS: dict[str, flags.FlagHolder] = {
    "folders": flags.DEFINE_list(
        "folders",
        None,
        "market1501: which of bounding_box_train, bounding_box_test, query and gt_bbox "
        "to read. Default: the first two.",
    ),
    "identity": flags.DEFINE_enum(
        "identity",
        None,
        ["item_colour", "item"],
        "deepfashion: pair images of an item in one colour (item_colour, the default), "
        "or of an item in any colours. A drawn split holds out whole items.",
    ),
    "split": flags.DEFINE_enum(
        "split",
        None,
        ["auto", "partition", "lists", "seed"],
        "deepfashion: train and test by list_eval_partition.txt, by train.lst and "
        "test.lst, or drawn by --seed. Default: the first that is there.",
    ),
    "lists": flags.DEFINE_list(
        "lists", None, "deepfashion: paths of train.lst and test.lst."
    ),
    "frames_per_video": flags.DEFINE_integer(
        "frames_per_video",
        None,
        "video: largest number of images of each video. Default: 150.",
        lower_bound=2,
    ),
    "identities": flags.DEFINE_integer(
        "identities", None, "synthetic: number of people. Default: 200.", lower_bound=1
    ),
    "images_per_identity": flags.DEFINE_integer(
        "images_per_identity",
        None,
        "synthetic: number of images of each. Default: 12.",
        lower_bound=1,
    ),
    "missing": flags.DEFINE_float(
        "missing",
        None,
        "synthetic: share of keypoints withheld. Default: 0.",
        lower_bound=0,
        upper_bound=1,
    ),
    "occlusion": flags.DEFINE_float(
        "occlusion",
        None,
        "synthetic: share of images with an object in front of the person. Default: 0.",
        lower_bound=0,
        upper_bound=1,
    ),
    "same_background": flags.DEFINE_boolean(
        "same_background", None, "synthetic: one background for all images of a person."
    ),
}


def main() -> None:
    """Checks the flags and builds the data set."""
    host.hide_gpus()
    name = command.required("source", _SOURCE.value)
    source = SOURCES[name]
    out = Path(command.required("out", _OUT.value))
    size = _size("image_size", _IMAGE_SIZE.value)
    pose_size = _size("pose_size", _POSE_SIZE.value)
    options = _options(name, source)
    root = _root(name, source)
    pairs = _PAIRS.value or (LISTED if source.listed_pairs else "all")
    settings = Settings(
        source=name,
        image_size=size or source.default_size(root),
        pairs=pairs,
        test_pairs=_TEST_PAIRS.value or pairs,
        num_test_pairs=_NUM_TEST_PAIRS.value,
        max_pairs_per_identity=_MAX_PAIRS.value,
        min_pose_distance=_MIN_DISTANCE.value,
        test_fraction=_TEST_FRACTION.value,
        images_per_shard=_IMAGES_PER_SHARD.value,
        seed=_SEED.value,
        fit=_FIT.value,
        person=_PERSON.value,
        min_confidence=_MIN_CONFIDENCE.value,
        pose_size=pose_size,
        options=dict(options),
    )
    started = time.monotonic()
    listed: list[tuple[str, str]] = []
    if root and source.listed_pairs and LISTED in (pairs, settings.test_pairs):
        listed = source.listed_pairs(root)
    builder = Builder(
        settings,
        out=out,
        overwrite=_OVERWRITE.value,
        workers=engines.workers(_ENGINE.value, _WORKERS.value),
        engine=_ENGINE.value,
        listed=listed,
    )
    if root is None:
        drawn = {"size": settings.image_size, "seed": settings.seed}
        builder.collect(source.samples(**drawn, **options))
    else:
        if source.filmed:
            path = model_path(_POSE_MODEL.value, flag="pose_model")
            options |= {"size": settings.image_size, "estimator": PoseEstimator(path)}
        builder.collect(source.samples(root, builder.notes, **options))
        if _POSES.value or not source.own_poses:
            forced = (_POSE_FORMAT.value, _KEYPOINT_ORDER.value, _POSE_SCALE.value)
            builder.find_poses(_POSES.value or [root], PoseOptions(*forced))
    print(builder.write())
    print(f"{out}: done in {time.monotonic() - started:.1f} s")


def _options(name: str, source: Source) -> dict[str, Any]:
    """Returns the given options of the source; refuses those of other sources."""
    given = {
        option: flag.value
        for option, flag in _OPTIONS.items()
        if flag.value is not None
    }
    for option in given:
        if option not in source.options:
            allowed = ", ".join(f"--{own}" for own in source.options) or "none"
            raise InputError(
                f"--{option} is not an option of --source={name}; allowed: {allowed}"
            )
    return given


def _root(name: str, source: Source) -> Path | None:
    if not source.drawn:
        root = Path(command.required("root", _ROOT.value))
        if source.filmed and root.is_file():
            return root
        return command.existing_folder("root", _ROOT.value)
    if _ROOT.value or _POSES.value:
        raise InputError(
            f"--source={name} draws people: --root and --poses are not allowed"
        )
    return None


def _size(name: str, value: str | None) -> tuple[int, int] | None:
    return command.parse_size(name, value) if value else None


if __name__ == "__main__":
    command.run(main)
