"""A folder of one's own: `ROOT/<person>/<any image>`.

It is also the template for a source of one's own: a function that yields a `Sample`
for each image, an entry in `preprocessing/sources/table.py`, and a test.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessing.sources.samples import Notes, Sample, from_file, image_files


def samples(root: Path, notes: Notes) -> Iterator[Sample]:
    """Yields every image in the folders of `root`, one folder for each person.

    Args:
        root: Folder of the persons' folders.
        notes: Collects notes about files that are left out.

    Raises:
        InputError: A folder cannot be read.
    """
    for path in image_files(root, notes):
        name = path.relative_to(root)
        if len(name.parts) == 1:
            notes.add("images outside a person's folder skipped", path.name)
            continue
        yield from_file(path, name=name.as_posix(), identity=name.parts[0])
