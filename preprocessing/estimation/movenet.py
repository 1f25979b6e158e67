"""Finds the keypoints of a person in an image with MoveNet, a model of TensorFlow Lite.

MoveNet SinglePose Lightning (Google, 2021, Apache-2.0) takes a square image and returns
the 17 keypoints of COCO; "left" and "right" are the person's own. A square is shown as
it is and mirrored, and the mean of both answers is taken. A person who fills little of
the square is looked at again in a smaller one, and where the whole image shows nobody
for sure, its parts are searched: the network sees 192 pixels a side, whatever the size
of the image.

The default model is TensorFlow Hub's
`google/lite-model/movenet/singlepose/lightning/tflite/int8/4`, on Kaggle
`google/movenet`, TFLite, variation `singlepose-lightning-tflite-int8`.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from preprocessing.estimation import squares
from preprocessing.poses import keypoints as kp
from preprocessing.poses.formats import people
from preprocessing.system import download
from preprocessing.system.errors import InputError

URL = (
    "https://storage.googleapis.com/tfhub-lite-models/google/lite-model/movenet/"
    "singlepose/lightning/tflite/int8/4.tflite"
)
SHA256 = "cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105"
NAME = "movenet_singlepose_lightning_int8_4.tflite"

# Where precision and recall against OpenPose balance best, on Market-1501 (0.81, 0.93)
# and on DeepFashion (0.92, 0.97) alike.
MIN_CONFIDENCE = 0.4
# Least number of keypoints of a person: 1,576 of 1,586 real people have as many, and
# 3 of 137 pictures without people.
_FEWEST = 3
# Least confidence of keypoints that select a smaller square.
_HINT = 0.1
# Largest side of a smaller square, as a share of the one before.
_SMALLER = 0.8
_MOST_SMALLER = 3
# Mean confidence of the 17 keypoints under which the parts of the image are searched;
# people in crops of their own have 0.28 to 0.81.
_SURE = 0.3

_RETURNED = "float32 [1, 1, 17, 3]"
_ORDER = people.ORDERS["coco17"]
_MIRROR = [
    people.COCO_17.index(kp.NAMES[kp.MIRROR[kp.INDEX[name]]]) for name in people.COCO_17
]


def model_path(
    path: str | Path | None, *, cache: Path | None = None, flag: str = "model"
) -> Path:
    """Returns the path of a model; downloads the default model if it is missing.

    Args:
        path: A MoveNet SinglePose model, or None for the default model.
        cache: Folder that keeps the download. Default: `download.default_cache()`.
        flag: Flag of the command that names a model, for messages.

    Raises:
        InputError: The download fails, or the file has another checksum.
    """
    if path:
        return Path(path)
    kept = (cache or download.default_cache()) / NAME
    advice = f"or download it to {kept} yourself, or name a copy of it with --{flag}"
    return download.fetch(kept, url=URL, advice=advice, sha256=SHA256)


class _Look(NamedTuple):
    """Keypoints found in a square of an image.

    Attributes:
        square: The square.
        keypoints: float32 [17, 3]: x and y in pixels of the image, confidence.
    """

    square: squares.Square
    keypoints: np.ndarray


class PoseEstimator:
    """Finds the pose of one person in an image. Not thread-safe.

    Args:
        model_path: A MoveNet SinglePose model (`.tflite`): uint8 [1, S, S, 3] in,
            float32 [1, 1, 17, 3] (y, x as shares of S, confidence) out.
        min_confidence: Keypoints with a lower confidence, 0 to 1, count as missing.
        threads: Number of threads of the network.

    Raises:
        InputError: The file is missing or no such model, or LiteRT is not installed.
    """

    def __init__(
        self,
        model_path: str | Path,
        *,
        min_confidence: float = MIN_CONFIDENCE,
        threads: int = 1,
    ):
        self._min_confidence = min_confidence
        self._interpreter = _load(Path(model_path), threads)
        (given,) = self._interpreter.get_input_details()
        (returned,) = self._interpreter.get_output_details()
        self._input, self._output = given["index"], returned["index"]
        self._side = int(given["shape"][1])

    def estimate(self, image: np.ndarray) -> np.ndarray:
        """Returns the pose of the person in an image, or `keypoints.missing_pose()`.

        Args:
            image: uint8 [H, W, 3], RGB, upright.

        Returns:
            float32 [18, 3]: x and y in pixels of the image, all of them within it, and
            a confidence. The neck is the middle of the shoulders.
        """
        size = image.shape[:2]
        best = self._closer(image, self._look(image, squares.whole(size)))
        parts = squares.parts(size, smallest=self._side)
        if parts and _confidence(best) < _SURE:
            surest = max((self._look(image, part) for part in parts), key=_confidence)
            best = max(best, self._closer(image, surest), key=_confidence)
        lost = best.keypoints[:, 2] < self._min_confidence
        lost |= ~_inside(best.keypoints, size)
        if np.sum(~lost) < _FEWEST:
            return kp.missing_pose()
        return people.to_coco_18(np.where(lost[:, None], 0, best.keypoints), _ORDER)

    def _closer(self, image: np.ndarray, look: _Look) -> _Look:
        for _ in range(_MOST_SMALLER):
            hints = look.keypoints[:, 2] >= _HINT
            hints &= _inside(look.keypoints, image.shape[:2])
            if np.sum(hints) < _FEWEST:
                break
            square = squares.around(look.keypoints[hints, :2])
            if square.side > _SMALLER * look.square.side:
                break
            look = self._look(image, square)
        return look

    def _look(self, image: np.ndarray, square: squares.Square) -> _Look:
        shown = squares.cut(image, square, self._side)
        mirrored = self._invoke(shown[:, ::-1])[_MIRROR]
        mirrored[:, 1] = 1 - mirrored[:, 1]
        y, x, confidence = ((self._invoke(shown) + mirrored) / 2).T
        x = x * square.side - 0.5 + square.left
        y = y * square.side - 0.5 + square.top
        return _Look(square, np.stack([x, y, confidence], axis=1))

    def _invoke(self, shown: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input, shown[None])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)[0, 0]


def _load(path: Path, threads: int) -> Any:
    # Imported here, so that other commands do not need LiteRT.
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            f"LiteRT cannot be imported ({error}): pip install ai-edge-litert"
        ) from error
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    try:
        interpreter = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a TensorFlow Lite model ({reason})") from error
    given = _described(interpreter.get_input_details())
    returned = _described(interpreter.get_output_details())
    if not re.fullmatch(r"uint8 \[1, (\d+), \1, 3\]", given) or returned != _RETURNED:
        raise InputError(
            f"{path}: not a MoveNet SinglePose model: it takes {given} and returns "
            f"{returned}; allowed are uint8 [1, S, S, 3] and {_RETURNED}"
        )
    return interpreter


def _described(tensors: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{np.dtype(tensor['dtype']).name} {tensor['shape'].tolist()}"
        for tensor in tensors
    )


def _confidence(look: _Look) -> float:
    return float(look.keypoints[:, 2].mean())


def _inside(keypoints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    places = keypoints[:, :2] + 0.5
    return np.all((places >= 0) & (places < size[::-1]), axis=1)
