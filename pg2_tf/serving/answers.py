"""Many requests at once, each with its own photo, pose and file."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from pg2_tf.posing import target_poses
from pg2_tf.serving.endpoint import ServerError
from pg2_tf.serving.remote import RemoteModel
from preprocessing.images import framing as fitting
from preprocessing.images import image_files as images
from preprocessing.system import files
from preprocessing.system.errors import InputError


class Request(NamedTuple):
    """A photo and a pose, and the file that the answer is written to."""

    image: Path
    pose: Path
    out: Path


def plan(photos: Sequence[Path], poses: Sequence[Path], out: Path) -> list[Request]:
    """Puts every photo into every pose.

    Args:
        photos: of one person each.
        poses: files of one image each.
        out: a .png where there is one photo and one pose; else the folder of the
            answers, `PHOTO.png` for one pose, `PHOTO_POSE.png` for many.

    Raises:
        InputError: two answers would have one name, or many were to be one file.
    """
    if out.suffix.lower() == ".png":
        if len(photos) * len(poses) > 1:
            raise InputError(f"--out={out}: one file for many images; give a folder")
        return [Request(photos[0], poses[0], out)]
    made: dict[Path, Request] = {}
    for photo in photos:
        for pose in poses:
            suffix = f"_{target_poses.name_of(pose)}" if len(poses) > 1 else ""
            place = out / f"{photo.stem}{suffix}.png"
            request = Request(photo, pose, place)
            if place in made:
                one = made[place]
                raise InputError(
                    f"{place}: would be the answer to {one.image} with {one.pose} and "
                    f"to {photo} with {pose}; rename one"
                )
            made[place] = request
    return list(made.values())


def write(
    request: Request, model: RemoteModel, *, pose_size: tuple[int, int] | None
) -> None:
    """Asks for one image and writes it.

    The photo is fitted here: a broken one, or one of 40 megapixels, never travels.

    Args:
        request: what is asked.
        model: that answers.
        pose_size: height and width of the image that the pose is of; None for the
            model's.

    Raises:
        ServerError: as of `RemoteModel`.
        InputError: photo or pose is unusable, or the server refuses them.
    """
    size = model.image_size
    photo = images.read(request.image)
    source = fitting.fit_image(photo, fitting.fit(photo.shape[:2], size))
    pose = target_poses.read_fitted_pose(request.pose, pose_size or size, size)
    made = model(source[None], pose[None])
    image = made.get("refined", made.get("coarse"))
    if image is None or image.shape != (1, *size, 3):
        raise ServerError(f"{request.image}: the answer holds no image of its size")
    files.write_bytes(request.out, images.encode_png(image[0]))


def write_all(
    requests: Sequence[Request],
    ask: Callable[[Request], None],
    *,
    concurrency: int,
) -> list[tuple[Request, InputError]]:
    """Asks for many images, some at a time; what fails does not stop the others.

    Args:
        requests: what is asked.
        ask: does one.
        concurrency: how many are under way at once.

    Returns:
        Those that failed, and why, in the order of the requests.

    Raises:
        ServerError: one that all others would meet too; they are not tried.
    """
    failed: dict[Request, InputError] = {}
    stopped = threading.Event()

    def attempt(request: Request) -> None:
        if not stopped.is_set():
            ask(request)

    with ThreadPoolExecutor(concurrency) as pool:
        waiting = {pool.submit(attempt, request): request for request in requests}
        try:
            for done in tqdm(
                as_completed(waiting),
                desc="asking",
                total=len(waiting),
                unit=" images",
                disable=len(waiting) == 1,
            ):
                error = done.exception()
                if isinstance(error, InputError) and not isinstance(error, ServerError):
                    failed[waiting[done]] = error
                elif error:
                    raise error
        finally:
            stopped.set()
    return [(request, failed[request]) for request in requests if request in failed]
