"""Persons and poses that several tests draw."""

from dataclasses import replace

import numpy as np

from preprocessing.synthetic import scenes
from preprocessing.synthetic.looks import random_person
from preprocessing.synthetic.poses import FACINGS, BodyPose

MAGENTA = scenes.Background(kind="plain", colours=((255, 0, 255),))
HANGING = (20.0, 0.0, 20.0, 0.0)
RED, BLUE = (210, 30, 30), (30, 60, 200)


def dressed(seed=0, **upper):
    """Returns a person in plain red with short sleeves and with nothing over it."""
    person = random_person(np.random.default_rng(seed))
    garment = {"colours": (RED, BLUE, BLUE), "pattern": "plain", "sleeve": 0.5}
    garment |= {"plain_sleeves": False, "length": 1.1, "tucked": False} | upper
    upper = replace(person.upper, **garment)
    return replace(
        person, upper=upper, hair_style="crop", belt=None, backpack=None, bag=None
    )


def standing(facing, **angles):
    """Returns a pose with hanging arms and straight legs; `angles` change it."""
    pose = BodyPose(
        facing=facing,
        yaw=FACINGS[facing],
        twist=0,
        lean=0,
        sway=0,
        head_yaw=0,
        head_tilt=0,
        right_arm=HANGING,
        left_arm=HANGING,
        right_leg=(4, 0, 0),
        left_leg=(4, 0, 0),
        height=0.86,
        shift=(0, 0),
    )
    return replace(pose, **angles)


def is_near(image, colour, *, limit=45):
    """Returns where an image [..., 3] has a colour, bool [...]."""
    return (np.abs(image.astype(int) - colour) <= limit).all(axis=-1)
