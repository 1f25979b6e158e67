"""Draws a person and poses to try a model on.

python -m preprocessing.draw_person --seed=7 --out=person

writes `photo.png`, its pose `photo_keypoints.json` in OpenPose's format, and target
poses `pose1_keypoints.json` and so on.
"""

from pathlib import Path

import numpy as np
from absl import flags

from preprocessing.images import image_files as images
from preprocessing.poses.formats import openpose
from preprocessing.synthetic import scenes
from preprocessing.synthetic.looks import random_person
from preprocessing.synthetic.poses import random_body_pose
from preprocessing.system import command, files

_OUT = flags.DEFINE_string("out", None, "Folder to write to.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of person, poses and background.")
_SIZE = flags.DEFINE_string("image_size", "128x64", "HEIGHTxWIDTH of the picture.")
_NUM_POSES = flags.DEFINE_integer("num_poses", 6, "Number of poses.", lower_bound=1)


def main() -> None:
    """Draws and writes."""
    out = Path(command.required("out", _OUT.value))
    size = command.parse_size("image_size", _SIZE.value)
    # Differs from the streams of `sources.synthetic`: the demo never saw this person.
    rng = np.random.default_rng([_SEED.value, 0, 0, 3])
    person, background = random_person(rng), scenes.random_background(rng)
    body_pose = random_body_pose(rng, facing="front")
    photo, own = scenes.draw(person, body_pose, size=size, background=background)
    files.write_bytes(out / "photo.png", images.encode_png(photo))
    openpose.write_json(out / f"photo{openpose.SUFFIX}", own)
    for number in range(1, _NUM_POSES.value + 1):
        pose = scenes.locate(person, random_body_pose(rng), size=size)
        openpose.write_json(out / f"pose{number}{openpose.SUFFIX}", pose)
    print(f"{out}: photo.png, its pose and {_NUM_POSES.value} more, {_SIZE.value}")


if __name__ == "__main__":
    command.run(main)
