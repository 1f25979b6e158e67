"""What a served model is of, for those who find it."""

import json
from typing import Any

from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.runs.run_folder import RunFolder, package_versions
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

_PAPER = "https://arxiv.org/abs/1705.09368"


def describe(
    model: PoseTransfer, run: RunFolder, *, weights: str, precision: str
) -> dict[str, Any]:
    """Describes a model as plain data.

    Args:
        model: loaded from the run.
        run: with the data set's checksum, and the scores in `evaluation/scores.json`.
        weights, precision: that the model was loaded with.

    Returns:
        Among others `scores`: what `pg2_tf.evaluate` found of this stage, step and
        choice of weights, or None.

    Raises:
        InputError: the scores' file is damaged.
    """
    options = run.stage(model.stage).options()
    return {
        "model": "PG2: Pose Guided Person Image Generation",
        "paper": _PAPER,
        "dataset": model.config.dataset,
        "profile": model.config.profile,
        "variant": model.config.variant,
        "stage": model.stage,
        "step": model.step,
        "weights": weights,
        "precision": precision,
        "image_size": list(model.image_size),
        "keypoints": list(kp.NAMES),
        "scores": _scores(model, run, weights),
        "data_checksum": options["data"]["checksum"] if options else None,
        "versions": package_versions(),
    }


def _scores(model: PoseTransfer, run: RunFolder, weights: str) -> dict[str, Any] | None:
    path = run.path / "evaluation" / "scores.json"
    if not path.exists():
        return None
    wanted = {"stage": model.stage, "step": model.step, "weights": weights}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        # Scores of folders of images say nothing of a stage.
        if any(found.get(key) != value for key, value in wanted.items()):
            return None
        return {key: found[key] for key in ("means", "pairs", "split", "protocol")}
    except (OSError, ValueError, LookupError, AttributeError) as error:
        raise InputError(f"{path}: damaged scores ({error!r})") from error
