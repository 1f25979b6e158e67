"""Finding a person in a photo, placing poses, and pasting images back."""

import numpy as np
import pytest
from pg2_tf_helpers import random_poses

from pg2_tf.posing import named_poses
from pg2_tf.posing.photo import describe, find_person, paste_back, place
from pg2_tf.posing.retargeting import Target
from pg2_tf.posing.transfer import Transfer
from preprocessing.estimation.movenet import PoseEstimator
from preprocessing.images import framing
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError

SIZE = (64, 32)
PHOTO_SIZE = (300, 400)


def standing(middle, height):
    pose = named_poses.named_pose("standing")
    low, high = pose[:, :2].min(axis=0), pose[:, :2].max(axis=0)
    centre = (low + high) / 2
    pose[:, :2] = (pose[:, :2] - centre) * height / (high - low)[1] + middle
    return pose


PEOPLE = [standing((80, 150), 120), standing((200, 150), 220), standing((330, 160), 90)]


class Known:
    """Estimator that returns given poses, the tallest first."""

    def __init__(self, *people):
        self.left = sorted(people, key=lambda pose: -np.ptp(pose[:, 1]))

    def estimate(self, image):
        return self.left.pop(0) if self.left else kp.missing_pose()


class Echo:
    """A model whose coarse image is the source and whose refined one is brighter."""

    image_size = SIZE
    stage = 2
    describe = "echo"

    def __call__(self, images, poses):
        assert images.dtype == np.uint8
        assert poses.shape == (len(images), 18, 3)
        brighter = np.minimum(images.astype(int) + 21, 255).astype(np.uint8)
        return {"coarse": images, "refined": brighter}


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return rng.integers(0, 200, (*PHOTO_SIZE, 3), dtype=np.uint8)


def target(name="hands-up"):
    return Target(name, named_poses.named_pose(name)[None], named_poses.SIZE)


def test_the_largest_of_several_people_is_used_and_reported(photo):
    person = find_person(photo, SIZE, estimator=Known(*PEOPLE), name="us.jpg")
    np.testing.assert_array_equal(person.pose, PEOPLE[1])
    line = describe(person)
    assert "us.jpg: 3 people" in line
    assert "person=N" in line
    alone = find_person(photo, SIZE, estimator=Known(PEOPLE[0]))
    assert describe(alone) is None


@pytest.mark.parametrize("number", [1, 2, 3])
def test_people_are_counted_from_the_left(photo, number):
    person = find_person(photo, SIZE, estimator=Known(*PEOPLE), number=number)
    np.testing.assert_array_equal(person.pose, PEOPLE[number - 1])
    assert person.crop.shape == (*SIZE, 3)


def test_nobody_and_too_high_a_number_are_refused(photo):
    with pytest.raises(InputError, match=r"me\.jpg: no person found"):
        find_person(photo, SIZE, estimator=Known(), name="me.jpg")
    with pytest.raises(InputError, match=r"me\.jpg: person 4 .*only 3 found"):
        find_person(photo, SIZE, estimator=Known(*PEOPLE), number=4, name="me.jpg")
    with pytest.raises(InputError, match="no person found to crop"):
        find_person(photo, SIZE)


def test_the_crop_is_the_fitted_part_and_the_pose_is_moved_with_it(photo):
    person = find_person(photo, SIZE, pose=PEOPLE[1])
    np.testing.assert_array_equal(person.crop, framing.fit_image(photo, person.fit))
    np.testing.assert_array_equal(
        person.pose_in_crop, framing.fit_pose(PEOPLE[1], person.fit)
    )
    assert kp.found(person.pose_in_crop).all()


def test_without_cropping_the_whole_photo_is_padded(photo):
    person = find_person(photo, SIZE, crop="none")
    assert person.fit == framing.fit(PHOTO_SIZE, SIZE)
    assert not kp.found(person.pose).any()


@pytest.mark.parametrize("retarget", ["scale", "limbs"])
@pytest.mark.parametrize("name", named_poses.NAMES)
def test_a_whole_persons_poses_are_inside_the_image(photo, name, retarget):
    person = find_person(photo, SIZE, pose=PEOPLE[1])
    poses, shrunk = place(person, target(name), retarget=retarget)
    np.testing.assert_array_equal(kp.found(poses[0]), kp.found(target(name).poses[0]))
    assert kp.within(poses, SIZE)[..., 2].sum() == kp.found(poses).sum()
    assert 0.5 < shrunk <= 1


def test_without_shrinking_keypoints_outside_become_missing(photo):
    person = find_person(photo, SIZE, pose=PEOPLE[1])
    wide = target("arms-out")
    poses, factor = place(person, wide, shrink=False)
    assert factor == 1
    shrunk, smaller = place(person, wide)
    assert smaller < 0.9
    wrists = [kp.INDEX["right_wrist"], kp.INDEX["left_wrist"]]
    assert not kp.found(poses[0])[wrists].any()
    assert kp.found(shrunk[0])[wrists].all()


def test_the_legs_of_a_half_length_photo_stay_outside(photo):
    half = PEOPLE[1].copy()
    legs = [i for i, name in enumerate(kp.NAMES) if name.endswith(("knee", "ankle"))]
    half[legs] = 0
    person = find_person(photo, SIZE, pose=half)
    poses, shrunk = place(person, target("standing"))
    assert shrunk == 1
    ankles = [kp.INDEX["right_ankle"], kp.INDEX["left_ankle"]]
    assert not kp.found(poses[0])[ankles].any()
    neck = kp.INDEX["neck"]
    torso = [
        of[kp.INDEX["right_hip"], 1] - of[neck, 1]
        for of in (poses[0], person.pose_in_crop)
    ]
    assert torso[0] == pytest.approx(torso[1], rel=0.02)


