"""Finding several people in a photo."""

import zipfile

import cv2
import numpy as np
import pytest

from pg2_tf.posing import named_poses
from pg2_tf.posing.photo import extent, find_people, largest
from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.images import image_files
from preprocessing.poses import keypoints as kp


class BlobEstimator:
    """Finds a standing person in the box of the largest white spot."""

    def estimate(self, image):
        bright = np.uint8(image.min(axis=2) == 255)
        count, _, boxes, _ = cv2.connectedComponentsWithStats(bright)
        if count < 2:
            return kp.missing_pose()
        left, top, width, height, area = max(boxes[1:], key=lambda box: box[4])
        if area < 30:
            return kp.missing_pose()
        pose = named_poses.named_pose("standing")
        low, high = pose[kp.found(pose), :2].min(axis=0), pose[:, :2].max(axis=0)
        pose[:, :2] = (pose[:, :2] - low) / (high - low) * (width - 1, height - 1)
        pose[:, :2] += (left, top)
        return kp.clean(pose)


def photo(*boxes, size=(200, 400)):
    pixels = np.full((*size, 3), 20, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top : bottom + 1, left : right + 1] = 255
    return pixels


BOXES = [(220, 40, 259, 160), (30, 90, 49, 150), (320, 20, 369, 170)]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_everybody_is_found_once_from_left_to_right(count):
    before = photo(*BOXES[:count])
    shown = before.copy()
    people = find_people(shown, BlobEstimator())
    np.testing.assert_array_equal(shown, before)
    found = [round(float(p[kp.found(p), 0].min())) for p in people]
    assert found == sorted(box[0] for box in BOXES[:count])


def test_the_largest_is_the_tallest():
    people = find_people(photo(*BOXES), BlobEstimator())
    assert largest(people) == 2
    assert extent(people[2]) == pytest.approx(151, abs=1)


def test_a_person_found_again_is_not_added():
    class Stubborn:
        asked = 0

        def estimate(self, image):
            self.asked += 1
            return named_poses.named_pose("standing")

    stubborn = Stubborn()
    assert len(find_people(photo(size=(256, 128)), stubborn)) == 1
    assert stubborn.asked < 20


def test_few_keypoints_lead_to_a_closer_look():
    whole = named_poses.named_pose("standing")

    class ShortSighted:
        def estimate(self, image):
            if image.shape[0] < 256:
                return kp.missing_pose()
            pose = whole.copy()
            if image.shape[1] > 300:
                pose[:, 0] += 100
                pose[3:] = 0
            return kp.clean(pose)

    (person,) = find_people(photo(size=(256, 400)), ShortSighted())
    assert kp.found(person).sum() == 3  # The closer look found no more.


def test_movenet_finds_each_of_several_people(shared):
    estimator = PoseEstimator(
        shared / "models" / "movenet_singlepose_lightning_int8_4.tflite"
    )
    with zipfile.ZipFile(shared / "data" / "deepfashion.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith("full.jpg"))[:3]
        whole = [image_files.decode(archive.read(name), name=name) for name in names]
    three = [image_files.resize(image, (256, 256)) for image in whole]
    people = find_people(np.hstack(three), estimator)
    assert len(people) == 3
    for number, pose in enumerate(people):
        middle = pose[kp.found(pose), 0].mean()
        assert 256 * number < middle < 256 * (number + 1)
