"""Market-1501 (Zheng et al., ICCV 2015), in the folders its owners ship.

`bounding_box_train` is the training split; `bounding_box_test` the test split.
`0002_c1s1_000451_03.jpg` = identity, camera and sequence, frame, box.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from preprocessing.errors import InputError
from preprocessing.samples import Notes, Sample

FOLDERS = {"bounding_box_train": "train", "bounding_box_test": "test"}
_NAME = re.compile(r"(-1|\d{4})_c\ds\d_\d{6}_\d\d\.jpg$")
_NOBODY = {"-1": "junk boxes left out", "0000": "distractor boxes left out"}


def samples(root: Path, notes: Notes) -> Iterator[Sample]:
    """Yields the boxes that show one of the data set's identities.

    Args:
        root: the folder that holds `bounding_box_train` or `bounding_box_test`.
        notes: takes what is left out.

    Raises:
        InputError: neither folder is there.
    """
    present = [folder for folder in FOLDERS if (root / folder).is_dir()]
    if not present:
        raise InputError(f"{root}: holds neither of {', '.join(FOLDERS)}")
    for folder in present:
        for path in sorted((root / folder).iterdir()):
            match = _NAME.match(path.name)
            if not match:
                notes.add("files with other names passed over", path.name)
            elif match[1] in _NOBODY:
                notes.add(_NOBODY[match[1]], path.name)
            else:
                yield Sample(
                    name=path.name,
                    identity=match[1],
                    read=path.read_bytes,
                    split=FOLDERS[folder],
                )
