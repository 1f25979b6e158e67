r"""Shows the contents of a data set, or checks it.

python -m preprocessing.inspect --data_dir=data/market1501
python -m preprocessing.inspect --data_dir=data/market1501 --out=sheet.png
python -m preprocessing.inspect --data_dir=data/market1501 --check
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from preprocessing.system import command, files, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from preprocessing.dataset import checking, inspection, records
    from preprocessing.images import image_files as images

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data set.")
_OUT = flags.DEFINE_string("out", None, "PNG to write the sheet of images to.")
_CHECK = flags.DEFINE_boolean(
    "check", False, "Read every record, pair and count, and verify them."
)
_SPLIT = flags.DEFINE_enum(
    "split", None, ["train", "test"], "Split to show. Default: both."
)
_NUM = flags.DEFINE_integer("num", 8, "Number of images to show.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the choice of images.")
_NAMES = flags.DEFINE_list(
    "names", [], "Names of the images to show, separated by commas, instead."
)
_MOST_PRINTED = 20


def main() -> None:
    """Checks the flags, then the data set where asked for, and shows it."""
    host.hide_gpus()
    data_dir = command.existing_folder("data_dir", _DATA_DIR.value)
    if _OUT.value and not _OUT.value.lower().endswith(".png"):
        raise InputError(f"--out={_OUT.value}: the sheet is a PNG, so give NAME.png")
    if _CHECK.value:
        _check(data_dir)
        if not _OUT.value:
            return
    manifest = records.read_manifest(data_dir)
    counted = inspection.survey(data_dir, manifest)
    print(inspection.describe(manifest, counted))
    if _OUT.value:
        _show(data_dir, Path(_OUT.value), manifest, counted)


def _show(
    data_dir: Path,
    out: Path,
    manifest: dict[str, Any],
    counted: dict[str, inspection.SplitSurvey],
) -> None:
    chosen = inspection.choose(
        counted,
        split=_SPLIT.value,
        names=_NAMES.value,
        num=_NUM.value,
        seed=_SEED.value,
    )
    stored = inspection.load(data_dir, chosen, size=tuple(manifest["image_size"]))
    files.write_bytes(out, images.encode_png(inspection.sheet(stored)))
    print(f"\n{out}: {len(stored)} image{'s' * (len(stored) > 1)}")


def _check(data_dir: Path) -> None:
    problems = checking.find_problems(data_dir)
    for problem in problems[:_MOST_PRINTED]:
        print(problem)
    if problems:
        plural = "s" * (len(problems) > 1)
        raise InputError(f"{data_dir}: {len(problems):,} problem{plural}")
    splits = records.read_manifest(data_dir)["splits"].values()
    total, pairs = (
        sum(split[what] for split in splits) for what in ("images", "pairs")
    )
    shards = sum(len(split["shards"]) for split in splits)
    print(f"checked {total:,} images, {pairs:,} pairs in {shards:,} shards: no problem")


if __name__ == "__main__":
    command.run(main)
