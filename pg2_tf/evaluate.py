"""Scores a run on pairs of its data set's test split.

python -m pg2_tf.evaluate --run_dir=runs/market1501 --data_dir=data/market1501
"""

import math
from pathlib import Path

from absl import flags

from pg2_tf import evaluation
from pg2_tf.data.dataset import read_split
from pg2_tf.inference import PoseTransfer
from pg2_tf.run_folder import describe_data, package_versions
from pg2_tf.weights_flag import define_weights
from preprocessing import command, files, images

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Run folder of a trained model.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data set. Default: data/ and the run's data set."
)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "test"], "Which pairs.")
_NUM_PAIRS = flags.DEFINE_integer(
    "num_pairs", 12_800, "How many pairs are drawn (paper section 4.1).", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the drawing.")
_STAGE = flags.DEFINE_enum(
    "stage", None, ["1", "2"], "Which stage. Default: the last one trained."
)
_WEIGHTS = define_weights()
_OUT = flags.DEFINE_string(
    "out", None, "Folder of the results. Default: RUN_DIR/evaluation."
)


def main() -> None:
    """Checks the flags, scores, and writes scores, table and sheet."""
    run_dir = command.required("run_dir", _RUN_DIR.value)
    out = Path(_OUT.value or Path(run_dir) / "evaluation")
    stage = int(_STAGE.value) if _STAGE.value else None
    model = PoseTransfer.load(run_dir, stage=stage, weights=_WEIGHTS.value)
    data_dir = _DATA_DIR.value or f"data/{model.config.dataset}"
    split = read_split(data_dir, _SPLIT.value, image_size=model.image_size)
    positions = evaluation.draw_pairs(split, _NUM_PAIRS.value, seed=_SEED.value)
    result = evaluation.evaluate(model, split, positions)
    files.write_atomically(
        out / "pairs.csv", lambda path: result.table.to_csv(path, index=False)
    )
    files.write_bytes(out / "sheet.png", images.encode_png(result.sheet))
    files.write_json(
        out / "scores.json",
        {
            "means": {
                name: {metric: _finite(value) for metric, value in scores.items()}
                for name, scores in result.means.items()
            },
            "pairs": len(positions),
            "split": _SPLIT.value,
            "seed": _SEED.value,
            "protocol": "released score.py and score_mask.py, with the target's mask",
            "stage": model.stage,
            "step": model.step,
            "weights": _WEIGHTS.value,
            "data": describe_data(data_dir),
            "versions": package_versions(),
        },
    )
    print(_table(result.means))
    print(f"{len(positions):,} {_SPLIT.value} pairs, stage {model.stage}: {out}")


def _finite(value: float) -> float | None:
    """JSON knows no infinity, which the PSNR of equal images is."""
    return value if math.isfinite(value) else None


def _table(means: dict[str, dict[str, float]]) -> str:
    columns = list(next(iter(means.values())))
    head = f"{'':<12}" + "".join(f"{name:>11}" for name in columns)
    rows = [
        f"{'source copy' if name == evaluation.COPY else name:<12}"
        + "".join(f"{scores[column]:>11.3f}" for column in columns)
        for name, scores in means.items()
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    command.run(main)
