"""Small or random networks in place of those that the metrics look through."""

import io
import tarfile

import numpy as np
import tensorflow as tf

from pg2_tf.evaluation.metrics.inception import NAME

SIDE = 29
FEATURES = 16
CLASSES = 10
_ARRAYS = {
    "conv/weights": (3, 3, 3, FEATURES),
    "mean": (FEATURES,),
    "variance": (FEATURES,),
    "beta": (FEATURES,),
    "gamma": (FEATURES,),
    "softmax/weights": (FEATURES, CLASSES),
    "softmax/biases": (CLASSES,),
}

# AlexNet: filters, channels, side of the kernels; stride and padding; pooled before.
CONVOLUTIONS = {
    0: ((64, 3, 11), 4, 2, False),
    3: ((192, 64, 5), 1, 2, True),
    6: ((384, 192, 3), 1, 1, True),
    8: ((256, 384, 3), 1, 1, False),
    10: ((256, 256, 3), 1, 1, False),
}


def arrays(seed=0) -> dict[str, np.ndarray]:
    """Returns the weights of the graph by the names of their nodes."""
    rng = np.random.default_rng(seed)
    return {n: rng.uniform(0.1, 1, s).astype(np.float32) for n, s in _ARRAYS.items()}


def frozen_graph(weights=None, *, without=(), renamed=None) -> bytes:
    """Returns the graph as a file.

    Like the original it is made for one JPEG, resizes it, subtracts 128 and divides by
    128, normalises by an operation that TensorFlow removed from graphs of version 9 on,
    has no version, and reshapes `pool_3` to one row.

    Args:
        weights: of `arrays`, or some of them.
        without: names of nodes to leave out.
        renamed: new names of nodes, by their names.
    """
    weights = {**arrays(), **(weights or {})}
    with tf.Graph().as_default() as graph:
        image = tf.io.decode_jpeg(tf.constant(b"one JPEG"), channels=3)
        image = tf.cast(image, tf.float32)
        batch = tf.expand_dims(image, 0, name="ExpandDims")
        small = tf.raw_ops.ResizeBilinear(images=batch, size=[SIDE, SIDE])
        scaled = (small - 128) * (1 / 128)
        parts = {name: tf.constant(array, name=name) for name, array in weights.items()}
        features = tf.nn.conv2d(scaled, parts["conv/weights"], 2, "VALID", name="conv")
        # In the place of the old operation, which no function of today makes.
        normal = tf.identity(features, name="normal")
        active = tf.nn.relu(normal, name="relu")
        pool = tf.nn.avg_pool2d(active, active.shape[1], 1, "VALID", name="pool_3")
        row = tf.reshape(pool, [1, FEATURES], name="pool_3/_reshape")
        logits = tf.matmul(row, parts["softmax/weights"], name="softmax/logits/MatMul")
        tf.nn.softmax(logits + parts["softmax/biases"], name="softmax")
    definition = graph.as_graph_def()
    definition.ClearField("versions")
    definition.ClearField("library")
    for node in definition.node:
        if node.name == "normal":
            _normalise(node)
        node.name = (renamed or {}).get(node.name, node.name)
    kept = [node for node in definition.node if node.name not in without]
    del definition.node[:]
    definition.node.extend(kept)
    return definition.SerializeToString(deterministic=True)


def archive(files=None) -> bytes:
    """Returns a .tgz archive of files, by default of the graph and another file."""
    files = files or {"cropped_panda.jpg": b"a panda", NAME: frozen_graph()}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return target.getvalue()


def alexnet_weights() -> dict[str, np.ndarray]:
    """Returns random weights of AlexNet by their names in torchvision."""
    rng = np.random.default_rng(0)
    weights = {}
    for number, ((filters, channels, side), *_) in CONVOLUTIONS.items():
        shape = (filters, channels, side, side)
        scale = np.sqrt(2 / (channels * side * side))
        name = f"features.{number}"
        weights[f"{name}.weight"] = rng.normal(0, scale, shape).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.1, filters).astype(np.float32)
    return weights


def linear_weights() -> dict[str, np.ndarray]:
    """Returns random weights of LPIPS's layers by their names in its package."""
    rng = np.random.default_rng(1)
    return {
        f"lin{index}.model.1.weight": rng.random((1, filters, 1, 1)).astype(np.float32)
        for index, ((filters, *_), *_) in enumerate(CONVOLUTIONS.values())
    }


def _normalise(node) -> None:
    node.op = "BatchNormWithGlobalNormalization"
    node.input.extend(["mean", "variance", "beta", "gamma"])
    node.attr["variance_epsilon"].f = 1e-3
    node.attr["scale_after_normalization"].b = True
