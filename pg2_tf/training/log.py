"""What a training leaves for people: metrics as JSON lines, events, sample sheets."""

import json
import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from preprocessing import files, images

METRICS = "metrics.jsonl"


class Log:
    """Writes a stage's metrics and pictures.

    Args:
        folder: of the stage.
        start: the step that the training goes on from; lines after it are dropped, as
            those steps are taken again.
    """

    def __init__(self, folder: Path, *, start: int):
        self._path = folder / METRICS
        self._samples = folder / "samples"
        folder.mkdir(parents=True, exist_ok=True)
        self._drop_after(start)
        self._events = tf.summary.create_file_writer(str(folder / "events"))

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Writes one line of metrics as of `step`."""
        line = {"step": step, **{key: _rounded(value) for key, value in values.items()}}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        with self._events.as_default(step=step):
            for key, value in values.items():
                tf.summary.scalar(key, value)

    def picture(self, step: int, picture: np.ndarray) -> None:
        """Writes a sample sheet, uint8 [H, W, 3], as of `step`."""
        path = self._samples / f"step-{step:06d}.png"
        files.write_bytes(path, images.encode_png(picture))
        with self._events.as_default(step=step):
            tf.summary.image("samples", picture[None])

    def close(self) -> None:
        """Flushes what is buffered."""
        self._events.close()

    def _drop_after(self, start: int) -> None:
        if not self._path.exists():
            return
        kept = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= start:
                    kept.append(line + "\n")
            except (ValueError, KeyError):
                continue  # The last line of a training that was killed.
        files.write_text(self._path, "".join(kept))


def _rounded(value: float) -> float:
    digits = 8 - math.floor(math.log10(abs(value))) if value else 0
    return round(value, min(digits, 15)) if math.isfinite(value) else value
