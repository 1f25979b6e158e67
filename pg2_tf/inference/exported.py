"""Loads exported models: SavedModel and TensorFlow Lite.

A `.tflite` file needs LiteRT only, so TensorFlow is not imported at the top.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pg2_tf.inference.inputs import BATCH_SIZE, Images, generate_in_batches
from pg2_tf.machine.isolated import usable_cores
from preprocessing.system.errors import InputError

SIGNATURE = "serving_default"

_Tensors = dict[str, tuple[str, list[int | None]]]

# Operations of the SavedModels that `pg2_tf.export` writes, and similar ones. None of
# them reads or writes files or runs programs.
_NAMES = """
Abs Add AddV2 All Any Assert AvgPool BiasAdd BroadcastTo Cast ClipByValue Concat
ConcatV2 Const Conv2D DecodeJpeg DecodePng DecodeRaw EncodePng EnsureShape Equal
Exp ExpandDims ExtractJpegShape Fill Floor FloorDiv GatherNd GatherV2 Greater
GreaterEqual Identity IdentityN If IsFinite IsNan LeakyRelu Less LessEqual
LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean Min Minimum MirrorPad
Mul Neg NoOp NotEqual OnesLike Pack Pad PadV2 PartitionedCall
PlaceholderWithDefault Pow Prod Range Rank ReadVariableOp RealDiv Relu Reshape
ResizeArea ResizeBicubic ResizeNearestNeighbor Round Rsqrt Select SelectV2 Shape
Sigmoid Size Slice Split SplitV Sqrt Square SquaredDifference Squeeze
StatefulPartitionedCall StatelessIf StatelessWhile StaticRegexFullMatch
StopGradient StridedSlice StringFormat StringJoin StringLength Sub Substr Sum
Tanh TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem
TensorListStack Tile Transpose Unpack Where While ZerosLike
"""
_OPERATIONS = frozenset(_NAMES.split())
# Objects of these SavedModels. Loading others (tables, assets) runs their functions.
_OBJECTS = frozenset(
    {
        *("variable", "function", "bare_concrete_function"),
        *("_generic_user_object", "signature_map", "trackable_list_wrapper"),
        *("trackable_dict_wrapper", "trackable_tuple_wrapper"),
    }
)


class LoadedSavedModel:
    """A SavedModel. Generates images with its signature `serving_default`.

    Args:
        path: Folder of one version.
        trusted: Whether to skip `check_saved_model`.

    Raises:
        InputError: The model cannot be loaded, or was not written by `pg2_tf.export`.
    """

    def __init__(self, path: str | Path, *, trusted: bool = False):
        import tensorflow as tf

        if not trusted:
            check_saved_model(path)
        try:
            # Signatures do not keep the variables alive.
            self._loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise _damaged(path, "SavedModel", error) from error
        signatures = getattr(self._loaded, "signatures", {})
        if SIGNATURE not in signatures:
            raise _foreign(path, "SavedModel", f"it has no signature {SIGNATURE}")
        self._run = signatures[SIGNATURE]
        self._tensor = tf.constant
        self.image_size, self.stage = _examine(
            path,
            "SavedModel",
            _from_specs(self._run.structured_input_signature[1]),
            _from_specs(self._run.structured_outputs),
        )
        self.describe = f"SavedModel, stage {self.stage}"

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> Images:
        """Generates images; see `loading.Model`."""
        return generate_in_batches(
            self._generate, images, poses, image_size=self.image_size
        )

    def _generate(self, images: np.ndarray, poses: np.ndarray) -> Images:
        generated = self._run(image=self._tensor(images), keypoints=self._tensor(poses))
        return {name: image.numpy() for name, image in generated.items()}


class LoadedLite:
    """A `.tflite` file. Not thread-safe.

    Args:
        path: Path of the file.
        threads: Number of threads; None for one per core.

    Raises:
        InputError: The model cannot be loaded, or was not written by `pg2_tf.export`.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None):
        from ai_edge_litert.interpreter import Interpreter

        kind = "TensorFlow Lite model"
        try:
            self._interpreter = Interpreter(
                str(path), num_threads=threads or usable_cores()
            )
            if SIGNATURE not in self._interpreter.get_signature_list():
                raise _foreign(path, kind, f"it has no signature {SIGNATURE}")
            self._run = self._interpreter.get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            raise _damaged(path, kind, error) from error
        inputs = _from_details(self._run.get_input_details())
        outputs = _from_details(self._run.get_output_details())
        self.image_size, self.stage = _examine(path, kind, inputs, outputs)
        self.batch_size = inputs["image"][1][0]
        self.describe = f"TensorFlow Lite, stage {self.stage}"

    def __call__(self, images: np.ndarray, poses: np.ndarray) -> Images:
        """Generates images; see `loading.Model`."""
        return generate_in_batches(
            lambda image, keypoints: self._run(image=image, keypoints=keypoints),
            images,
            poses,
            image_size=self.image_size,
            batch_size=self.batch_size or BATCH_SIZE,
        )


