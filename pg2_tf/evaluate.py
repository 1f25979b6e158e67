r"""Scores a model on pairs of a data set, or folders of images from any method.

    python -m pg2_tf.evaluate --model=runs/market1501 --data_dir=data/market1501
    python -m pg2_tf.evaluate --generated=theirs --target=real --mask=masks --out=scores

An interrupted evaluation resumes when the same command is given again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

from pg2_tf.inference.loading import define_trust_model, load_model, shipped_path
from pg2_tf.runs.weights_flag import define_weights
from preprocessing.system import command, files, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    from pg2_tf.data import pairs
    from pg2_tf.data.dataset import read_split
    from pg2_tf.evaluation import folders, measures, models, protocols, scoring, summary
    from pg2_tf.evaluation.folders import FolderImages
    from pg2_tf.evaluation.measures import ImagePairs, Measures, Sources
    from pg2_tf.evaluation.models import ModelImages
    from pg2_tf.evaluation.protocols import PROTOCOLS, Protocol
    from pg2_tf.evaluation.scoring import Inputs
    from pg2_tf.inference.pose_transfer import PoseTransfer
    from pg2_tf.runs.run_folder import describe_data

_MODEL = flags.DEFINE_string(
    "model", None, "Run folder, SavedModel or .tflite file of a trained model."
)
_RUN_DIR = flags.DEFINE_string("run_dir", None, "The same as --model.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data set. Default: data/ and the run's data set."
)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "test"], "Split of the pairs.")
_PAIRS = flags.DEFINE_string(
    "pairs", None, "CSV of pairs of the split, with the columns from and to."
)
_NUM_PAIRS = flags.DEFINE_integer(
    "num_pairs", 12_800, "Number of sampled pairs (paper section 4.1).", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed for sampling pairs.")
_STAGE = flags.DEFINE_enum(
    "stage", None, ["1", "2"], "Stage of a run. Default: the last one trained."
)
_WEIGHTS = define_weights()
_TRUST_MODEL = define_trust_model()
_GENERATED = flags.DEFINE_string(
    "generated", None, "Folder of images of any method, instead of --model."
)
_TARGET = flags.DEFINE_string(
    "target", None, "Folder of the real images, with the names of the generated ones."
)
_MASK = flags.DEFINE_string("mask", None, "Folder of masks, with the same names.")
_POSES = command.define_paths(
    "poses", "Pose files of the real images, in any format that build reads."
)
_PROTOCOL = flags.DEFINE_enum(
    "protocol",
    "corrected",
    ["authors", "corrected", "pose_gan", "patn", "gfla"],
    "Definition of the scores.",
)
_MASK_OF = flags.DEFINE_enum(
    "mask_of",
    None,
    ["target", "source"],
    "Image whose pose gives the mask. Default: the protocol's.",
)
_METRICS = flags.DEFINE_list(
    "metrics",
    [],
    "Metric names, or all. Default: all that need no other network, without is, "
    "mask_is, fid, kid (Inception), lpips (AlexNet) and pckh (pose estimation).",
)
_SOURCES = {
    flag.name: flag
    for flag in (
        flags.DEFINE_string(
            "inception_graph",
            None,
            "classify_image_graph_def.pb of 2015. Default: downloaded once.",
        ),
        flags.DEFINE_string("lpips_alexnet", None, "torchvision's AlexNet, as .npz."),
        flags.DEFINE_string("lpips_linear", None, "LPIPS v0.1 for AlexNet, as .npz."),
        flags.DEFINE_string(
            "pose_model", None, "MoveNet .tflite for pckh. Default: downloaded once."
        ),
    )
}
_FID_REFERENCE = flags.DEFINE_string(
    "fid_reference",
    None,
    "Real images that FID and KID compare with: target, train (of the model's data "
    "set), a folder, or an .npz file of statistics. Default: the protocol's.",
)
_SAVE_STATISTICS = flags.DEFINE_string(
    "save_statistics",
    None,
    "Write the statistics of the real images to this .npz file, for --fid_reference.",
)
_SAVE_IMAGES = flags.DEFINE_boolean(
    "save_images", False, "Write the scored images to folders in OUT/images."
)
_OUT = flags.DEFINE_string("out", None, "Output folder. Default: RUN_DIR/evaluation.")

# Flags that only one of the two kinds of evaluation has.
_FOR_MODELS = {
    flag.name: flag
    for flag in (
        *(_DATA_DIR, _SPLIT, _PAIRS, _NUM_PAIRS, _SEED, _STAGE, _WEIGHTS, _MASK_OF),
        _TRUST_MODEL,
        _TRUST_MODEL,
    )
}
_FOR_FOLDERS = {flag.name: flag for flag in (_TARGET, _MASK, _POSES)}


class _Job(NamedTuple):
    """Images to score, output folder, record, and the data set's training images."""

    pairs: ImagePairs
    out: Path
    record: dict[str, Any]
    train: Callable[[], Iterable[np.ndarray]] | None = None


