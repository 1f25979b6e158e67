r"""Opens a web page, for this computer only, that puts people of photos into poses.

python -m pg2_tf.demo
python -m pg2_tf.demo --model=runs/market1501
"""

from absl import flags

from pg2_tf.inference.loading import DEFAULT, define_trust_model, load_model
from pg2_tf.posing.transfer import pose_estimator
from pg2_tf.webpage.handlers import Handlers
from pg2_tf.webpage.server import check_free, serve
from preprocessing.system import command

_MODEL = flags.DEFINE_string(
    "model",
    DEFAULT,
    "Run folder, SavedModel, .tflite file or the name of a shipped model.",
)
_TRUST_MODEL = define_trust_model()
_PORT = flags.DEFINE_integer(
    "port", 7860, "Port of the page.", lower_bound=1, upper_bound=65535
)
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "Address of the page. Default: this computer only."
)
_MAX_MEGABYTES = flags.DEFINE_float(
    "max_megabytes", 15, "Largest file that is accepted.", lower_bound=0.1
)
_MAX_SECONDS = flags.DEFINE_float(
    "max_seconds", 60, "Longest time for one request.", lower_bound=1
)
_API = flags.DEFINE_boolean(
    "api",
    False,
    "Let other sites embed the page, and programs call it (gradio_client, /generate).",
)
_POSE_MODEL = flags.DEFINE_string(
    "pose_model",
    None,
    "A MoveNet SinglePose model (.tflite). Default: Lightning int8, fetched once.",
)


def main() -> None:
    """Checks the flags, loads the model and serves the page."""
    check_free(_HOST.value, _PORT.value)
    estimator = pose_estimator(_POSE_MODEL.value)
    if _POSE_MODEL.value:
        # A missing file is reported at the start, not at the first photo.
        estimator()
    model = load_model(_MODEL.value, trust_model=_TRUST_MODEL.value)
    serve(
        Handlers(model, estimator=estimator, seconds=_MAX_SECONDS.value),
        host=_HOST.value,
        port=_PORT.value,
        megabytes=_MAX_MEGABYTES.value,
        api=_API.value,
    )


if __name__ == "__main__":
    command.run(main)
