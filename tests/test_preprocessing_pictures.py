"""Pictures: skeletons, heatmaps and masks as they are, and sheets without overlap."""

import numpy as np
import pytest

from preprocessing.images import drawing as pictures
from preprocessing.poses import keypoints as kp

SIZE = (64, 48)


def pose_of(**places):
    """Returns a pose in which only the named keypoints were found."""
    pose = kp.missing_pose()
    for name, place in places.items():
        pose[kp.INDEX[name]] = (*place, 1)
    return pose


def colour(number):
    return np.full((40, 20, 3), number, np.uint8)


def is_red(pixel):
    return pixel[0] > pixel[2] + 60


def is_blue(pixel):
    return pixel[2] > pixel[0] + 60


ARM = {"elbow": (10, 20), "wrist": (10, 40)}


def test_right_limbs_are_red_left_ones_blue_and_the_middle_yellow():
    for side, has_colour in (("right", is_red), ("left", is_blue)):
        for upper, lower in (("elbow", "wrist"), ("knee", "ankle"), ("eye", "ear")):
            ends = {f"{side}_{upper}": (10, 20), f"{side}_{lower}": (10, 40)}
            drawn = pictures.draw_pose(pose_of(**ends), size=SIZE, scale=2)
            for row in (20, 30, 40):
                assert has_colour(drawn[2 * row, 20].astype(int))
    neck = pictures.draw_pose(pose_of(nose=(10, 20), neck=(10, 40)), size=SIZE, scale=2)
    red, green, blue = neck[60, 20].astype(int)
    assert min(red, green) > blue + 60


def test_a_flipped_person_keeps_red_on_the_right():
    pose = pose_of(right_elbow=(10, 20), right_wrist=(10, 40))
    flipped = kp.flip(pose, width=SIZE[1])
    drawn = pictures.draw_pose(flipped, size=SIZE, scale=1)
    assert is_blue(drawn[30, SIZE[1] - 1 - 10].astype(int))
    assert not drawn[:, : SIZE[1] // 2].any()


def test_only_what_was_found_is_drawn_where_it_is():
    assert not pictures.draw_pose(kp.missing_pose(), size=SIZE).any()
    drawn = pictures.draw_pose(pose_of(nose=(10, 20)), size=SIZE, scale=3)
    assert drawn.shape == (192, 144, 3)
    rows, columns = np.nonzero(drawn.any(axis=-1))
    assert (rows.min() + rows.max(), columns.min() + columns.max()) == (122, 62)
    assert rows.max() - rows.min() < 12


def test_a_skeleton_on_an_image_leaves_the_rest_of_it():
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    before = image.copy()
    pose = pose_of(left_elbow=(10, 20), left_wrist=(10, 40))
    drawn = pictures.draw_pose(pose, size=SIZE, scale=1, image=image)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(drawn[:, 16:], image[:, 16:])
    assert is_blue(drawn[30, 10].astype(int))


def test_every_heatmap_has_a_colour_of_its_own():
    heatmaps = np.zeros((18, 6, 18), np.uint8)
    heatmaps[np.arange(18), 2, np.arange(18)] = 1
    folded = pictures.fold_heatmaps(heatmaps, scale=2)
    assert folded.shape == (12, 36, 3)
    assert not folded[:4].any()
    assert not folded[6:].any()
    colours = folded[4, ::2]
    np.testing.assert_array_equal(folded[4:6].repeat(1, axis=0)[1, 1::2], colours)
    assert len({tuple(c) for c in colours.tolist()}) == 18
    # Where two meet, their mean.
    heatmaps[5, 2, 4] = 1
    both = pictures.fold_heatmaps(heatmaps, scale=1)[2, 4]
    expected = (colours[4].astype(float) + colours[5]) / 2
    np.testing.assert_allclose(both, expected, atol=0.5)


def test_a_mask_darkens_what_is_outside_and_is_outlined():
    image = np.full((*SIZE, 3), 200, np.uint8)
    mask = np.zeros(SIZE, np.uint8)
    mask[20:40, 10:30] = 1
    shown = pictures.draw_mask_on(image, mask, scale=2)
    assert shown.shape == (128, 96, 3)
    assert (shown[42:78, 22:58] == 200).all()
    outside = np.ones((128, 96), bool)
    outside[40:80, 20:60] = False
    assert (shown[outside] == 50).all()
    outline = shown[40:80, 20:60].reshape(-1, 3)
    assert len(outline[(outline != 200).any(axis=1)]) == 2 * 40 + 2 * 38
    empty = pictures.draw_mask_on(image, np.zeros(SIZE, np.uint8), scale=1)
    assert (empty == 50).all()


@pytest.mark.parametrize("captions", [(), ("first", "second")])
def test_a_sheet_holds_every_image_at_its_place(captions):
    columns = {"a": [colour(10), colour(20)], "b": [colour(30), colour(40)]}
    whole = pictures.sheet(columns, height=80, captions=captions)
    above = 24 if captions else 4
    assert whole.shape == (20 + 2 * (above + 80) + 4, 2 * 44 + 4, 3)
    assert (whole[: 20 + above] > 0).all()
    for row in range(2):
        top = 20 + above + row * (above + 80)
        for column, name in enumerate("ab"):
            left = 4 + column * 44
            cell = whole[top : top + 80, left : left + 40]
            assert (cell == columns[name][row][0, 0, 0]).all()
        # Something is written above, and nothing on the pictures' sides.
        written = (whole[top - above : top] < 200).any()
        assert written == bool(captions)
        assert (whole[top : top + 80, :4] == 255).all()
    assert (whole[:20] < 200).any()


def test_small_images_are_shown_large_enough():
    assert pictures.sheet({"a": [colour(0)]}).shape[0] == 20 + 4 + 192 + 4
    large = np.zeros((150, 20, 3), np.uint8)
    assert pictures.sheet({"a": [large]}).shape[0] == 20 + 4 + 300 + 4


def test_long_headings_and_captions_stay_in_their_strips():
    columns = {"a heading longer than its column": [colour(0)], "b": [colour(0)]}
    whole = pictures.sheet(columns, height=80, captions=["long caption " * 20])
    assert (whole[:, -4:] == 255).all()
    assert (whole[:20, 44:48] == 255).all()
    # Both are written, however small.
    assert (whole[:20, 4:44] < 255).any()
    assert (whole[24:44, 60:88] < 255).any()


def test_a_pose_sheet_shows_source_pose_and_the_others():
    poses = [pose_of(right_elbow=(5, 10), right_wrist=(5, 30))]
    whole = pictures.pose_sheet([colour(10)], poses, {"generated": [colour(30)]})
    assert whole.shape == (20 + 4 + 192 + 4, 3 * 100 + 4, 3)
    assert (whole[24:216, 4:100] == 10).all()
    assert (whole[24:216, 204:300] == 30).all()
    pose = whole[24:216, 104:200].astype(int)
    assert is_red(pose[96, 26])
    assert not pose[:, 60:].any()


def test_sheets_of_different_height_stand_side_by_side_over_a_note():
    whole = pictures.beside([colour(0)[:30], colour(9)], note="a note")
    assert whole.shape == (60, 40, 3)
    assert (whole[:30, :20] == 0).all()
    assert (whole[30:40, :20] == 255).all()
    assert (whole[:40, 20:] == 9).all()
    assert (whole[40:] < 200).any()
