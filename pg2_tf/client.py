r"""Asks a model on TensorFlow Serving to put the person of a photo into a pose.

    python -m pg2_tf.client --server=localhost:8500 --model=market1501 \
        --image=photo.jpg --pose=pose.json --out=out.png

`--server=HOST:8500` speaks gRPC, `--server=http://HOST:8501` REST. A server that asks
for a token gets the one in --token_file, or in the environment variable PG2_TOKEN.
"""

import logging
import os
import sys
from pathlib import Path

from absl import flags

from pg2_tf.posing import target_poses
from pg2_tf.serving import answers
from pg2_tf.serving.connection import connect
from pg2_tf.serving.endpoint import MOST_RETRIES, Endpoint
from preprocessing.images import image_files as images
from preprocessing.system import command
from preprocessing.system.errors import InputError

_TOKEN = "PG2_TOKEN"

_SERVER = flags.DEFINE_string(
    "server", None, "HOST:PORT for gRPC; http://HOST:PORT or https://... for REST."
)
_MODEL = flags.DEFINE_string("model", None, "Name of the model on the server.")
_VERSION = flags.DEFINE_integer(
    "version", None, "Of the model. Default: the server's choice.", lower_bound=1
)
_LABEL = flags.DEFINE_string("label", None, "Of the version: stable, canary, ...")
_IMAGE = command.define_paths(
    "image", "Photos of one person each, or folders of them, separated by commas."
)
_POSE = command.define_paths(
    "pose", "Pose JSON files of an image each, or folders of them, likewise."
)
_POSE_SIZE = flags.DEFINE_string(
    "pose_size",
    None,
    "HEIGHTxWIDTH of the images that the poses were found in. Default: the model's.",
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "A .png for one photo and one pose. Otherwise a folder: PHOTO.png for one pose, "
    "PHOTO_POSE.png for many.",
)
_CONCURRENCY = flags.DEFINE_integer(
    "concurrency", 4, "Requests under way at once.", lower_bound=1, upper_bound=64
)
_TIMEOUT = flags.DEFINE_float(
    "timeout",
    30.0,
    "Seconds for an answer: over gRPC with all attempts, over REST for each.",
    lower_bound=0.001,
)
_RETRIES = flags.DEFINE_integer(
    "retries",
    3,
    "How often what the server has no room for just now (UNAVAILABLE; HTTP 429, 502, "
    "503) is asked again.",
    lower_bound=0,
    upper_bound=MOST_RETRIES,
)
_TLS = flags.DEFINE_boolean(
    "tls", False, "Encrypt gRPC; --ca and --cert say so too, https:// for REST."
)
_CA = flags.DEFINE_string(
    "ca", None, "PEM file of the authorities to trust. Default: the system's."
)
_CERT = flags.DEFINE_string("cert", None, "PEM file: the client's certificate.")
_KEY = flags.DEFINE_string("key", None, "PEM file: the certificate's key.")
_TOKEN_FILE = flags.DEFINE_string(
    "token_file", None, f"File of the bearer token. Default: the variable {_TOKEN}."
)


def main() -> None:
    """Checks the flags, asks for every photo in every pose, and writes the answers."""
    # It warns of every attempt; the last one's answer is told below.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    out = Path(command.required("out", _OUT.value))
    for name, values in (("image", _IMAGE.value), ("pose", _POSE.value)):
        command.required(name, ",".join(values))
    wanted = answers.plan(_photos(), target_poses.find_pose_files(_POSE.value), out)
    size = (
        command.parse_size("pose_size", _POSE_SIZE.value) if _POSE_SIZE.value else None
    )
    model = connect(_endpoint())
    failed = answers.write_all(
        wanted,
        lambda request: answers.write(request, model, pose_size=size),
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
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        found = [p for p in inside if not path.is_dir() or _is_image(p)]
        if not found:
            raise InputError(f"{path}: no image in this folder")
        photos += found
    return photos


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in images.SUFFIXES


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
        raise InputError(f"{path or _TOKEN}: holds no token of printable ASCII")
    return token or None


if __name__ == "__main__":
    command.run(main)