def check_saved_model(path: str | Path) -> None:
    """Checks that a SavedModel does nothing but generate images.

    A SavedModel is a program: its operations can read and write files. Only the
    operations of this project's exports are allowed in the functions that loading or a
    signature can run.

    Args:
        path: Folder of one version.

    Raises:
        InputError: The file is damaged, or has other operations or objects.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((Path(path) / "saved_model.pb").read_bytes())
    except (OSError, DecodeError) as error:
        raise _damaged(path, "SavedModel", error) from error
    if not saved.meta_graphs:
        raise _damaged(path, "SavedModel", ValueError("it has no graph"))
    found = {name for graph in saved.meta_graphs for name in _not_exported(graph)}
    if found:
        raise InputError(
            f"{path}: this SavedModel has {', '.join(sorted(found)[:5])}, which "
            "python -m pg2_tf.export never writes, and which can read and write files. "
            "Use trust_model only if you trust its author"
        )


def _not_exported(graph: Any) -> Iterator[str]:
    """Yields operations and objects that this project's exports never have."""
    objects = graph.object_graph_def
    if not objects.nodes:
        # TensorFlow 1: loading runs operations of the graph itself.
        yield "a TensorFlow 1 graph"
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        kind = node.user_object.identifier if kind == "user_object" else kind
        if kind not in _OBJECTS or node.registered_saver or node.saveable_objects:
            yield f"an object of kind {kind}"
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    waiting, seen = list(objects.concrete_functions), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in functions[name].node_def:
            if node.op not in _OPERATIONS and node.op not in functions:
                yield f"the operation {node.op}"
            waiting += [node.op, *_called(node)]


def _called(node: Any) -> Iterator[str]:
    """Yields the names of the functions that an operation calls."""
    for value in node.attr.values():
        yield value.func.name
        yield from (function.name for function in value.list.func)


def _examine(
    path: Any, kind: str, inputs: _Tensors, outputs: _Tensors
) -> tuple[tuple[int, int], int]:
    """Returns a model's image size and stage, or raises `InputError`."""
    height, width = inputs.get("image", ("", [None] * 4))[1][1:3]
    image = ("uint8", [height, width, 3])
    taken = {name: (dtype, shape[1:]) for name, (dtype, shape) in inputs.items()}
    given = {name: (dtype, shape[1:]) for name, (dtype, shape) in outputs.items()}
    stages = {1: {"coarse": image}, 2: {"coarse": image, "refined": image}}
    stage = next((stage for stage in stages if given == stages[stage]), None)
    needed = {"image": image, "keypoints": ("float32", [18, 3])}
    if taken != needed or stage is None or height is None or width is None:
        found = f"its inputs are {_listed(inputs)}, its outputs {_listed(outputs)}"
        raise _foreign(path, kind, found)
    return (height, width), stage


def _damaged(path: Any, kind: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(f"{path}: damaged {kind} ({reason})")


def _foreign(path: Any, kind: str, found: str) -> InputError:
    return InputError(
        f"{path}: this {kind} was not written by python -m pg2_tf.export: {found}"
    )


def _from_specs(specs: dict[str, Any]) -> _Tensors:
    return {
        name: (
            spec.dtype.name,
            spec.shape.as_list() if spec.shape.rank is not None else [],
        )
        for name, spec in specs.items()
    }


def _from_details(details: dict[str, dict[str, Any]]) -> _Tensors:
    return {
        name: (
            np.dtype(detail["dtype"]).name,
            [None if size < 0 else int(size) for size in detail["shape_signature"]],
        )
        for name, detail in details.items()
    }


def _listed(tensors: _Tensors) -> str:
    return ", ".join(
        f"{name} {dtype} {['any' if n is None else n for n in shape]}".replace("'", "")
        for name, (dtype, shape) in sorted(tensors.items())
    )
