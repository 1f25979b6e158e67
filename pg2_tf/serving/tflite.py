"""Exports the generators as TensorFlow Lite (LiteRT) files for mobile devices.

Each kind has two files with the same weights: `KIND.tflite` takes one image,
`KIND_batch.tflite` takes any number. All have the signature `serving_default`. They
generate the same images as the SavedModel, by a graph with these differences:

- Keypoints are compared and drawn as integers. With 8-bit quantization, positions would
  be wrong by pixels and keypoints with low confidence would be lost.
- All dimensions except the batch size are fixed, so that no shape is computed at run
  time.
- Nearest upsampling is one operation that mobile devices support.
"""

import json
import tempfile
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from keras import ops
from tqdm import tqdm

from pg2_tf.data.examples import Examples
from pg2_tf.inference.exported import SIGNATURE
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.machine import isolated
from pg2_tf.model.networks import Networks, generate
from pg2_tf.model.pose_embeddings import PoseCoordinates
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.runs.run_folder import package_versions
from preprocessing.poses import keypoints as kp
from preprocessing.system import files, host
from preprocessing.system.errors import InputError

# float32: unchanged; float16: weights of 16 bits; dynamic: weights of 8 bits; int8:
# weights and activations of 8 bits, with calibrated scales.
KINDS = ("float32", "float16", "dynamic", "int8")
# Name of the metadata entry: JSON in UTF-8.
METADATA = "pg2.json"

# Bits of positive infinity. Larger integers are the bits of NaN.
_INFINITY = 0x7F800000
# Bits of negative infinity. Larger negative integers are the bits of NaN.
_NEGATIVE_INFINITY = _INFINITY - 2**31


Counts = dict[str, dict[str, int]]


class LiteExport(NamedTuple):
    """Kinds of files that were written, and kinds that failed.

    Attributes:
        operators: Result of `operators` for each kind that was written.
        failures: Error message for each kind that failed.
    """

    operators: dict[str, Counts]
    failures: dict[str, str]


def export_lite(
    model: PoseTransfer,
    folder: str | Path,
    *,
    kinds: Sequence[str],
    calibration: Examples | None = None,
    timeout: float | None = None,
) -> LiteExport:
    """Writes a model as `.tflite` files.

    Args:
        model: Trained model, in float32.
        folder: Output folder. Files of other kinds are removed from it, unless all
            conversions fail.
        kinds: Names from `KINDS`.
        calibration: Images and poses similar to those of the later use. Required for
            int8.
        timeout: Time limit in seconds for each kind, which is then converted in its own
            process; None for no limit.

    Raises:
        InputError: The model computes in bfloat16, or int8 has no calibration data.
    """
    folder = Path(folder)
    if any(
        each.compute_dtype != "float32" for each in model.networks.generator1.layers
    ):
        raise InputError("TensorFlow Lite export needs a float32 model")
    if "int8" in kinds and calibration is None:
        raise InputError("int8 needs calibration data; use --data_dir")
    counts: dict[str, Counts] = {}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="pg2_tf_lite_") as temporary:
        saved, converted = Path(temporary, "saved_model"), Path(temporary)
        lite = LiteModel(model)
        with host.writing(saved):
            signatures = {SIGNATURE: lite.signature()}
            tf.saved_model.save(lite, str(saved), signatures=signatures)
        for kind in tqdm(kinds, desc="converting", unit=" kinds"):
            metadata = [_describe(model, kind, fixed=fixed) for fixed in (True, False)]
            given = (saved, kind, metadata, calibration)
            try:
                counts[kind] = _convert_within(timeout, given)
            except isolated.StoppedError as error:
                failures[kind] = str(error)
        if counts:
            _copy(converted, folder, counts)
    return LiteExport(counts, failures)


def path_of(folder: Path, kind: str, *, fixed: bool = True) -> Path:
    """Returns the path of a kind's file, for one image or for any number."""
    return folder / f"{kind}{'' if fixed else '_batch'}.tflite"


def _copy(converted: Path, folder: Path, kinds: Collection[str]) -> None:
    """Copies the files of kinds to a folder, and removes those of other kinds."""
    for kind in KINDS:
        for fixed in (True, False):
            path = path_of(folder, kind, fixed=fixed)
            if kind in kinds:
                content = path_of(converted, kind, fixed=fixed).read_bytes()
                files.write_bytes(path, content)
            else:
                path.unlink(missing_ok=True)


def _convert_within(timeout: float | None, given: tuple[Any, ...]) -> Counts:
    if timeout is None:
        return _convert(*given)
    name = f"{given[1]}: conversion"
    return isolated.call(
        _convert, *given, cores=None, gpus=False, timeout=timeout, name=name
    )


