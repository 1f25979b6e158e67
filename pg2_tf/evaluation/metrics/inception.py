"""The Inception network of 2015, which IS, FID and KID look at images through.

As in the improved-gan code (Salimans et al. 2016), which the authors' score.py uses:
images in their own size (the graph resizes them to 299x299), features from `pool_3`,
class probabilities from the weights of the last layer without its bias. The file is
`classify_image_graph_def.pb` in inception-2015-12-05.tgz, a frozen TensorFlow graph
(Szegedy et al. 2015) with 1008 classes. No later Inception gives the same scores.
"""

import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from preprocessing.system import download, files
from preprocessing.system.errors import InputError

URL = "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
NAME = "classify_image_graph_def.pb"
# Nodes: images, pooled features, and the last layer.
IMAGES, POOL, LOGITS = "ExpandDims", "pool_3", "softmax/logits/MatMul"
_BATCH = 32
_SIZES = (2048, 1008)


class Inception:
    """The network, loaded.

    Args:
        graph: Frozen graph, see `read_graph`.
        checksum: SHA-256 of its file.

    Raises:
        ValueError: The graph does not run, or not on several images at once.
    """

    def __init__(self, graph: tf.compat.v1.GraphDef, *, checksum: str):
        self.checksum = checksum
        # A tf.function would take the graph for one of the current version, which
        # lacks its operation BatchNormWithGlobalNormalization; a session does not.
        self._session, self._images, self._pool, weights = _start(graph)
        self._weights = self._session.run(weights).astype(np.float64)
        self.features(np.zeros((2, 64, 64, 3), np.uint8))

    @classmethod
    def load(cls, path: str | Path | None) -> "Inception":
        """Loads the network, and prints its path and SHA-256.

        Args:
            path: Path of `classify_image_graph_def.pb`. None: the copy in
                `download.default_cache()`, downloaded if it is missing.

        Raises:
            InputError: The graph cannot be downloaded or read.
        """
        place = Path(path) if path else fetch(download.default_cache(), url=URL)
        graph, checksum = read_graph(place), files.sha256(place)
        try:
            loaded = cls(graph, checksum=checksum)
        except (ValueError, TypeError, IndexError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{place}: not the Inception graph of 2015: {reason}"
            ) from error
        print(f"Inception: {place}, SHA-256 {checksum}{loaded._sizes_if_other()}")
        return loaded

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Computes features and class probabilities of images.

        Args:
            images: uint8 [B, H, W, 3], RGB, of any size.

        Returns:
            The features of `pool_3`, float32 [B, 2048], and the class probabilities,
            float64 [B, 1008].
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(
                f"images {images.dtype} {images.shape}, needed uint8 [B, H, W, 3]"
            )
        parts = [
            self._session.run(
                self._pool,
                {self._images: images[start : start + _BATCH].astype(np.float32)},
            )
            for start in range(0, len(images), _BATCH)
        ]
        pool = np.concatenate(parts).reshape(len(images), -1)
        logits = pool.astype(np.float64) @ self._weights
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return pool, powers / powers.sum(axis=1, keepdims=True)

    def _sizes_if_other(self) -> str:
        if self._weights.shape == _SIZES:
            return ""
        features, classes = self._weights.shape
        return (
            f"; {features:,} features and {classes:,} classes instead of {_SIZES[0]:,} "
            f"and {_SIZES[1]:,}: do not compare its scores with published ones"
        )


def fetch(cache: Path, *, url: str = URL) -> Path:
    """Returns the path of the graph in a folder; downloads it if it is missing.

    Args:
        cache: The folder.
        url: Address of the archive that holds the graph.

    Raises:
        InputError: The download fails, or the archive does not hold the graph.
    """
    advice = (
        f"fetch it yourself: mkdir -p {cache} && curl -L {url} | tar -xz -C {cache}; "
        f"or name a copy of {NAME} with --inception_graph"
    )
    return download.fetch(
        cache / NAME,
        url=url,
        advice=advice,
        unpack=lambda archive: _unpack(archive, url, advice),
    )


def read_graph(path: Path) -> tf.compat.v1.GraphDef:
    """Reads the graph.

    Raises:
        InputError: The file is missing, is no frozen graph, or lacks a node that
            defines the scores.
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
    came = f"{url}: the download ({len(archive):,} bytes)"
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
    raise InputError(f"{came} does not contain {NAME} and was not kept; {advice}")


def _start(graph: tf.compat.v1.GraphDef) -> tuple[Any, Any, Any, Any]:
    """Returns a session, its images, `pool_3` and the weights of the last layer.

    The graph takes one image. Imported onto a placeholder with an open batch dimension,
    it takes many.
    """
    v1 = tf.compat.v1
    with tf.Graph().as_default() as place:
        images = v1.placeholder(tf.float32, [None, None, None, 3])
        pool, logits = tf.graph_util.import_graph_def(
            graph,
            input_map={f"{IMAGES}:0": images},
            return_elements=[f"{POOL}:0", LOGITS],
            name="inception",
        )
    options = v1.ConfigProto(allow_soft_placement=True)
    options.gpu_options.allow_growth = True
    session = v1.Session(graph=place, config=options)
    return session, images, pool, logits.inputs[1]
