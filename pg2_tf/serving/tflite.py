"""Exports the generators as TensorFlow Lite (LiteRT) files for mobile devices.

Each kind has two files with the same weights: `KIND.tflite` takes one image,
`KIND_batch.tflite` takes any number. All have the signature `serving_default`.
"""

import json
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from tqdm import tqdm

from pg2_tf.data.examples import Examples
from pg2_tf.inference.exported import SIGNATURE
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.runs.run_folder import package_versions
from pg2_tf.serving.lite_graph import LiteModel
from preprocessing.poses import keypoints as kp
from preprocessing.system import files, host
from preprocessing.system.errors import InputError

# float16: weights of 16 bits; dynamic: weights of 8 bits; int8: weights and activations
# of 8 bits, with calibrated scales.
KINDS = ("float32", "float16", "dynamic", "int8")
# Name of this project's metadata entry: JSON in UTF-8.
METADATA = "pg2.json"


def export_lite(
    model: PoseTransfer,
    folder: str | Path,
    *,
    kinds: Sequence[str],
    calibration: Examples | None = None,
) -> dict[str, dict[str, dict[str, int]]]:
    """Writes a model as `.tflite` files.

    Args:
        model: The trained model, in float32.
        folder: Output folder. Files of other kinds are removed from it.
        kinds: Names from `KINDS`.
        calibration: Images and poses like those of the later use. Required for int8.

    Returns:
        The result of `operators` for each kind.

    Raises:
        InputError: The model computes in bfloat16, or int8 has no calibration data.
    """
    folder = Path(folder)
    if any(
        each.compute_dtype != "float32" for each in model.networks.generator1.layers
    ):
        raise InputError("TensorFlow Lite export needs a float32 model")
    if "int8" in kinds and calibration is None:
        raise InputError("int8 needs calibration data; give --data_dir")
    contents = {}
    with tempfile.TemporaryDirectory(prefix="pg2_tf_lite_") as place:
        lite = LiteModel(model)
        with host.writing(place):
            tf.saved_model.save(lite, place, signatures={SIGNATURE: lite.signature()})
        for kind in tqdm(kinds, desc="converting", unit=" kinds"):
            contents[kind] = _convert(place, kind, calibration)
    for kind in KINDS:
        for fixed in (True, False):
            path = path_of(folder, kind, fixed=fixed)
            if kind in contents:
                metadata = _describe(model, kind, fixed=fixed)
                whole = with_metadata(contents[kind], metadata, fixed=fixed)
                files.write_bytes(path, whole)
            else:
                path.unlink(missing_ok=True)
    return {kind: operators(each) for kind, each in contents.items()}


def path_of(folder: Path, kind: str, *, fixed: bool = True) -> Path:
    """Returns the path of a kind's file, for one image or for any number."""
    return folder / f"{kind}{'' if fixed else '_batch'}.tflite"


def _convert(saved: str, kind: str, calibration: Examples | None) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(saved)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "int8" and calibration is not None:
        converter.representative_dataset = lambda: _one_by_one(calibration)
    with warnings.catch_warnings():
        # The converter warns about an interpreter that it uses itself.
        warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter")
        return converter.convert()


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
    """Returns a model with metadata.

    Args:
        content: The model as bytes, with a free batch size.
        metadata: The metadata as plain data.
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
        InputError: The file has no metadata of this project.
    """
    model = schema.Model.GetRootAs(Path(path).read_bytes())
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == METADATA.encode():
            return json.loads(bytes(model.Buffers(entry.Buffer()).DataAsNumpy()))
    raise InputError(
        f"{path}: no metadata of this project; export it with python -m pg2_tf.export"
    )


def operators(content: bytes) -> dict[str, dict[str, int]]:
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
