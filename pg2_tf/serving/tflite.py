"""The generators as TensorFlow Lite (LiteRT) files, for phones.

Of each kind there are two files, of the same weights: `KIND.tflite` takes one image,
`KIND_batch.tflite` any number. All have the signature `serving_default`.
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

# float16: weights in half the bytes; dynamic: weights in 8 bits; int8: weights and
# activations in 8 bits, by scales that are calibrated.
KINDS = ("float32", "float16", "dynamic", "int8")
# The name of the metadata that is this project's, JSON in UTF-8.
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
        model: of float32.
        folder: of the files; of other kinds none is left there.
        kinds: some of `KINDS`.
        calibration: images and poses such as the model will be given; int8 needs it.

    Returns:
        By kind, `operators`.

    Raises:
        InputError: the model computes in bfloat16, or int8 has no calibration.
    """
    folder = Path(folder)
    if any(
        each.compute_dtype != "float32" for each in model.networks.generator1.layers
    ):
        raise InputError("a TensorFlow Lite model is made of a float32 one")
    if "int8" in kinds and calibration is None:
        raise InputError("int8 needs data to be calibrated on; give --data_dir")
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
    """Returns the path of a kind's file, of one image or of any number."""
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
        # The converter itself still calibrates with what it warns of.
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
    outputs = {"coarse": {**image, "content": "the person in the pose, by stage I"}}
    if model.networks.generator2 is not None:
        outputs["refined"] = {**image, "content": "the same, refined by stage II"}
    return {
        "model": "PG2: pose guided person image generation",
        "kind": kind,
        "dataset": model.config.dataset,
        "variant": model.config.variant,
        "stage": model.stage,
        "step": model.step,
        "inputs": {
            "image": {**image, "content": "a person, who fills the image"},
            "keypoints": {
                "type": "float32",
                "shape": [batch, kp.NUM_KEYPOINTS, 3],
                "unit": "x and y in pixels of the image, confidence",
                "range": [[0, width - 1], [0, height - 1], [0, 1]],
                "order": list(kp.NAMES),
                "content": "the target pose; a confidence of 0 or less: not found",
            },
        },
        "outputs": outputs,
        "versions": package_versions(),
    }


def with_metadata(content: bytes, metadata: dict[str, Any], *, fixed: bool) -> bytes:
    """Returns a model that describes itself.

    Args:
        content: the model, with a batch of any size.
        metadata: of the model, plain data.
        fixed: whether its batch is one image for good, as some accelerators need it.
    """
    model = flatbuffer_utils.read_model_from_bytearray(content)
    if fixed:
        for subgraph in model.subgraphs:
            for tensor in subgraph.tensors:
                # What is left, `shape`, has a batch of 1 throughout.
                tensor.shapeSignature = None
    held = schema.BufferT()
    held.data = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA, len(model.buffers)
    model.buffers.append(held)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Returns what a model says of itself.

    Raises:
        InputError: it has no such metadata.
    """
    model = schema.Model.GetRootAs(Path(path).read_bytes())
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == METADATA.encode():
            return json.loads(bytes(model.Buffers(entry.Buffer()).DataAsNumpy()))
    raise InputError(
        f"{path}: has no metadata of this project; python -m pg2_tf.export writes it"
    )


def operators(content: bytes) -> dict[str, dict[str, int]]:
    """Counts a model's operators by name.

    Returns:
        `float`: those that take or give floats; `whole`: the others.
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
