"""The flags of the export to TensorFlow Lite, and what they ask for."""

from pathlib import Path

from absl import flags

from pg2_tf.data import examples
from pg2_tf.data.examples import Examples
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.serving import lite_scores, tflite
from preprocessing.system import files
from preprocessing.system.errors import InputError

# In the folder of the SavedModel's versions; servers pass over what is no number.
_FOLDER = "tflite"


class LiteFlags:
    """Defines the flags; they are read when something is asked of it."""

    def __init__(self) -> None:
        self._kinds = flags.DEFINE_list(
            "tflite",
            [],
            f"TensorFlow Lite files as well, in OUT/{_FOLDER}: some of "
            f"{', '.join(tflite.KINDS)}.",
        )
        self._saved_model = flags.DEFINE_boolean(
            "saved_model", True, "Whether to write a SavedModel."
        )
        self._data_dir = flags.DEFINE_string(
            "data_dir",
            None,
            "For --tflite: a data set. int8 is calibrated on its train split; files "
            "are compared on its test split, without it on drawn people.",
        )
        self._num_calibration = flags.DEFINE_integer(
            "num_calibration", 100, "For int8: pairs to calibrate it on.", lower_bound=1
        )
        self._num_compared = flags.DEFINE_integer(
            "num_compared", 50, "For --tflite: pairs to compare on.", lower_bound=1
        )

    @property
    def saved_model(self) -> bool:
        """Whether a SavedModel is asked for."""
        return self._saved_model.value

    @property
    def is_asked_for(self) -> bool:
        """Whether TensorFlow Lite files are asked for."""
        return bool(self._kinds.value)

    def check(self, out: Path, *, overwrite: bool, precision: str) -> None:
        """Checks the flags, before anything is loaded.

        Args:
            out: folder of the model.
            overwrite: whether files that are there may be replaced.
            precision: that the layers compute in.

        Raises:
            InputError: they do not go together, or there are files.
        """
        kinds, data_dir = self._kinds.value, self._data_dir.value
        for kind in kinds:
            if kind not in tflite.KINDS:
                raise InputError(
                    f"--tflite={kind}: allowed are {', '.join(tflite.KINDS)}"
                )
        if "int8" in kinds and not data_dir:
            raise InputError("--tflite=int8 needs --data_dir, to be calibrated on")
        if kinds and precision != "float32":
            raise InputError(
                f"--precision={precision}: is not for --tflite, whose kinds say how "
                "numbers are kept"
            )
        if data_dir and not kinds:
            raise InputError("--data_dir is for --tflite, which was not given")
        if not kinds and not self.saved_model:
            raise InputError(
                "--nosaved_model without --tflite leaves nothing to export"
            )
        place = out / _FOLDER
        if kinds and place.exists() and not overwrite:
            raise InputError(f"{place}: is there; give another --out, or --overwrite")

    def export(self, model: PoseTransfer, out: Path) -> None:
        """Writes the files asked for, if any, compares them and prints a table.

        Args:
            model: of float32.
            out: folder of the model.

        Raises:
            InputError: the data is not there or of another size, or the model is of
                bfloat16.
        """
        kinds = list(dict.fromkeys(self._kinds.value))
        if not kinds:
            return
        calibration, compared = self._examples(kinds, model.image_size)
        place = out / _FOLDER
        operators = tflite.export_lite(
            model, place, kinds=kinds, calibration=calibration
        )
        scores = lite_scores.score(place, kinds, model, compared)
        for kind, row in scores["kinds"].items():
            row["operators"] = operators[kind]
        text = lite_scores.table(scores)
        if "int8" in operators:
            floats = operators["int8"]["float"].items()
            text += "\nint8, operators that take or give floats: "
            text += ", ".join(f"{count} {name}" for name, count in floats)
        files.write_json(place / "tflite.json", scores)
        files.write_text(place / "tflite.txt", text + "\n")
        print(f"{place}: {', '.join(kinds)}, for one image; KIND_batch for any number")
        print(text)

    def _examples(
        self, kinds: list[str], size: tuple[int, int]
    ) -> tuple[Examples | None, Examples]:
        """Returns what to calibrate on, and what to compare on."""
        data_dir, count = self._data_dir.value, self._num_compared.value
        if not data_dir:
            return None, examples.of_drawn_people(size, count=count)
        compared = examples.of_data(data_dir, "test", image_size=size, count=count)
        if "int8" not in kinds:
            return None, compared
        count = self._num_calibration.value
        return examples.of_data(
            data_dir, "train", image_size=size, count=count
        ), compared
