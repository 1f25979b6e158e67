r"""Generates images with a model on TensorFlow Serving.

    python -m pg2_tf.client --server=localhost:8500 --model=market1501 \
        --image=photo.jpg --pose=pose.json --out=out.png

`--server=HOST:8500` uses gRPC, `--server=http://HOST:8501` uses REST. The token comes
from --token_file, or from the environment variable PG2_TOKEN.
"""

import logging
import os
import sys
from pathlib import Path

from absl import flags

from pg2_tf.posing import target_poses
from pg2_tf.serving import requests
from pg2_tf.serving.remote import MOST_RETRIES, Endpoint
from pg2_tf.serving.requests import connect
from preprocessing.images import image_files as images
from preprocessing.system import command
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
    "image", "Photos of one person each, or folders, separated by commas."
)
_POSE = command.define_paths(
    "pose", "Pose files of one person each, or folders, separated by commas."
)
_POSE_SIZE = flags.DEFINE_string(
    "pose_size",
    None,
    "HEIGHTxWIDTH of the images that the poses belong to. Default: the model's.",
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "A .png file for one photo and one pose. Otherwise a folder, with PHOTO.png for "
    "one pose and PHOTO_POSE.png for several.",
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


def main() -> None:
    """Checks the flags, generates every photo in every pose, and writes the images."""
    # urllib3 logs every attempt; the error of the last one is reported below.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    out = Path(command.required("out", _OUT.value))
    for name, values in (("image", _IMAGE.value), ("pose", _POSE.value)):
        command.required(name, ",".join(values))
    wanted = requests.plan(_photos(), target_poses.find_pose_files(_POSE.value), out)
    size = (
        command.parse_size("pose_size", _POSE_SIZE.value) if _POSE_SIZE.value else None
    )
    model = connect(_endpoint())
    failed = requests.write_all(
        wanted,
        lambda request: requests.write(request, model, pose_size=size),
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
            raise InputError(f"{path}: no image found in this folder")
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
        raise InputError(f"{path or _TOKEN}: the token must be printable ASCII")
    return token or None


if __name__ == "__main__":
    command.run(main)
