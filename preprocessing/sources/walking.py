"""Finds the image files below a folder."""

import os
from collections.abc import Callable
from pathlib import Path

from preprocessing.images.image_files import is_image, is_unreadable_image
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError


def image_files(
    root: Path, notes: Notes, *, enter: Callable[[Path], bool] = lambda folder: True
) -> list[Path]:
    """Returns the image files below `root`, sorted.

    Hidden files and folders, and the `__MACOSX` that archives bring along, are passed
    over. Links are followed, and a folder that can be reached in two ways is read
    once, so a link in a circle comes to an end.

    Args:
        root: the folder to search.
        notes: takes what is left out.
        enter: whether a folder is to be searched.

    Raises:
        InputError: a folder cannot be read.
    """
    found, read = [], {os.path.realpath(root)}
    for place, folders, files in os.walk(root, onerror=_refuse, followlinks=True):
        entered = []
        for path in [Path(place, name) for name in sorted(folders)]:
            if not _is_visible(path.name) or not enter(path):
                continue
            if (real := os.path.realpath(path)) in read:
                notes.add("folders that were reached twice read once", str(path))
                continue
            read.add(real)
            entered.append(path.name)
        folders[:] = entered
        for path in [Path(place, name) for name in files if _is_visible(name)]:
            if is_unreadable_image(path):
                notes.add("images in formats that are not read skipped", str(path))
            if not is_image(path):
                continue
            if not _is_utf8(str(path.relative_to(root))):
                notes.add("images whose names are not UTF-8 skipped", str(path))
                continue
            if path.exists():
                found.append(path)
            else:
                notes.add("links to no file skipped", str(path))
    return sorted(found)


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error