def _convert(
    saved: Path,
    kind: str,
    metadata: Sequence[dict[str, Any]],
    calibration: Examples | None,
) -> Counts:
    """Writes both files of a kind to the parent folder of a SavedModel.

    Returns:
        The result of `operators`.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "int8" and calibration is not None:
        converter.representative_dataset = lambda: _one_by_one(calibration)
    with warnings.catch_warnings():
        # The converter warns about an interpreter that it uses itself.
        warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter")
        content = converter.convert()
    for fixed, entry in zip((True, False), metadata, strict=True):
        whole = with_metadata(content, entry, fixed=fixed)
        path_of(saved.parent, kind, fixed=fixed).write_bytes(whole)
    return operators(content)


def _one_by_one(calibration: Examples) -> Iterator[dict[str, np.ndarray]]:
    pairs = zip(calibration.images, calibration.poses, strict=True)
    progress = tqdm(pairs, total=len(calibration.images), desc="calibrating")
    for image, pose in progress:
        yield {"image": image[None], "keypoints": pose[None]}


def _describe(model: PoseTransfer, kind: str, *, fixed: bool) -> dict[str, Any]:
    batch = 1 if fixed else "any"
    image = {
        "type": "uint8",
        "shape": [batch, *model.image_size, 3],
        "unit": "grey level; channels red, green, blue",
        "range": [0, 255],
    }
    height, width = model.image_size
    outputs = {"coarse": {**image, "content": "the person in the target pose"}}
    if model.networks.generator2 is not None:
        outputs["refined"] = {**image, "content": "the coarse image, refined"}
    return {
        "model": "PG2: pose guided person image generation",
        "kind": kind,
        "dataset": model.config.dataset,
        "variant": model.config.variant,
        "stage": model.stage,
        "step": model.step,
        "inputs": {
            "image": {**image, "content": "the source image, filled by one person"},
            "keypoints": {
                "type": "float32",
                "shape": [batch, kp.NUM_KEYPOINTS, 3],
                "unit": "x and y in pixels of the image, confidence",
                "range": [[0, width - 1], [0, height - 1], [0, 1]],
                "order": list(kp.NAMES),
                "content": "the target pose; confidence <= 0 means not found",
            },
        },
        "outputs": outputs,
        "versions": package_versions(),
    }


def with_metadata(content: bytes, metadata: dict[str, Any], *, fixed: bool) -> bytes:
    """Returns a model with a metadata entry.

    Args:
        content: Model for any batch size, as bytes.
        metadata: Content of the entry, as plain data.
        fixed: Whether to fix the batch size to 1, as some accelerators require.
    """
    model = flatbuffer_utils.read_model_from_bytearray(content)
    if fixed:
        for subgraph in model.subgraphs:
            for tensor in subgraph.tensors:
                # Without a signature, `shape` counts: its batch size is 1.
                tensor.shapeSignature = None
    held = schema.BufferT()
    held.data = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA, len(model.buffers)
    model.buffers.append(held)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Returns the metadata of a `.tflite` file.

    Raises:
        InputError: The file has no such entry.
    """
    model = schema.Model.GetRootAs(Path(path).read_bytes())
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == METADATA.encode():
            return json.loads(bytes(model.Buffers(entry.Buffer()).DataAsNumpy()))
    raise InputError(
        f"{path}: no metadata entry {METADATA}; export it with python -m pg2_tf.export"
    )


def operators(content: bytes) -> Counts:
    """Counts a model's operators by name.

    Returns:
        The counts under `float` for operators with a float input or output, and under
        `whole` for the others.
    """
    model = flatbuffer_utils.read_model_from_bytearray(content)
    floats = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16)
    counts: dict[str, Counter[str]] = {"float": Counter(), "whole": Counter()}
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            touched = [i for i in [*operator.inputs, *operator.outputs] if i >= 0]
            is_float = any(subgraph.tensors[i].type in floats for i in touched)
            name = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
            counts["float" if is_float else "whole"][str(name)] += 1
    return {kind: dict(sorted(count.items())) for kind, count in counts.items()}


