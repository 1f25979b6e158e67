r"""Generates images with a model on TensorFlow Serving.

    python -m pg2_tf.client --server=localhost:8500 --model=market1501 \
        --image=photo.jpg --pose=pose.json --out=out.png

`--server=HOST:8500` uses gRPC, `--server=http://HOST:8501` uses REST. The token comes
from --token_file, or from the environment variable PG2_TOKEN.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from absl import flags
from tqdm import tqdm

from pg2_tf.posing import target_poses
from pg2_tf.posing.photo import find_person, place
from pg2_tf.posing.retargeting import Target
from pg2_tf.serving.remote import (
    MOST_RETRIES,
    Endpoint,
    RemoteModel,
    RestModel,
    ServerError,
)
from preprocessing.images import image_files
from preprocessing.sources.samples import Notes
from preprocessing.system import command, files
from preprocessing.system.errors import InputError

_TOKEN = "PG2_TOKEN"

_SERVER = flags.DEFINE_string(
    "server", None, "HOST:PORT for gRPC; http://HOST:PORT or https://... for REST."
)
_MODEL = flags.DEFINE_string("model", None, "Name of the model on the server.")
_VERSION = flags.DEFINE_integer(
    "version", None, "Model version. Default: the server's choice.", lower_bound=1
)
_LABEL = flags.DEFINE_string("label", None, "Version label, such as stable or canary.")
_IMAGE = command.define_paths(
    "image", "Photos of one person each, or folders of photos, separated by commas."
)
_POSE = command.define_paths(
    "pose", "Pose files of one person each, or folders of them, separated by commas."
)
_POSE_SIZE = flags.DEFINE_string(
    "pose_size",
    None,
    "HEIGHTxWIDTH of the images that the poses belong to. Default: the model's.",
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "A .png file for one photo and one pose. Otherwise a folder for files PHOTO.png, "
    "or with several poses PHOTO_POSE.png.",
)
_CONCURRENCY = flags.DEFINE_integer(
    "concurrency", 4, "Number of concurrent requests.", lower_bound=1, upper_bound=64
)
_TIMEOUT = flags.DEFINE_float(
    "timeout",
    30.0,
    "Seconds to wait for an answer: in total over gRPC, for each attempt over REST.",
    lower_bound=0.001,
)
_RETRIES = flags.DEFINE_integer(
    "retries",
    3,
    "Number of retries while the server is overloaded (UNAVAILABLE; HTTP 429, 502, "
    "503).",
    lower_bound=0,
    upper_bound=MOST_RETRIES,
)
_TLS = flags.DEFINE_boolean(
    "tls", False, "Encrypt gRPC. Implied by --ca and --cert; for REST use https://."
)
_CA = flags.DEFINE_string(
    "ca", None, "PEM file of trusted certificate authorities. Default: the system's."
)
_CERT = flags.DEFINE_string("cert", None, "PEM file of the client's certificate.")
_KEY = flags.DEFINE_string("key", None, "PEM file of the certificate's key.")
_TOKEN_FILE = flags.DEFINE_string(
    "token_file", None, f"File with the bearer token. Default: the variable {_TOKEN}."
)


class _Request(NamedTuple):
    """Photo, pose file and output file of one request."""

    image: Path
    pose: Path
    out: Path


def main() -> None:
    """Checks the flags, generates every photo in every pose, and writes the images."""
    # urllib3 logs every attempt; the error of the last one is reported below.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    out = Path(command.required("out", _OUT.value))
    for name, values in (("image", _IMAGE.value), ("pose", _POSE.value)):
        command.required(name, ",".join(values))
    wanted = _plan(_photos(), target_poses.find_pose_files(_POSE.value), out)
    size = (
        command.parse_size("pose_size", _POSE_SIZE.value) if _POSE_SIZE.value else None
    )
    model = _connect(_endpoint())
    failed = _write_all(
        wanted,
        lambda request: _write(request, model, pose_size=size),
        concurrency=_CONCURRENCY.value,
    )
    for _, error in failed[1:]:
        print(error, file=sys.stderr)
    if failed:
        many = f"{len(failed)} of {len(wanted)} failed; " if len(wanted) > 1 else ""
        raise InputError(f"{many}{failed[0][1]}")
    print(f"{out}: {len(wanted)} images of {'{}x{}'.format(*model.image_size)}")


def _photos() -> list[Path]:
    photos: list[Path] = []
    for path in map(Path, _IMAGE.value):
        found = [path]
        if path.is_dir():
            inside = sorted(path.iterdir())
            found = [p for p in inside if p.suffix.lower() in image_files.SUFFIXES]
        if not found:
            raise InputError(f"{path}: no image found in this folder")
        photos += found
    return photos


def _endpoint() -> Endpoint:
    return Endpoint(
        server=command.required("server", _SERVER.value),
        model=command.required("model", _MODEL.value),
        version=_VERSION.value,
        label=_LABEL.value,
        timeout=_TIMEOUT.value,
        retries=_RETRIES.value,
        tls=_TLS.value,
        ca=Path(_CA.value) if _CA.value else None,
        certificate=Path(_CERT.value) if _CERT.value else None,
        key=Path(_KEY.value) if _KEY.value else None,
        token=_token(),
    )


def _token() -> str | None:
    path, token = _TOKEN_FILE.value, os.environ.get(_TOKEN, "")
    if path:
        try:
            token = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read as text") from error
    token = token.strip()
    if not token.isascii() or not token.isprintable() or (path and not token):
        raise InputError(f"{path or _TOKEN}: the token must be printable ASCII")
    return token or None


def _connect(endpoint: Endpoint) -> RemoteModel:
    if endpoint.is_rest:
        return RestModel(endpoint)
    try:
        from pg2_tf.serving.grpc_model import GrpcModel
    except ImportError as error:
        raise InputError(
            f"missing package ({error}); install it with pip install 'pg2-tf[serving]'"
        ) from error
    return GrpcModel(endpoint)


def _plan(photos: Sequence[Path], poses: Sequence[Path], out: Path) -> list[_Request]:
    """Returns a request for every photo with every pose."""
    if out.suffix.lower() == ".png":
        if len(photos) * len(poses) > 1:
            raise InputError(
                f"--out={out}: a file cannot hold several images; use a folder"
            )
        return [_Request(photos[0], poses[0], out)]
    made: dict[Path, _Request] = {}
    for photo in photos:
        for pose in poses:
            suffix = f"_{target_poses.name_of(pose)}" if len(poses) > 1 else ""
            path = out / f"{photo.stem}{suffix}.png"
            request = _Request(photo, pose, path)
            if path in made:
                one = made[path]
                raise InputError(
                    f"{path}: output of both {one.image} with {one.pose} and {photo} "
                    f"with {pose}; rename one of the files"
                )
            made[path] = request
    return list(made.values())


def _write(
    request: _Request, model: RemoteModel, *, pose_size: tuple[int, int] | None
) -> None:
    """Requests one image and writes it. The photo is resized before it is sent."""
    size, notes = model.image_size, Notes()
    person = find_person(
        image_files.read(request.image), size, name=str(request.image), crop="none"
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
    files.write_bytes(request.out, image_files.encode_png(image[0]))


def _write_all(
    requests: Sequence[_Request],
    send: Callable[[_Request], None],
    *,
    concurrency: int,
) -> list[tuple[_Request, InputError]]:
    """Runs requests concurrently, and returns the failed ones with their errors.

    Raises:
        ServerError: The server cannot answer. The remaining requests are not sent.
    """
    failed: dict[_Request, InputError] = {}
    stopped = threading.Event()

    def attempt(request: _Request) -> None:
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


if __name__ == "__main__":
    command.run(main)
