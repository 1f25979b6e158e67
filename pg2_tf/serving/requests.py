"""Concurrent requests, each with a photo, a pose and an output file."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from pg2_tf.posing import target_poses
from pg2_tf.posing.photo import find_person, place
from pg2_tf.posing.target_poses import Target
from pg2_tf.serving.remote import Endpoint, RemoteModel, ServerError
from preprocessing.images import image_files as images
from preprocessing.sources.samples import Notes
from preprocessing.system import files
from preprocessing.system.errors import InputError


class Request(NamedTuple):
    """A photo, a pose file and the file for the generated image."""

    image: Path
    pose: Path
    out: Path


def connect(endpoint: Endpoint) -> RemoteModel:
    """Connects to a server and reads the model's input shapes.

    Raises:
        ServerError: The server does not answer, or does not have the model.
        InputError: The model is not of this project, or a package is missing.
    """
    # Each protocol needs packages of its own.
    try:
        if endpoint.is_rest:
            from pg2_tf.serving.rest_model import RestModel

            return RestModel(endpoint)
        from pg2_tf.serving.grpc_model import GrpcModel

        return GrpcModel(endpoint)
    except ImportError as error:
        raise InputError(
            f"missing package ({error}); install it with pip install 'pg2-tf[serving]'"
        ) from error


def plan(photos: Sequence[Path], poses: Sequence[Path], out: Path) -> list[Request]:
    """Pairs every photo with every pose.

    Args:
        photos: Photos of one person each.
        poses: Pose files of one person each.
        out: A .png file for one photo and one pose. Otherwise a folder, in which files
            are named `PHOTO.png` for one pose and `PHOTO_POSE.png` for several.

    Raises:
        InputError: Two images would have the same name, or `out` is a file for several
            images.
    """
    if out.suffix.lower() == ".png":
        if len(photos) * len(poses) > 1:
            raise InputError(
                f"--out={out}: a file cannot hold several images; give a folder"
            )
        return [Request(photos[0], poses[0], out)]
    made: dict[Path, Request] = {}
    for photo in photos:
        for pose in poses:
            suffix = f"_{target_poses.name_of(pose)}" if len(poses) > 1 else ""
            path = out / f"{photo.stem}{suffix}.png"
            request = Request(photo, pose, path)
            if path in made:
                one = made[path]
                raise InputError(
                    f"{path}: name of both {one.image} with {one.pose} and {photo} "
                    f"with {pose}; rename one of the files"
                )
            made[path] = request
    return list(made.values())


def write(
    request: Request, model: RemoteModel, *, pose_size: tuple[int, int] | None
) -> None:
    """Requests one image and writes it.

    The photo is decoded and resized before it is sent.

    Args:
        request: Photo, pose and output file.
        model: The model on the server.
        pose_size: Height and width in pixels of the image that the pose belongs to, or
            None for the size of the model.

    Raises:
        ServerError: The server cannot answer.
        InputError: The photo or the pose is unusable, or the server refuses them.
    """
    size, notes = model.image_size, Notes()
    person = find_person(
        images.read(request.image), size, name=str(request.image), crop="none"
    )
    pose = target_poses.read_pose(request.pose, pose_size or size, notes=notes)
    for line in notes.said:
        print(line)
    target = Target(str(request.pose), pose[None], pose_size or size)
    poses, _ = place(person, target, retarget="none")
    made = model(person.crop[None], poses)
    image = made.get("refined", made.get("coarse"))
    if image is None or image.shape != (1, *size, 3):
        raise ServerError(
            f"{request.image}: the answer has no image of {size[0]}x{size[1]}"
        )
    files.write_bytes(request.out, images.encode_png(image[0]))


def write_all(
    requests: Sequence[Request],
    send: Callable[[Request], None],
    *,
    concurrency: int,
) -> list[tuple[Request, InputError]]:
    """Runs requests concurrently; one that fails does not stop the others.

    Args:
        requests: The requests.
        send: Function that runs one request.
        concurrency: Number of concurrent requests.

    Returns:
        The failed requests and their errors, in the order of the requests.

    Raises:
        ServerError: The server cannot answer. The remaining requests are not sent.
    """
    failed: dict[Request, InputError] = {}
    stopped = threading.Event()

    def attempt(request: Request) -> None:
        if not stopped.is_set():
            send(request)

    with ThreadPoolExecutor(concurrency) as pool:
        waiting = {pool.submit(attempt, request): request for request in requests}
        try:
            for done in tqdm(
                as_completed(waiting),
                desc="generating",
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
