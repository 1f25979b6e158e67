"""Random body poses: joint angles, facing direction, and place in the picture.

All angles are in degrees and relative to the person: "out" away from the body's
middle, "forward" the way that the person faces.
"""

from dataclasses import dataclass

import numpy as np

# How far the person is turned: 0 looks at the viewer, 90 to the picture's right.
FACINGS = {
    "front": 0.0,
    "front-right": 40.0,
    "right": 88.0,
    "back-right": 140.0,
    "back": 180.0,
    "back-left": -140.0,
    "left": -88.0,
    "front-left": -40.0,
}
_FACING_WEIGHTS = (0.3, 0.1, 0.12, 0.04, 0.18, 0.04, 0.12, 0.1)

# Upper arm out and forward, forearm out and forward.
ARMS = {
    "hanging": (9, -3, 5, 11),
    "bent": (15, -10, 4, 38),
    "pocket": (22, -16, -10, 20),
    "on hip": (50, -16, -44, 10),
    "folded": (14, 22, -66, 95),
    "at chest": (14, 22, -32, 118),
    "at ear": (68, 30, -22, 168),
    "waving": (72, 5, 163, 0),
    "up": (150, 0, 171, 0),
    "on head": (122, -5, 212, 0),
    "out": (44, 0, 36, 8),
    "reaching": (8, 68, 3, 84),
    "offering": (8, 22, 4, 72),
}
_BOTH_ARMS = ("hanging", "bent", "on hip", "folded", "up", "at chest", "reaching")
_BOTH_ARMS_WEIGHTS = (0.48, 0.14, 0.14, 0.1, 0.06, 0.04, 0.04)

# Thigh out and forward, knee's bend; for one leg and for the other.
LEGS = {
    "standing": ((3, 0, 2), (3, 0, 2)),
    "wide": ((10, 0, 3), (10, 0, 3)),
    "relaxed": ((1, -2, 0), (9, 11, 15)),
    "crossed": ((2, -3, 2), (-6, 8, 6)),
    "striding": ((1, 24, 7), (1, -15, 18)),
    "passing": ((1, 2, 4), (1, 12, 42)),
    "stepping up": ((3, 52, 66), (3, 0, 2)),
    "running": ((1, 44, 55), (0, -18, 58)),
}
_LEGS_WEIGHTS = (0.3, 0.07, 0.18, 0.03, 0.28, 0.07, 0.04, 0.03)
_MOVING = ("striding", "passing", "running")


@dataclass(frozen=True)
class BodyPose:
    """One pose of any person, and where it stands in a picture of any size.

    Attributes:
        facing: Name of the facing direction, a key of `FACINGS`; "left" and "right"
            are here the picture's sides, towards which the person looks.
        yaw: Turn of the hips, degrees; 0 faces the viewer, 90 the picture's right.
        twist: Further turn of the chest against the hips.
        lean: Forward lean of the chest.
        sway: Lean of the chest towards the person's left.
        head_yaw: Further turn of the head against the chest.
        head_tilt: Lean of the head towards the person's left.
        right_arm: Upper arm out and forward, forearm out and forward.
        left_arm: The same for the left arm.
        right_leg: Thigh out and forward, knee's bend (0 is straight).
        left_leg: The same for the left leg.
        height: The person's extent as a fraction of the picture's height.
        shift: Place across and down the free space, each -1 to 1; 0 is centred.
    """

    facing: str
    yaw: float
    twist: float
    lean: float
    sway: float
    head_yaw: float
    head_tilt: float
    right_arm: tuple[float, ...]
    left_arm: tuple[float, ...]
    right_leg: tuple[float, ...]
    left_leg: tuple[float, ...]
    height: float
    shift: tuple[float, float]


def random_body_pose(
    rng: np.random.Generator, *, facing: str | None = None
) -> BodyPose:
    """Returns a random pose; most people stand or walk.

    Args:
        rng: Source of all randomness.
        facing: A key of `FACINGS` to fix the facing direction; None draws one.
    """
    names = tuple(FACINGS)
    drawn = names[rng.choice(len(names), p=_FACING_WEIGHTS)]
    facing = drawn if facing is None else facing
    stance = tuple(LEGS)[rng.choice(len(LEGS), p=_LEGS_WEIGHTS)]
    legs = [_jitter(rng, leg, spread=2.5) for leg in LEGS[stance]]
    legs = [(out, forward, max(bend, 0.0)) for out, forward, bend in legs]
    left_first = bool(rng.integers(2))
    left_leg, right_leg = legs if left_first else legs[::-1]
    swing = 0.5 * (left_leg[1] - right_leg[1]) if stance in _MOVING else 0.0
    left_arm, right_arm = _random_arms(rng, swing=swing)
    return BodyPose(
        facing=facing,
        yaw=FACINGS[facing] + float(rng.uniform(-13, 13)),
        twist=float(rng.normal(0, 4)),
        lean=float(rng.normal(6 if stance in _MOVING else 1, 2)),
        sway=float(rng.normal(0, 2)),
        head_yaw=float(np.clip(rng.normal(0, 14), -32, 32)),
        head_tilt=float(rng.normal(0, 4)),
        right_arm=right_arm,
        left_arm=left_arm,
        right_leg=right_leg,
        left_leg=left_leg,
        height=float(rng.uniform(0.82, 0.92)),
        shift=(float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1))),
    )


def _random_arms(
    rng: np.random.Generator, *, swing: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the left and the right arm; `swing` moves the left one backwards."""
    kind = rng.uniform()
    if abs(swing) > 4 and kind < 0.6:
        bend = float(rng.uniform(12, 30))
        arms = [(7, turn, 3, turn + bend) for turn in (-swing, swing)]
        return _jitter(rng, arms[0], spread=3), _jitter(rng, arms[1], spread=3)
    if kind < 0.55:
        name = _BOTH_ARMS[rng.choice(len(_BOTH_ARMS), p=_BOTH_ARMS_WEIGHTS)]
        arms = [ARMS[name]] * 2
    else:
        names = tuple(ARMS)
        quiet = ARMS[names[rng.integers(3)]]
        active = ARMS[names[rng.integers(len(names))]]
        arms = [quiet, active] if rng.integers(2) else [active, quiet]
    return _jitter(rng, arms[0], spread=5), _jitter(rng, arms[1], spread=5)


def _jitter(
    rng: np.random.Generator, angles: tuple[float, ...], *, spread: float
) -> tuple[float, ...]:
    """Returns angles with random changes, at most twice `spread` each."""
    change = np.clip(rng.normal(0, spread, len(angles)), -2 * spread, 2 * spread)
    return tuple(float(angle) for angle in angles + change)
