r"""Opens a web page, on this computer alone, that puts people of photos into poses.

python -m pg2_tf.demo --model=runs/market1501
"""

from functools import cache

from absl import flags

from pg2_tf.inference.loading import load_model
from pg2_tf.webpage.handlers import Handlers
from pg2_tf.webpage.server import check_free, serve
from preprocessing.estimation import download
from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.system import command

_MODEL = flags.DEFINE_string(
    "model", None, "Run folder, SavedModel or .tflite file of a trained model."
)
_PORT = flags.DEFINE_integer(
    "port", 7860, "To listen at.", lower_bound=1, upper_bound=65535
)
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "Address to listen at. Default: for this computer alone."
)
_MAX_MEGABYTES = flags.DEFINE_float(
    "max_megabytes", 15, "Larger files are refused.", lower_bound=0.1
)
_MAX_SECONDS = flags.DEFINE_float(
    "max_seconds", 60, "What takes longer is broken off.", lower_bound=1
)
_POSE_MODEL = flags.DEFINE_string(
    "pose_model",
    None,
    "A MoveNet SinglePose model (.tflite). Default: Lightning int8, fetched once.",
)


def main() -> None:
    """Checks the flags, loads the model and serves the page."""
    place = command.required("model", _MODEL.value)
    check_free(_HOST.value, _PORT.value)
    if _POSE_MODEL.value:
        _estimator()
    handlers = Handlers(
        load_model(place), estimator=_estimator, seconds=_MAX_SECONDS.value
    )
    serve(
        handlers,
        host=_HOST.value,
        port=_PORT.value,
        megabytes=_MAX_MEGABYTES.value,
    )


@cache
def _estimator() -> PoseEstimator:
    return PoseEstimator(
        download.given_or_fetched(_POSE_MODEL.value, flag="pose_model")
    )


if __name__ == "__main__":
    command.run(main)
