"""Which files of a folder are files of poses, and which image each is named after."""

from pathlib import Path

from preprocessing.poses.formats import annotation_csv, openpose
from preprocessing.poses.formats import original_pickles as pickles
from preprocessing.poses.formats.table import AUTO, CSV, JSON_FORMATS, PEAKS


def is_named(path: Path, format: str) -> bool:
    """True for a file that is told by its name to be OpenPose's of one image."""
    return format in (AUTO, "openpose") and path.name.endswith(openpose.SUFFIX)


def is_candidate(path: Path, format: str) -> bool:
    """True for a file that may be of the format; of JSON only reading it will tell.

    The released code's poses of mirrored images are passed over: those images have
    the names of the others.
    """
    name = path.name
    if name.lower().endswith(".json"):
        return format in (AUTO, *JSON_FORMATS) and path.is_file()
    if name.lower().endswith(".csv"):
        return format in (AUTO, CSV) and annotation_csv.matches(path)
    return format in (AUTO, PEAKS) and pickles.is_peaks_file(path)


def own_name(path: Path) -> str:
    """Returns the name of the image that a JSON file is named after."""
    name = path.as_posix()
    suffix = openpose.SUFFIX if name.endswith(openpose.SUFFIX) else path.suffix
    # A suffix keeps a key function from cutting a dot out of the name.
    return name.removesuffix(suffix) + ".jpg"
