r"""Trains PG2 with Keras on JAX, on a machine that need not have TensorFlow.

    python -m pg2_tf.train_jax pack --data_dir=data/market1501 --data=market1501.npz
    python -m pg2_tf.train_jax draw --identities=3000 --data=people.npz
    python -m pg2_tf.train_jax train --dataset=market1501 --data=market1501.npz \
        --stage=1 --out=jax/stage1
    python -m pg2_tf.train_jax train --dataset=market1501 --data=market1501.npz \
        --stage=2 --generator1=jax/stage1/weights.npz --out=jax/stage2
    python -m pg2_tf.train_jax import --weights=jax/stage2/weights.npz \
        --run_dir=runs/jax

`pack` and `import` need TensorFlow, `draw` and `train` do not. An interrupted training
starts again from the first step.
"""

import dataclasses
import importlib.util
import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

# Before Keras is imported, which every action does for itself.
os.environ.setdefault(
    "KERAS_BACKEND", "jax" if sys.argv[1:2] == ["train"] else "tensorflow"
)

import cv2
import numpy as np
from absl import flags

from pg2_tf import train_flags
from pg2_tf.model import presets
from pg2_tf.model.config import (
    DEFAULT_VARIANT,
    DISCRIMINATOR_INPUTS,
    DISCRIMINATOR_NORMS,
    PRECISIONS,
    VARIANTS,
    RunConfig,
    TrainConfig,
)
from preprocessing.dataset import pairing
from preprocessing.system import command, files
from preprocessing.system.errors import InputError

