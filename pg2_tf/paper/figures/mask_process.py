"""The process of computing the pose mask of an image (paper figure 3)."""

import numpy as np

from pg2_tf.data.dataset import Split
from pg2_tf.paper.figures.grid import Cell, Grid
from preprocessing.dataset import pairing
from preprocessing.images import image_files as images
from preprocessing.images import masks
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

HEADINGS = ("Image", "Keypoints", "Limbs connected", "Dilation", "Pose mask")


def mask_process(split: Split, name: str) -> Grid:
    """Shows how the pose mask of an image comes about.

    What is shown are the steps of the masks that models are trained and scored with;
    see `masks.mask_steps`.

    Args:
        split: with the image.
        name: of the image.

    Raises:
        InputError: the split has no such image, or no person was found in it.
    """
    if name not in split.names:
        raise InputError(f"--name={name}: no image of this split has this name")
    index = split.names.index(name)
    pose = split.keypoints[index]
    if not kp.found(pose).any():
        raise InputError(f"--name={name}: no keypoint was found in this image")
    image = images.decode(split.images[index].numpy(), name=name)
    steps = masks.mask_steps(pose, size=split.image_size)
    cells = [Cell(image), Cell(image, pose, limbs=False)]
    cells += [Cell(_picture(step)) for step in steps]
    return Grid(split.image_size, HEADINGS, [cells], arrows=True)


def draw_name(split: Split, *, seed: int) -> str:
    """Draws one of the images in which the most keypoints were found, by its name."""
    counts = kp.found(split.keypoints).sum(axis=1)
    fullest = [split.names[index] for index in np.flatnonzero(counts == counts.max())]
    (position,) = pairing.drawn([(name, "") for name in fullest], count=1, seed=seed)
    return fullest[position]


def _picture(mask: np.ndarray) -> np.ndarray:
    """Turns uint8 [H, W] of 0 and 1 into black and white, uint8 [H, W, 3]."""
    return np.repeat(255 * mask[..., None], 3, axis=2)
