"""Market-1501 (Zheng et al., ICCV 2015), and data sets in its layout.

`bounding_box_train` is the training split, `bounding_box_test` and `query` the test
split; `gt_bbox` holds the boxes drawn by hand, of the identities of both.
`0002_c1s1_000451_03.jpg` = identity, camera and sequence, frame, box. Names of
DukeMTMC-reID (`0001_c1_f0046282.jpg`), CUHK03-NP (`0003_c1_21.png`) and MSMT17
(`0000_000_01_0303morning_0008_0.jpg`) are read too.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from preprocessing.sources.samples import Notes, Sample, from_file
from preprocessing.system.errors import InputError

DETECTED = ("bounding_box_train", "bounding_box_test")
DRAWN = "gt_bbox"
_SPLITS = {"bounding_box_train": "train", "bounding_box_test": "test", "query": "test"}
FOLDERS = (*_SPLITS, DRAWN)
_NAME = re.compile(
    r"(-1|\d{4})_(?:"
    r"c\ds\d_\d{6}_\d\d\.jpg"  # Market-1501
    r"|c\d_f\d{7}\.jpg"  # DukeMTMC-reID
    r"|c\d_\d+\.png"  # CUHK03-NP
    r"|\d{3}_\d\d_\w+\.jpg"  # MSMT17
    r")$"
)
_NOBODY = {"-1": "junk boxes left out", "0000": "distractor boxes left out"}
# Counts of the detected boxes; the paper's 439,420 pairs include mirrored copies.
EXPECTED = {
    "train": "Market-1501 has 12,936 images, 419 without a keypoint; 280,382 pairs "
    "with --pairs=all, 263,632 with torso",
    "test": "Market-1501 has 13,115 images, of 19,732 boxes with junk and distractors",
}
_SHOWN = 5


def samples(
    root: Path, notes: Notes, *, folders: Sequence[str] = DETECTED
) -> Iterator[Sample]:
    """Yields the boxes that show one of the data set's identities.

    Args:
        root: The folder that holds `bounding_box_train` or `bounding_box_test`.
        notes: Collects notes about images that are left out.
        folders: Folders to read, of `FOLDERS`; one of the usual two may be missing. The
            split of a box in `gt_bbox` is that of its identity in the other folders, or
            open if they do not have it.

    Raises:
        InputError: A folder is missing or has no readable images.
    """
    splits: dict[str, str] = {}
    if DRAWN in folders:
        splits = _splits_of_identities(root)
    seen: set[str] = set()
    for folder in _present(root, folders):
        for path in sorted((root / folder).iterdir()):
            match = _NAME.match(path.name)
            if not match:
                notes.add("files with other names skipped", path.name)
            elif match[1] in _NOBODY:
                notes.add(_NOBODY[match[1]], path.name)
            elif path.name in seen:
                notes.add("boxes in two folders used once", path.name)
            else:
                seen.add(path.name)
                split = _SPLITS.get(folder, splits.get(match[1]))
                yield from_file(path, name=path.name, identity=match[1], split=split)


def _splits_of_identities(root: Path) -> dict[str, str]:
    # The last entry counts: an identity of the training split stays there.
    return {
        match[1]: _SPLITS[folder]
        for folder in reversed(_SPLITS)
        if (root / folder).is_dir()
        for path in (root / folder).iterdir()
        if (match := _NAME.match(path.name))
    }


def _present(root: Path, folders: Sequence[str]) -> list[str]:
    """Returns the `folders` that exist in `root`."""
    for folder in folders:
        if folder == "gt_query":
            raise InputError(
                "folders=gt_query: holds MATLAB files that say which boxes a query is "
                f"compared with, no images; allowed are {', '.join(FOLDERS)}"
            )
        if folder not in FOLDERS:
            raise InputError(f"folders={folder}: allowed are {', '.join(FOLDERS)}")
    present = [folder for folder in folders if (root / folder).is_dir()]
    absent = [folder for folder in folders if folder not in present]
    if not present or (absent and tuple(folders) != DETECTED):
        raise InputError(
            f"{root}: holds no folder {' or '.join(absent)}; {_found_instead(root)}"
        )
    return present


def _found_instead(root: Path) -> str:
    """Returns text about the folders that `root` has instead."""
    below = sorted(path for path in root.iterdir() if path.is_dir())
    for folder in (*below, root.resolve().parent):
        if any((folder / name).is_dir() for name in FOLDERS):
            return f"{folder} holds the data set's folders: give that as --root"
    names = sorted(path.name for path in root.iterdir())
    shown = ", ".join(names[:_SHOWN]) or "nothing"
    return f"it holds {shown}" + ", ..." * (len(names) > _SHOWN)
