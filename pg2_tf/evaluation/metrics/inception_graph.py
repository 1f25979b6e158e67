"""The Inception network of 2015 that the scores of this field were computed with.

`classify_image_graph_def.pb` in inception-2015-12-05.tgz, a frozen TensorFlow graph
(Szegedy et al. 2015) with 1008 classes. No later Inception gives the same scores.
"""

import hashlib
import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import tensorflow as tf
from google.protobuf.message import DecodeError

from preprocessing.system import fetching, files
from preprocessing.system.errors import InputError

URL = "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
NAME = "classify_image_graph_def.pb"

# Nodes: images in, pooled features, and the last layer, whose weights are needed.
IMAGES = "ExpandDims"
POOL = "pool_3"
LOGITS = "softmax/logits/MatMul"


def fetch(cache: Path, *, url: str = URL) -> Path:
    """Returns the path of the graph in a folder, fetching it if it is not there.

    Args:
        cache: the folder.
        url: of the archive that the graph is in.

    Raises:
        InputError: it cannot be fetched, or is not in what came.
    """
    path = cache / NAME
    if not path.exists():
        print(f"fetching {url}")
        advice = (
            f"fetch it yourself: mkdir -p {cache} && curl -L {url} | tar -xz -C "
            f"{cache}; or name a copy of {NAME} with --inception_graph"
        )
        archive = fetching.content(url, advice=advice)
        print(f"fetched {url}, SHA-256 {hashlib.sha256(archive).hexdigest()}")
        files.write_bytes(path, _unpack(archive, url, advice))
    return path


def read(path: Path) -> tf.compat.v1.GraphDef:
    """Reads the graph.

    Raises:
        InputError: there is no file, it is no frozen graph, or it lacks a node by
            which the scores are defined.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; needed is {NAME} of {URL}")
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise InputError(
            f"{path}: no frozen TensorFlow graph; needed is {NAME} of {URL}"
        ) from error
    there = {node.name for node in graph.node}
    missing = [name for name in (IMAGES, POOL, LOGITS) if name not in there]
    if missing:
        raise InputError(
            f"{path}: not the Inception graph of 2015: it has no node "
            f"{', '.join(missing)}; needed is {NAME} of {URL}"
        )
    return graph


def _unpack(archive: bytes, url: str, advice: str) -> bytes:
    came = f"{url}: what came ({len(archive):,} bytes)"
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            for member in members:
                file = members.extractfile(member)
                if file and PurePosixPath(member.name).name == NAME:
                    return file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{came} is no whole .tgz archive ({error}) and was not kept; {advice}"
        ) from error
    raise InputError(f"{came} has no {NAME} in it and was not kept; {advice}")
