r"""Scores a run on pairs of its data set, or folders of images by any method.

    python -m pg2_tf.evaluate --run_dir=runs/market1501 --data_dir=data/market1501
    python -m pg2_tf.evaluate --generated=theirs --target=real --mask=masks --out=scores

An evaluation that was interrupted goes on where it stopped.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from pg2_tf.data import pairs
from pg2_tf.data.dataset import read_split
from pg2_tf.evaluation import folders, measures, protocols, runs, saving, summary
from pg2_tf.evaluation import scoring as evaluation
from pg2_tf.evaluation.batches import Scored
from pg2_tf.evaluation.folders import FolderImages
from pg2_tf.evaluation.measures import Measures, Sources
from pg2_tf.evaluation.protocols import PROTOCOLS, Protocol
from pg2_tf.evaluation.runs import RunImages
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.runs.run_folder import describe_data
from pg2_tf.runs.weights_flag import define_weights
from preprocessing.system import command
from preprocessing.system.errors import InputError

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Run folder of a trained model.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data set. Default: data/ and the run's data set."
)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "test"], "Which pairs.")
_PAIRS = flags.DEFINE_string(
    "pairs", None, "CSV of pairs of the split, with the columns from and to."
)
_NUM_PAIRS = flags.DEFINE_integer(
    "num_pairs", 12_800, "How many pairs are drawn (paper section 4.1).", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the drawing.")
_STAGE = flags.DEFINE_enum(
    "stage", None, ["1", "2"], "Which stage. Default: the last one trained."
)
_WEIGHTS = define_weights()
_GENERATED = flags.DEFINE_string(
    "generated", None, "Folder of images of any method, in place of --run_dir."
)
_TARGET = flags.DEFINE_string(
    "target", None, "Folder of the real images, by the names of the generated ones."
)
_MASK = flags.DEFINE_string("mask", None, "Folder of their masks, likewise.")
_POSES = command.define_paths(
    "poses", "Files of the real images' poses, in any format that build reads."
)
_PROTOCOL = flags.DEFINE_enum(
    "protocol", protocols.DEFAULT, PROTOCOLS, "How scores are computed; see README."
)
_MASK_OF = flags.DEFINE_enum(
    "mask_of",
    None,
    ["target", "source"],
    "Whose pose the mask of a run's images is of. Default: the protocol's.",
)
_METRICS = flags.DEFINE_list(
    "metrics",
    [],
    "Names, or all. Default: those that need no other network: not is, mask_is, fid "
    "(Inception), lpips, pckh (pose estimation).",
)
_SOURCES = {
    flag.name: flag
    for flag in (
        flags.DEFINE_string(
            "inception_graph",
            None,
            "classify_image_graph_def.pb of 2015. Default: fetched once.",
        ),
        flags.DEFINE_string("lpips_alexnet", None, "torchvision's AlexNet weights."),
        flags.DEFINE_string("lpips_linear", None, "LPIPS v0.1 weights for AlexNet."),
        flags.DEFINE_string(
            "pose_model", None, "MoveNet .tflite for pckh. Default: fetched once."
        ),
    )
}
_FID_REFERENCE = flags.DEFINE_string(
    "fid_reference",
    None,
    "What FID holds images against: target, train (of a run's data set) or a folder. "
    "Default: the protocol's.",
)
_SAVE_IMAGES = flags.DEFINE_boolean(
    "save_images", False, "Write what is scored into folders of OUT/images."
)
_OUT = flags.DEFINE_string(
    "out", None, "Folder of the results. Default: RUN_DIR/evaluation."
)


# The flags that only one of the two knows.
_OF_RUNS = {
    flag.name: flag
    for flag in (
        _DATA_DIR,
        _SPLIT,
        _PAIRS,
        _NUM_PAIRS,
        _SEED,
        _STAGE,
        _WEIGHTS,
        _MASK_OF,
    )
}
_OF_FOLDERS = {flag.name: flag for flag in (_TARGET, _MASK, _POSES)}


def main() -> None:
    """Checks the flags, scores, and writes scores, table and sheet."""
    if bool(_RUN_DIR.value) == bool(_GENERATED.value):
        raise InputError("either --run_dir or --generated is needed; see --help")
    _refuse_others(_OF_FOLDERS if _RUN_DIR.value else _OF_RUNS)
    protocol = PROTOCOLS[_PROTOCOL.value]
    if _MASK_OF.value:
        protocol = dataclasses.replace(protocol, mask_of=_MASK_OF.value)
    job = (_run if _RUN_DIR.value else _folders)(protocol)
    names = _metrics(protocol, job.scored)
    evaluation.check(job.scored, names, protocol)
    record = {
        "protocol": evaluation.describe_protocol(
            _PROTOCOL.value, protocol, given_masks=bool(_MASK.value)
        ),
        **job.record,
    }
    reference = None
    if measures.FID in names:
        record["fid_reference"] = _FID_REFERENCE.value or protocol.fid_reference
        reference = _reference(record["fid_reference"], job)
    chosen = Measures(
        names,
        protocol=protocol,
        sources=Sources(**{name: flag.value for name, flag in _SOURCES.items()}),
    )
    keep = None
    if _SAVE_IMAGES.value:
        keep = saving.Folders(job.scored, job.out / "images").write
    result = evaluation.evaluate(
        job.scored,
        chosen,
        out=job.out,
        record=record,
        reference=reference,
        keep=keep,
    )
    print(summary.as_text(result.scores, titles={runs.COPY: "source copy"}))
    print(f"{len(job.scored):,} pairs, protocol {_PROTOCOL.value}: {job.out}")


def _refuse_others(unknown: Mapping[str, flags.FlagHolder[Any]]) -> None:
    for name, flag in unknown.items():
        if flag.present and flag.value != flag.default:
            other = "--run_dir" if unknown is _OF_RUNS else "--generated"
            raise InputError(f"--{name}: goes with {other}, which was not given")


class _Job(NamedTuple):
    """What is scored, where results go, what goes on record, and training images."""

    scored: Scored
    out: Path
    record: dict[str, Any]
    train: Callable[[], Iterable[np.ndarray]] | None = None


def _run(protocol: Protocol) -> _Job:
    run_dir = Path(command.required("run_dir", _RUN_DIR.value))
    stage = int(_STAGE.value) if _STAGE.value else None
    model = PoseTransfer.load(run_dir, stage=stage, weights=_WEIGHTS.value)
    data_dir = _DATA_DIR.value or f"data/{model.config.dataset}"
    split = read_split(data_dir, _SPLIT.value, image_size=model.image_size)
    record: dict[str, Any] = {
        "split": _SPLIT.value,
        "weights": _WEIGHTS.value,
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
    return _Job(
        RunImages(model, split, positions, protocol=protocol),
        Path(_OUT.value or run_dir / "evaluation"),
        record,
        lambda: runs.all_images(data_dir, "train", size=model.image_size),
    )


def _folders(protocol: Protocol) -> _Job:
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


def _metrics(protocol: Protocol, scored: Scored) -> tuple[str, ...]:
    known = measures.names(protocol)
    if not _METRICS.value:
        return measures.usual(protocol, has_masks=scored.has_masks)
    if _METRICS.value == ["all"]:
        return known
    for name in _METRICS.value:
        if name not in known:
            raise InputError(
                f"--metrics={name}: protocol {_PROTOCOL.value} has {', '.join(known)}"
            )
    return tuple(name for name in known if name in _METRICS.value)


def _reference(chosen: str, job: _Job) -> Callable[[], Iterable[np.ndarray]] | None:
    if chosen == "target":
        return None
    if chosen != "train":
        return lambda: folders.all_images(chosen, size=job.scored.size)
    if job.train is None:
        raise InputError(
            "--fid_reference=train: is of a run; of folders give that of the images"
        )
    return job.train


if __name__ == "__main__":
    command.run(main)
