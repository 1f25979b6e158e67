"""What the tests of the user study share: images, studies and answers. No tests."""

import csv
import json

import numpy as np

from pg2_tf.paper.user_study import page
from preprocessing.images import image_files as images


def write_images(folder, count, *, size=(16, 8), seed=0):
    """Writes images of noise, `000.png` and so on; returns the folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        (folder / f"{number:03d}.png").write_bytes(images.encode_png(pixels))
    return folder


def make_study(folder, *, methods=("A",), count=3, practice=2, seconds=0.05, seed=0):
    """Writes a small study as `study.html`; returns its key."""
    real = write_images(folder / "real", 5, seed=1)
    places = {
        name: write_images(folder / f"method{number}", 5, seed=number)
        for number, name in enumerate(methods, start=2)
    }
    parts = page.draw(real, places, images=count, practice=practice, seed=seed)
    return page.write(
        folder / "study.html", parts, practice=practice, seed=seed, seconds=seconds
    )


def answers_to(key, *, part=1, participant="p1", wrong=()):
    """Returns what a participant downloads who is right but for the images `wrong`."""
    images = key.parts[part - 1].images
    return {
        "study": key.study,
        "part": part,
        "participant": participant,
        "answers": [
            {
                "image": shown.image,
                "answer": ("fake", "real")[shown.real != (shown.image in wrong)],
                "milliseconds": 400 + number,
            }
            for number, shown in enumerate(images)
        ],
    }


def write_answers(path, content):
    """Writes answers as the page does, as CSV or JSON by the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
        return path
    about = {name: content[name] for name in ("study", "part", "participant")}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*about, "image", "answer", "milliseconds"])
        writer.writeheader()
        writer.writerows({**about, **answer} for answer in content["answers"])
    return path
