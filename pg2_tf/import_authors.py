r"""Turns a checkpoint of the authors' released code into a run folder.

    python -m pg2_tf.import_authors --checkpoint=model.ckpt-0 --dataset=market1501 \
        --out=runs/authors
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from absl import flags

from pg2_tf.model import presets
from pg2_tf.model.config import RunConfig
from preprocessing.system import command, host
from preprocessing.system.errors import InputError

if TYPE_CHECKING or command.will_run():
    host.import_tensorflow()
    import tensorflow as tf

    from pg2_tf.model.networks import Networks, build_networks
    from pg2_tf.runs import original as authors
    from pg2_tf.runs.run_folder import RunFolder
    from pg2_tf.runs.weights import weights_of

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "TensorFlow 1 checkpoint, without .index; or its folder."
)
_DATASET = flags.DEFINE_enum(
    "dataset", None, ["market1501", "deepfashion"], "Data set of the checkpoint."
)
_WIDTH = flags.DEFINE_integer(
    "width", None, "The generators' conv_hidden_num, checked against the checkpoint."
)
_OUT = flags.DEFINE_string("out", None, "Run folder to make.")


def main() -> None:
    """Checks the flags and imports the checkpoint."""
    path = command.required("checkpoint", _CHECKPOINT.value)
    dataset = command.required("dataset", _DATASET.value)
    folder = RunFolder(command.required("out", _OUT.value))
    if folder.config():
        raise InputError(f"{folder.path}: is a run folder already; give another --out")
    base = presets.preset(dataset, profile="authors").model
    model = authors.model_config(base, authors.read_checkpoint(path))
    if _WIDTH.value is not None and _WIDTH.value != model.width:
        raise InputError(f"--width={_WIDTH.value}: the checkpoint's is {model.width}")
    networks = build_networks(model, stage=2)
    passed_over = authors.assign(networks, model, path)
    for stage, part in ((1, Networks(networks.generator1)), (2, networks)):
        place = folder.stage(stage).checkpoint_dir
        checkpoint = tf.train.Checkpoint(**weights_of(part))
        manager = tf.train.CheckpointManager(checkpoint, str(place), max_to_keep=1)
        manager.save(checkpoint_number=0)
    folder.claim(RunConfig(dataset, "authors", model))
    print(
        f"{folder.path}: {dataset}, width {model.width}, bottleneck "
        f"{model.bottleneck}, discriminator width {model.discriminator_width}; "
        f"{len(passed_over)} variables skipped: {_listed(passed_over)}"
    )


def _listed(names: list[str]) -> str:
    shown = names[:8]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


if __name__ == "__main__":
    command.run(main)
