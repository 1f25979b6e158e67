"""TensorFlow Lite files: metadata, a batch of one, and what is computed in floats."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from preprocessing.system.errors import InputError

# The name of the metadata that is this project's, JSON in UTF-8.
METADATA = "pg2.json"


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