_DATASET = flags.DEFINE_enum("dataset", None, presets.DATASETS, "Preset.")
_VARIANT = flags.DEFINE_enum(
    "variant", DEFAULT_VARIANT, VARIANTS, "Row of the paper's Table 1."
)
_STAGE = flags.DEFINE_enum("stage", "1", ["1", "2"], "1: G1. 2: G2 and D.")
_DATA = flags.DEFINE_string("data", None, "The .npz file of images, poses and pairs.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "pack: folder of the data set.")
_OUT = flags.DEFINE_string("out", None, "train: folder for weights, losses, scores.")
_RUN_DIR = flags.DEFINE_string("run_dir", None, "import: run folder to write.")
_GENERATOR1 = flags.DEFINE_string(
    "generator1", None, "Weights file of stage 1, for --stage=2."
)
_WEIGHTS = flags.DEFINE_string("weights", None, "import: weights file to read.")
_WIDTH = flags.DEFINE_integer(
    "width", None, "Filters of the generators' first block. Default: preset's."
)
_DISCRIMINATOR_WIDTH = flags.DEFINE_integer(
    "discriminator_width", None, "Filters of D's first layer. Default: in proportion."
)
_DISCRIMINATOR_NORM = flags.DEFINE_enum(
    "discriminator_norm", None, DISCRIMINATOR_NORMS, "Normalization in D."
)
_DISCRIMINATOR_INPUT = flags.DEFINE_enum(
    "discriminator_input", None, DISCRIMINATOR_INPUTS, "Input of D."
)
_IMAGE_SIZE = flags.DEFINE_string(
    "image_size", None, "HEIGHTxWIDTH in pixels. Default: preset's."
)
_PRECISION = flags.DEFINE_enum("precision", "float32", PRECISIONS, "Type of layers.")
_WEIGHTS_DTYPE = flags.DEFINE_enum(
    "weights_dtype", "float32", ["float32", "float16"], "Type in the weights file."
)
_SECONDS = flags.DEFINE_float(
    "seconds", None, "Stop training after this time. Default: after all steps."
)
_STEPS_PER_CALL = flags.DEFINE_integer(
    "steps_per_call", 100, "Steps in one call of the device.", lower_bound=1
)
_NUM_PAIRS = flags.DEFINE_integer(
    "num_pairs", 200, "Test pairs to generate and score.", lower_bound=0
)
_IMAGE_FORMAT = flags.DEFINE_enum(
    "image_format", "png", ["png", "jpg"], "Format of generated images."
)
_SCORE = flags.DEFINE_boolean("score", True, "Score the generated test images.")
_IDENTITIES = flags.DEFINE_integer("identities", 1000, "draw: people for training.")
_TEST_IDENTITIES = flags.DEFINE_integer("test_identities", 60, "draw: people held out.")
_IMAGES_PER_IDENTITY = flags.DEFINE_integer(
    "images_per_identity", 10, "draw: images of each person."
)
_DRAWING_SEED = flags.DEFINE_integer("drawing_seed", 0, "draw: seed of the people.")
_SAME_BACKGROUND = flags.DEFINE_boolean(
    "same_background", False, "draw: one background for all images of a person."
)
_TRAINING = train_flags.define_training()
# Other people are held out than those of any --drawing_seed near by.
_TEST_SEED_OFFSET = 1_000_000


def pack() -> None:
    """Writes a data set folder as one `.npz` file."""
    from pg2_tf.data.dataset import read_split
    from pg2_tf.jax_training.pairs import EncodedImages, save
    from preprocessing.dataset import records

    folder = command.existing_folder("data_dir", _DATA_DIR.value)
    path = command.required("data", _DATA.value)
    manifest = records.read_manifest(folder)
    size = tuple(manifest["image_size"])
    splits = {}
    for name in manifest["splits"]:
        split = read_split(folder, name, image_size=size)
        splits[name] = EncodedImages(
            split.names,
            split.images.numpy().tolist(),
            split.keypoints,
            split.masks.numpy(),
            split.pairs,
        )
    save(path, splits)
    _report(path, splits)


def draw() -> None:
    """Draws people for training and testing into one `.npz` file."""
    from pg2_tf.jax_training.pairs import draw_people, save

    path = command.required("data", _DATA.value)
    options: dict[str, Any] = {
        "images_per_identity": _IMAGES_PER_IDENTITY.value,
        "size": command.parse_size("image_size", _IMAGE_SIZE.value or "128x64"),
        "same_background": _SAME_BACKGROUND.value,
    }
    seed = _DRAWING_SEED.value
    splits = {
        "train": draw_people(_IDENTITIES.value, seed=seed, **options),
        "test": draw_people(
            _TEST_IDENTITIES.value, seed=seed + _TEST_SEED_OFFSET, **options
        ),
    }
    save(path, splits)
    _report(path, splits)


def train() -> None:
    """Trains one stage; writes weights, losses and scored test images."""
    started = time.monotonic()
    out = Path(command.required("out", _OUT.value))
    config, training = _configuration()
    path = command.required("data", _DATA.value)
    if importlib.util.find_spec("jax") is None:
        raise InputError("train needs JAX: pip install jax")
    from pg2_tf.jax_training import loop, pairs, weights

    data = pairs.load(path, "train")
    print(f"{len(data.names):,} images, {len(data.pairs):,} pairs", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    options = {"config": config.to_json(), "training": dataclasses.asdict(training)}
    files.write_json(out / "options.json", options)
    trained = loop.train(
        config,
        training,
        data,
        generator1=_GENERATOR1.value,
        steps_per_call=_STEPS_PER_CALL.value,
        seconds=_SECONDS.value or float("inf"),
        report=lambda line: print(line, flush=True),
    )
    weights.save_weights(
        out / weights.NAME,
        trained.steps.networks,
        trained.weights,
        dtype=_WEIGHTS_DTYPE.value,
    )
    figures = {**options, **trained.figures}
    files.write_json(out / "figures.json", figures)
    if _NUM_PAIRS.value:
        figures["scores"] = _score(trained, pairs.load(path, "test"), out)
    figures["total_seconds"] = time.monotonic() - started
    files.write_json(out / "figures.json", figures)
    print(
        f"{out}: {figures['steps']:,} steps, {1000 * figures['step_seconds']:.2f} "
        f"ms a step, {json.dumps(figures.get('scores', {}))}",
        flush=True,
    )


def _score(trained: Any, data: Any, out: Path) -> dict[str, dict[str, float]]:
    """Generates test pairs, writes them as archives, returns their mean scores."""
    from pg2_tf.evaluation.metrics import images as metrics
    from pg2_tf.jax_training import loop

    named = [(data.names[a], data.names[b]) for a, b in data.pairs.tolist()]
    chosen = np.array(pairing.drawn(named, count=_NUM_PAIRS.value, seed=0))
    made = loop.generate(trained, data, chosen)
    sources, targets = data.pairs[chosen].T
    height, width = data.image_size
    bits = np.unpackbits(data.masks[targets], axis=1)[:, : height * width]
    target_masks = bits.reshape(-1, height, width)
    scores = {}
    for kind, images in {"source": data.images[sources], **made}.items():
        if kind != "source":
            _archive(out / f"{kind}.zip", images, [named[i] for i in chosen])
        if not _SCORE.value:
            continue
        each = [
            metrics.score(image, target, mask)
            for image, target, mask in zip(
                images, data.images[targets], target_masks, strict=True
            )
        ]
        scores[kind] = {
            name: float(np.mean([score[name] for score in each]))
            for name in ("ssim", "mask_ssim", "l1")
        }
    return scores


def _archive(path: Path, images: np.ndarray, names: list[tuple[str, str]]) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if _IMAGE_FORMAT.value == "jpg" else []
    with zipfile.ZipFile(path, "w") as archive:
        for image, (source, target) in zip(images, names, strict=True):
            name = f"{Path(source).stem}_to_{Path(target).stem}.{_IMAGE_FORMAT.value}"
            bgr = np.ascontiguousarray(image[..., ::-1])
            _, content = cv2.imencode(f".{_IMAGE_FORMAT.value}", bgr, quality)
            archive.writestr(name, content.tobytes())


def import_weights() -> None:
    """Writes a weights file as a run folder that the other commands open."""
    from pg2_tf.jax_training import importing

    path = Path(command.required("weights", _WEIGHTS.value))
    importing.import_weights(path, command.required("run_dir", _RUN_DIR.value))


def _configuration() -> tuple[RunConfig, TrainConfig]:
    dataset = command.required("dataset", _DATASET.value)
    stage = int(_STAGE.value)
    preset = presets.preset(dataset, variant=_VARIANT.value)
    try:
        model = preset.model
        if _IMAGE_SIZE.value:
            size = command.parse_size("image_size", _IMAGE_SIZE.value)
            model = dataclasses.replace(model, image_size=size)
        if _WIDTH.value:
            model = model.with_width(_WIDTH.value)
        given: dict[str, Any] = {
            "discriminator_width": _DISCRIMINATOR_WIDTH.value,
            "discriminator_norm": _DISCRIMINATOR_NORM.value,
            "discriminator_input": _DISCRIMINATOR_INPUT.value,
        }
        model = dataclasses.replace(model, **_set(given))
        given = {name: flag.value for name, flag in _TRAINING.items()}
        given["precision"] = _PRECISION.value
        training = dataclasses.replace(preset.stage(stage), **_set(given))
    except ValueError as error:
        raise InputError(f"--{error}") from error
    return RunConfig(dataset, "paper", model, _VARIANT.value), training


def _set(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _report(path: str, splits: dict[str, Any]) -> None:
    for name, split in splits.items():
        print(
            f"{path}: {name}, {len(split.names):,} images, {len(split.pairs):,} pairs"
        )


if __name__ == "__main__":
    command.run_one_of(
        {"pack": pack, "draw": draw, "train": train, "import": import_weights}
    )