def test_without_retargeting_a_pose_is_only_padded(photo):
    person = find_person(photo, SIZE, pose=PEOPLE[1])
    asked = target("walking")
    poses, shrunk = place(person, asked, retarget="none")
    assert shrunk == 1
    fitted = framing.fit(named_poses.SIZE, SIZE)
    np.testing.assert_array_equal(poses[0], framing.fit_pose(asked.poses[0], fitted))


def test_a_pose_beside_a_half_length_photo_is_refused(photo):
    face = PEOPLE[1].copy()
    face[[i for i, name in enumerate(kp.NAMES) if not name.endswith("eye")]] = 0
    person = find_person(photo, SIZE, pose=face, name="me.jpg")
    eyes_and_feet = target("standing")
    poses = eyes_and_feet.poses
    poses[0, [i for i, name in enumerate(kp.NAMES) if not name.endswith("eye")]] = 0
    poses = np.concatenate([poses, target("standing").poses])
    poses[1, [i for i, name in enumerate(kp.NAMES) if not name.endswith("ankle")]] = 0
    with pytest.raises(InputError, match=r"me\.jpg: the pose standing is outside"):
        place(person, eyes_and_feet._replace(poses=poses))


def test_poses_outside_or_without_common_keypoints_are_refused(photo):
    outside = target()
    outside.poses[..., 0] += 5000  # Far to the right.
    person = find_person(photo, SIZE, pose=PEOPLE[1], name="me.jpg")
    with pytest.raises(InputError, match=r"hands-up: keypoints from x .*pose_size"):
        place(person, outside, retarget="none")
    nobody = find_person(photo, SIZE, crop="none", name="me.jpg")
    with pytest.raises(InputError, match="retarget=none"):
        place(nobody, target())


def test_transfer_returns_the_models_images_of_the_crop(photo):
    person = find_person(photo, SIZE, pose=PEOPLE[1])
    many = Target("many", random_poses(5, size=SIZE), SIZE, 12.0)
    made = Transfer(Echo(), estimator=Known).generate(person, many)
    assert made.generated.shape == (5, *SIZE, 3)
    np.testing.assert_array_equal(made.images["coarse"][3], person.crop)
    before = made.intermediate(3)
    assert list(before) == ["coarse", "difference"]
    assert (before["difference"] == 128 + 10).all()


# === Back into the photo ===


def pasted(photo, pose, value=255):
    person = find_person(photo, SIZE, pose=pose)
    image = np.full((*SIZE, 3), value, np.uint8)
    return person, paste_back(person, image)


def test_only_the_crop_changes_and_its_middle_is_the_image(photo):
    before = photo.copy()
    person, after = pasted(photo, PEOPLE[1])
    np.testing.assert_array_equal(photo, before)
    assert after.shape == photo.shape
    (rows, columns), fitted = person.fit.framed, person.fit
    outside = np.ones(PHOTO_SIZE, bool)
    outside[-fitted.top : rows - fitted.top, -fitted.left : columns - fitted.left] = 0
    np.testing.assert_array_equal(after[outside], photo[outside])
    assert (after[rows // 2 - fitted.top, columns // 2 - fitted.left] == 255).all()


def test_the_border_is_soft_inside_the_photo():
    photo = np.zeros((*PHOTO_SIZE, 3), np.uint8)
    person, after = pasted(photo, PEOPLE[1])
    line = after[-person.fit.top + person.fit.framed[0] // 2, :, 0].astype(int)
    changes = np.diff(line)
    assert changes.max() < 100
    rising = line[-person.fit.left : 200]
    assert (np.diff(rising) >= 0).all()
    assert rising[0] > 0


@pytest.mark.parametrize("middle", [(12, 150), (200, 20), (395, 290), (3, 3)])
def test_a_crop_at_the_photos_border_has_no_soft_edge_there(photo, middle):
    pose = kp.within(standing(middle, 220), PHOTO_SIZE)
    _, after = pasted(photo, pose)
    x, y = np.clip(middle, 0, (PHOTO_SIZE[1] - 1, PHOTO_SIZE[0] - 1))
    edge = (0 if y < 150 else -1, x) if middle[0] == 200 else (y, 0 if x < 200 else -1)
    assert (after[edge] == 255).all()


def test_pasting_the_crop_back_leaves_the_photo_unchanged():
    rows, columns = np.mgrid[: PHOTO_SIZE[0], : PHOTO_SIZE[1]]
    photo = np.stack([rows % 256, columns % 256, (rows + columns) // 3], axis=-1)
    photo = np.uint8(np.clip(photo // 2, 0, 255))
    smooth = find_person(photo, (256, 128), pose=PEOPLE[0])
    after = paste_back(smooth, smooth.crop)
    assert np.abs(after.astype(int) - photo).mean() < 1


def test_a_photo_smaller_than_the_crop_keeps_its_size():
    photo = np.zeros((40, 300, 3), np.uint8)
    person = find_person(photo, SIZE, crop="none")
    after = paste_back(person, np.full((*SIZE, 3), 255, np.uint8))
    assert after.shape == photo.shape
    assert (after == 255).all()


def test_the_astronaut_is_found_by_movenet(shared):
    from skimage import data

    estimator = PoseEstimator(
        shared / "models" / "movenet_singlepose_lightning_int8_4.tflite"
    )
    person = find_person(data.astronaut(), SIZE, estimator=estimator)
    assert person.others == 0
    face = person.pose[[kp.INDEX["right_eye"], kp.INDEX["left_eye"]]]
    assert kp.found(face).all()
    assert ((face[:, :2] > (170, 70)) & (face[:, :2] < (280, 140))).all()
    made = Transfer(Echo(), estimator=Known).generate(person, target("standing"))
    assert kp.found(made.poses[0]).sum() >= 4
