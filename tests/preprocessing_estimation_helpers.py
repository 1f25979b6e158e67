"""What the tests of pose estimation share: a tiny model that finds bright boxes."""

import zipfile
from functools import cache

import numpy as np
import tensorflow as tf

from preprocessing.images import image_files as images
from preprocessing.poses.formats import annotation_csv
from preprocessing.poses.formats.people import COCO_17

SIDE = 32


def convert(function, shape, dtype=tf.uint8) -> bytes:
    """Returns a function of one tensor as a model of TensorFlow Lite."""
    traced = tf.function(function).get_concrete_function(tf.TensorSpec(shape, dtype))
    return tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert()


@cache
def box_model() -> bytes:
    """Returns a model with MoveNet's tensors that takes a bright box for a person.

    The person faces the viewer: the right ear, eye, shoulder and so on are the box's
    left border, and the other way round. From nose to ankles they go from the box's top
    to its bottom; their confidence is the brightness.
    """
    right = np.array([name.startswith("right") for name in COCO_17], np.float32)
    left = np.array([name.startswith("left") for name in COCO_17], np.float32)
    across = 0.5 + 0.5 * left - 0.5 * right
    down = (np.arange(len(COCO_17), dtype=np.float32) + 1) // 2 / 8

    def find(image):
        gray = tf.reduce_mean(tf.cast(image[0], tf.float32), axis=-1) / 255
        brightest = tf.reduce_max(gray)
        bright = tf.cast(gray > brightest / 2, tf.float32)
        (x0, x1), (y0, y1) = (_ends(tf.reduce_max(bright, axis)) for axis in (0, 1))
        x, y = x0 + across * (x1 - x0), y0 + down * (y1 - y0)
        found = tf.stack([y, x, brightest * tf.ones_like(x)], axis=-1)
        return found[None, None]

    return convert(find, (1, SIDE, SIDE, 3))


def _ends(bright):
    """Returns the middles of the first and last bright pixel as shares of the line."""
    first = tf.argmax(bright, output_type=tf.int32)
    last = SIDE - 1 - tf.argmax(bright[::-1], output_type=tf.int32)
    return [(tf.cast(place, tf.float32) + 0.5) / SIDE for place in (first, last)]


def picture(size, box=None, *, brightness=255):
    """Returns a black picture, uint8 [H, W, 3], with a box (left, top, right, bottom).

    The box includes its last row and column.
    """
    pixels = np.zeros((*size, 3), np.uint8)
    if box:
        left, top, right, bottom = box
        pixels[top : bottom + 1, left : right + 1] = brightness
    return pixels


def real_people(archive, place, folder, table):
    """Returns every third image of an archive's folder, with OpenPose's pose of it."""
    with zipfile.ZipFile(archive) as file:
        poses = annotation_csv.read_csv(file.extract(table, place))
        names = [n for n in file.namelist() if n.startswith(folder) and ".jpg" in n]
        return [
            (images.decode(file.read(name), name=name), poses[name.split("/")[-1]])
            for name in sorted(names)[::3]
        ]
