"""People that the project draws itself, with exact keypoints and free of rights."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from preprocessing.images import image_files as images
from preprocessing.sources.samples import Sample
from preprocessing.synthetic import scenes
from preprocessing.synthetic.looks import random_person
from preprocessing.synthetic.poses import random_body_pose


def samples(
    *,
    identities: int = 200,
    images_per_identity: int = 12,
    size: tuple[int, int],
    seed: int,
    missing: float = 0.0,
    occlusion: float = 0.0,
    same_background: bool = False,
) -> Iterator[Sample]:
    """Yields drawn people; the same arguments give the same bytes.

    Args:
        identities: Number of persons.
        images_per_identity: Number of images of each person.
        size: Height and width in pixels.
        seed: Seed of all random choices.
        missing: The share of keypoints that are withheld, as an estimator would
            miss them, from 0 to 1.
        occlusion: The share of images in which something stands in front of the
            person, from 0 to 1; keypoints behind it stay exact.
        same_background: Whether all images of a person have one background, as in a
            studio, or each its own, as under street cameras.
    """
    for identity in range(identities):
        # The last number keeps the streams apart: numpy ignores zeros at a seed's end.
        rng = np.random.default_rng([seed, identity, 0, 1])
        person, studio = random_person(rng), scenes.random_background(rng)
        for index in range(images_per_identity):
            rng = np.random.default_rng([seed, identity, index, 2])
            body_pose = random_body_pose(rng)
            street = scenes.random_background(rng)
            front = np.random.default_rng([seed, identity, index, 4])
            hidden = front.random() < occlusion
            draw = partial(
                scenes.draw,
                person,
                body_pose,
                size=size,
                background=studio if same_background else street,
                occluder=scenes.random_occluder(front) if hidden else None,
            )
            pose = scenes.locate(person, body_pose, size=size)
            pose[rng.random(len(pose)) < missing] = 0
            yield Sample(
                name=f"{identity:04d}_{index:03d}.jpg",
                identity=f"{identity:04d}",
                read=partial(_read, draw),
                pose=pose,
            )


def _read(draw: Callable[[], tuple[np.ndarray, np.ndarray]]) -> bytes:
    return images.encode_jpeg(draw()[0])
