r"""Turns images and keypoints into TFRecord shards, a pair index and a manifest.

    python -m preprocessing.build --source=market1501 --root=Market-1501 \
        --poses=market-annotation-train.csv,market-annotation-test.csv \
        --out=data/market1501
"""

import time
from pathlib import Path

from absl import flags

from preprocessing import command, fitting
from preprocessing.builder import Builder, Settings
from preprocessing.errors import InputError
from preprocessing.sources import synthetic
from preprocessing.sources.table import SOURCES, SYNTHETIC

_SOURCE = flags.DEFINE_enum(
    "source", None, [*SOURCES, SYNTHETIC], "What the images are."
)
_ROOT = flags.DEFINE_string("root", None, "Folder of the images.")
_POSES = flags.DEFINE_list(
    "poses",
    [],
    "Annotation CSVs (name:keypoints_y:keypoints_x), OpenPose JSON files, or folders "
    "of them, separated by commas. Default: those found beside the images.",
)
_OUT = flags.DEFINE_string("out", None, "Folder of the data set to make.")
_PAIRS = flags.DEFINE_string(
    "pairs",
    "all",
    "Pairs: all (every two images of a person, in both orders), torso (where both "
    "shoulders and hips were found), or a CSV with the columns from,to.",
)
_TEST_PAIRS = flags.DEFINE_string(
    "test_pairs", None, "The same for the test split alone. Default: --pairs."
)
_IMAGE_SIZE = flags.DEFINE_string(
    "image_size",
    None,
    "HEIGHTxWIDTH of the images in the data set; others are resized, with their "
    "keypoints. Default: 128x64 for market1501 and synthetic, 256x256 else.",
)
_FIT = flags.DEFINE_enum(
    "fit",
    "pad",
    fitting.MODES,
    "How images of other proportions are resized: pad keeps the person's proportions "
    "and repeats the border, stretch does not.",
)
_TEST_FRACTION = flags.DEFINE_float(
    "test_fraction",
    0.1,
    "Share of identities held out for testing, where the source does not say.",
    lower_bound=0,
    upper_bound=1,
)
_IMAGES_PER_SHARD = flags.DEFINE_integer(
    "images_per_shard", 1024, "About how many images a shard holds.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the split and of synthetic people.")
_IDENTITIES = flags.DEFINE_integer(
    "identities", 200, "How many synthetic people.", lower_bound=1
)
_IMAGES_PER_IDENTITY = flags.DEFINE_integer(
    "images_per_identity", 12, "How many images of each.", lower_bound=1
)
_MISSING = flags.DEFINE_float(
    "missing", 0.0, "Share of synthetic keypoints withheld.", lower_bound=0
)
_SAME_BACKGROUND = flags.DEFINE_boolean(
    "same_background", False, "One background for all images of a synthetic person."
)
_OVERWRITE = command.define_overwrite()


def main() -> None:
    """Checks the flags and builds the data set."""
    name = command.required("source", _SOURCE.value)
    out = Path(command.required("out", _OUT.value))
    size = command.parse_size("image_size", _IMAGE_SIZE.value or _default_size(name))
    settings = Settings(
        source=name,
        image_size=size,
        pairs=_PAIRS.value,
        test_pairs=_TEST_PAIRS.value or _PAIRS.value,
        test_fraction=_TEST_FRACTION.value,
        images_per_shard=_IMAGES_PER_SHARD.value,
        seed=_SEED.value,
        fit=_FIT.value,
    )
    started = time.monotonic()
    builder = Builder(settings, out=out, overwrite=_OVERWRITE.value)
    if name == SYNTHETIC:
        if _ROOT.value or _POSES.value:
            raise InputError("--source=synthetic draws people: no --root, no --poses")
        samples = synthetic.samples(
            identities=_IDENTITIES.value,
            images_per_identity=_IMAGES_PER_IDENTITY.value,
            size=size,
            seed=_SEED.value,
            missing=_MISSING.value,
            same_background=_SAME_BACKGROUND.value,
        )
        builder.collect(samples)
    else:
        root = command.existing_folder("root", _ROOT.value)
        builder.collect(SOURCES[name].samples(root, builder.notes))
        builder.find_poses(_POSES.value or [root])
    print(builder.write())
    print(f"{out}: done in {time.monotonic() - started:.1f} s")


def _default_size(source: str) -> str:
    height, width = SOURCES[source].size if source in SOURCES else (128, 64)
    return f"{height}x{width}"


if __name__ == "__main__":
    command.run(main)