def main() -> None:
    """Checks the flags, scores, and writes scores, table and sheet."""
    model = _MODEL.value or _RUN_DIR.value
    if bool(model) == bool(_GENERATED.value):
        raise InputError("either --model or --generated is needed; see --help")
    if _MODEL.value and _RUN_DIR.value:
        raise InputError("--run_dir is the same as --model; give one of them")
    _refuse_others(_FOR_FOLDERS if model else _FOR_MODELS)
    protocol = PROTOCOLS[_PROTOCOL.value]
    if _MASK_OF.value:
        protocol = dataclasses.replace(protocol, mask_of=_MASK_OF.value)
    job = _model_job(model, protocol) if model else _folder_job(protocol)
    names = _metrics(protocol, job.pairs)
    scoring.check(job.pairs, names, protocol)
    record = {
        "protocol": protocols.describe_protocol(
            _PROTOCOL.value, protocol, given_masks=bool(_MASK.value)
        ),
        **job.record,
    }
    inputs, reference = _inputs(names, protocol, job)
    chosen = Measures(
        names,
        protocol=protocol,
        sources=Sources(**{name: flag.value for name, flag in _SOURCES.items()}),
    )
    result = scoring.evaluate(
        job.pairs, chosen, out=job.out, record=record | reference, inputs=inputs
    )
    print(summary.as_text(result.scores, titles={models.COPY: "source copy"}))
    print(f"{len(job.pairs):,} pairs, protocol {_PROTOCOL.value}: {job.out}")


def _refuse_others(others: Mapping[str, flags.FlagHolder[Any]]) -> None:
    for name, flag in others.items():
        if flag.present and flag.value != flag.default:
            needed = "--model" if others is _FOR_MODELS else "--generated"
            raise InputError(f"--{name} requires {needed}")


def _model_job(path: str, protocol: Protocol) -> _Job:
    stage = int(_STAGE.value) if _STAGE.value else None
    model = load_model(
        path, stage=stage, weights=_WEIGHTS.value, trust_model=_TRUST_MODEL.value
    )
    is_run = isinstance(model, PoseTransfer)
    data_dir = _DATA_DIR.value
    if not data_dir and isinstance(model, PoseTransfer):
        data_dir = f"data/{model.config.dataset}"
    data_dir = command.required("data_dir", data_dir)
    split = read_split(data_dir, _SPLIT.value, image_size=model.image_size)
    record: dict[str, Any] = {
        "split": _SPLIT.value,
        "weights": _WEIGHTS.value if is_run else None,
        "data": describe_data(data_dir),
    }
    if _PAIRS.value:
        split, lines = pairs.listed_pairs(split, _PAIRS.value)
        positions = list(range(len(split.pairs)))
        print("\n".join(lines), end="\n" * bool(lines))
        record |= {"pairs_file": Path(_PAIRS.value).name, "left_out": lines}
    else:
        positions = pairs.draw_pairs(split, _NUM_PAIRS.value, seed=_SEED.value)
        record["seed"] = _SEED.value
    place = Path(path)
    if not place.exists():
        place = shipped_path(path)
    out = _OUT.value or (f"{path}/evaluation" if is_run else None)
    return _Job(
        ModelImages(
            model,
            split,
            positions,
            protocol=protocol,
            checksum=models.model_checksum(model, place),
        ),
        Path(command.required("out", out)),
        record,
        lambda: models.all_images(data_dir, "train", size=model.image_size),
    )


def _folder_job(protocol: Protocol) -> _Job:
    scored = FolderImages(
        command.required("generated", _GENERATED.value),
        command.required("target", _TARGET.value),
        mask=_MASK.value,
        pose_files=_POSES.value,
        protocol=protocol,
    )
    for line in scored.lines():
        print(line)
    out = Path(command.required("out", _OUT.value))
    return _Job(scored, out, {"unpaired": scored.unpaired})


def _metrics(protocol: Protocol, scored: ImagePairs) -> tuple[str, ...]:
    known = measures.names(protocol)
    if not _METRICS.value:
        return measures.default_names(protocol, has_masks=scored.has_masks)
    if _METRICS.value == ["all"]:
        return known
    for name in _METRICS.value:
        if name not in known:
            raise InputError(
                f"--metrics={name}: protocol {_PROTOCOL.value} has {', '.join(known)}"
            )
    return tuple(name for name in known if name in _METRICS.value)


def _inputs(
    names: tuple[str, ...], protocol: Protocol, job: _Job
) -> tuple[Inputs, dict[str, Any]]:
    """Returns the real images of FID and KID, and their record."""
    save = Path(_SAVE_STATISTICS.value) if _SAVE_STATISTICS.value else None
    if not {measures.FID, measures.KID} & set(names):
        for flag in (_FID_REFERENCE, _SAVE_STATISTICS):
            if flag.value:
                raise InputError(f"--{flag.name} requires --metrics=fid or kid")
        return Inputs(save_images=_SAVE_IMAGES.value), {}
    chosen = _FID_REFERENCE.value or protocol.fid_reference
    record: dict[str, Any] = {"fid_reference": chosen}
    inputs = Inputs(save_statistics=save, save_images=_SAVE_IMAGES.value)
    if chosen == "target":
        return inputs, record
    if chosen == "train":
        if job.train is None:
            raise InputError(
                "--fid_reference=train requires --model; for folders, give the folder "
                "of the training images"
            )
        return inputs._replace(images=job.train), record
    if Path(chosen).suffix != ".npz":
        size = job.pairs.size
        return inputs._replace(
            images=lambda: folders.all_images(chosen, size=size)
        ), record
    if save:
        raise InputError(
            "--save_statistics: --fid_reference is already a statistics file"
        )
    if not Path(chosen).is_file():
        raise InputError(f"--fid_reference={chosen}: no such file")
    record["fid_reference_checksum"] = files.sha256(Path(chosen))
    return inputs._replace(statistics=Path(chosen)), record


if __name__ == "__main__":
    command.run(main)
