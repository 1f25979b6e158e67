"""The generators as TensorFlow Lite (LiteRT) files, for phones.

Of each kind there are two files, of the same weights: `KIND.tflite` takes one image,
`KIND_batch.tflite` any number. All have the signature `serving_default`.
"""

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pg2_tf.data.examples import Examples
from pg2_tf.inference.exported import SIGNATURE
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.runs.run_folder import package_versions
from pg2_tf.serving import lite_file
from pg2_tf.serving.lite_graph import LiteModel
from preprocessing.poses import keypoints as kp
from preprocessing.system import files, host
from preprocessing.system.errors import InputError

# float16: weights in half the bytes; dynamic: weights in 8 bits; int8: weights and
# activations in 8 bits, by scales that are calibrated.
KINDS = ("float32", "float16", "dynamic", "int8")


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
        By kind, `lite_file.operators`.

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
                whole = lite_file.with_metadata(contents[kind], metadata, fixed=fixed)
                files.write_bytes(path, whole)
            else:
                path.unlink(missing_ok=True)
    return {kind: lite_file.operators(each) for kind, each in contents.items()}


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