class LiteModel(tf.Module):
    """The generators, from uint8 images and keypoints to uint8 images.

    Args:
        model: Trained model. The weights are shared with it.
    """

    def __init__(self, model: PoseTransfer):
        super().__init__(name="pg2")
        generators = [network and _for_lite(network) for network in model.networks[:2]]
        self._networks = Networks(*generators)
        self._weights = [
            weight.value
            for network in self._networks[:2]
            if network is not None
            for weight in network.weights
        ]
        self.image_size = model.image_size

    def signature(self) -> Any:
        """Returns the concrete function of image and keypoints, for any batch size."""
        function = tf.function(
            self._serve,
            input_signature=[
                tf.TensorSpec((None, *self.image_size, 3), tf.uint8, "image"),
                tf.TensorSpec((None, 18, 3), tf.float32, "keypoints"),
            ],
        )
        return function.get_concrete_function()

    def _serve(self, image: tf.Tensor, keypoints: tf.Tensor) -> dict[str, tf.Tensor]:
        heatmaps = None
        if "heatmaps" in self._networks.generator1.input:
            heatmaps = draw_heatmaps(keypoints, size=self.image_size)
        signed = _affine(tf.cast(image, tf.float32), 1 / 127.5, -1.0)
        made = generate(self._networks, signed, heatmaps, keypoints=keypoints)
        made.pop("difference", None)
        return {name: _to_pixels(image) for name, image in made.items()}


def draw_heatmaps(keypoints: tf.Tensor, *, size: tuple[int, int]) -> tf.Tensor:
    """Draws heatmaps like `PoseHeatmaps`, with integer arithmetic only.

    Args:
        keypoints: x and y in pixels, and confidence, float32 [B, 18, 3].
        size: Height and width of the image in pixels.

    Returns:
        float32 [B, H, W, 18] of -1 and +1.
    """
    radius = PoseHeatmaps(size).radius
    # Discs around positions beyond this limit do not reach the image.
    limit = 4 * max(size) + radius
    places = tf.cast(keypoints, tf.int32)[..., :2]
    places = tf.where(_found(keypoints), places, limit)
    places = tf.minimum(tf.maximum(places, -limit), limit)
    x, y = (tf.reshape(places[..., axis], (-1, 1, 1, 18)) for axis in (0, 1))
    rows = tf.range(size[0])[None, :, None, None]
    columns = tf.range(size[1])[None, None, :, None]
    distance = tf.math.squared_difference(rows, y)
    distance += tf.math.squared_difference(columns, x)
    return tf.where(distance <= radius**2, 1.0, -1.0)


def _found(keypoints: tf.Tensor) -> tf.Tensor:
    """Returns where keypoints are finite with confidence > 0, bool [B, 18, 1]."""
    bits = tf.bitcast(keypoints, tf.int32)
    positive = (bits >= 0) & (bits < _INFINITY)
    finite = positive | (bits < _NEGATIVE_INFINITY)
    confident = positive[..., 2:] & (bits[..., 2:] > 0)
    return confident & finite[..., :1] & finite[..., 1:2]


def _to_pixels(image: tf.Tensor) -> tf.Tensor:
    # Clips first, so that 8-bit quantization covers the visible range only.
    clipped = tf.minimum(tf.maximum(image, -1.0), 1.0)
    return tf.cast(tf.round(_affine(clipped, 127.5, 127.5)), tf.uint8)


def _affine(image: tf.Tensor, scale: float, offset: float) -> tf.Tensor:
    """Returns scale * image + offset for 3 channels, as one quantizable operation."""
    weights = tf.constant(scale * np.eye(3)[None, None], tf.float32)
    return tf.nn.conv2d(image, weights, 1, "SAME") + tf.fill((3,), offset)


def _for_lite(network: keras.Model) -> keras.Model:
    """Returns a network with the same weights and layers that suit TensorFlow Lite."""
    return keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=_call
    )


def _call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
    if isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape)):
        return ops.reshape(
            args[0], (-1, *layer.compute_output_shape(args[0].shape)[1:])
        )
    if isinstance(layer, keras.layers.UpSampling2D):
        size = layer.compute_output_shape(args[0].shape)[1:3]
        return ops.image.resize(args[0], size, interpolation="nearest")
    if isinstance(layer, PoseCoordinates):
        layer = _LiteCoordinates(layer.image_size, name=layer.name)
    return layer(*args, **kwargs)


class _LiteCoordinates(PoseCoordinates):
    """Computes `PoseCoordinates`, with an integer test for found keypoints."""

    def call(self, keypoints):
        found = _found(keypoints)
        places = tf.where(found, keypoints[..., :2], 0.0)
        sizes = tf.constant(self.image_size[::-1], tf.float32)
        places = (2.0 * places + 1.0) / sizes - 1.0
        values = [tf.where(found, places, 0.0), tf.where(found, 1.0, 0.0)]
        return tf.reshape(tf.concat(values, axis=-1), (-1, 3 * keypoints.shape[1]))
