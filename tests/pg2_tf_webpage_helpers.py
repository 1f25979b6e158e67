"""What the tests of the web page share: a model and an estimator that are known."""

import numpy as np

from pg2_tf.posing import named_poses
from preprocessing.images import image_files as images
from preprocessing.poses import keypoints as kp

SIZE = (64, 32)
_BRIGHT = 230


class Echo:
    """A model whose coarse image is the source and whose refined one is brighter."""

    image_size = SIZE
    stage = 2
    describe = "echo"

    def __call__(self, images, poses):
        brighter = np.minimum(images.astype(int) + 20, 255).astype(np.uint8)
        return {"coarse": images, "refined": brighter}


class FirstStage(Echo):
    stage = 1

    def __call__(self, images, poses):
        return {"coarse": images}


class Seer:
    """Sees somebody standing wherever the picture is bright green where a neck is.

    A picture shows one person beside the other, each twice as high as wide; whoever
    was painted over is not seen again.
    """

    def estimate(self, image):
        height, width = image.shape[:2]
        for number in range(round(2 * width / height)):
            pose = standing(number, height)
            across, down = pose[kp.INDEX["neck"], :2].astype(int)
            if image[down, across, 1] > _BRIGHT:
                return pose
        return kp.missing_pose()


def standing(number, height):
    """Returns the pose of somebody, counted from the left, in a picture."""
    pose = named_poses.named_pose("standing")
    pose[:, :2] *= height / named_poses.SIZE[0]
    pose[:, 0] += number * height / 2
    return pose


def write_photo(path, *, people=1, height=256):
    """Writes a photo in which `Seer` sees so many people."""
    wide = height // 2
    picture = np.full((height, wide * max(1, people), 3), (90, 120, 100), np.uint8)
    for number in range(people):
        left = number * wide + wide // 4
        picture[:, left : left + wide // 2] = (200, 255, 60 * number)
    path.write_bytes(images.encode_png(picture))
    return path
