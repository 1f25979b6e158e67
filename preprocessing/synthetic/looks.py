"""Looks of drawn persons: bodies, hair and clothes, and random choices of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preprocessing.synthetic.shapes import Colour
from preprocessing.synthetic.skeleton import Proportions

PATTERNS = (
    "plain",
    "stripes",
    "pinstripes",
    "checks",
    "dots",
    "band",
    "yoke",
    "halves",
    "open jacket",
    "print",
)
HAIR_STYLES = ("crop", "short", "bob", "long", "ponytail", "bun")


@dataclass(frozen=True)
class Upper:
    """Upper garment.

    Attributes:
        colours: Main, second and third colour.
        pattern: One of `PATTERNS`.
        sleeve: Fraction of the arm in the sleeve; 1 is the elbow, 2 the wrist.
        plain_sleeves: True if the sleeves have the second colour throughout.
        length: Length in torso lengths; 1 reaches the hip joints.
        tucked: True if the lower garment's waist is worn over it.
    """

    colours: tuple[Colour, Colour, Colour]
    pattern: str
    sleeve: float
    plain_sleeves: bool
    length: float
    tucked: bool


@dataclass(frozen=True)
class Lower:
    """Lower garment.

    Attributes:
        kind: "trousers", "shorts" or "skirt".
        colours: Main, second and third colour.
        pattern: One of `PATTERNS`, seen on skirts only.
        length: Fraction of the leg that it covers; 1 is the knee, 2 the ankle.
        width: Factor on the width of its legs.
    """

    kind: str
    colours: tuple[Colour, Colour, Colour]
    pattern: str
    length: float
    width: float


@dataclass(frozen=True)
class Person:
    """Everything that stays the same over a person's images; colours are RGB.

    Attributes:
        proportions: Proportions of the body.
        skin: Skin's colour.
        hair: Hair's colour.
        hair_style: One of `HAIR_STYLES`.
        beard: True for a beard in the hair's colour.
        hat: A knitted hat's colour, or None.
        upper: Upper garment.
        lower: Lower garment.
        belt: Belt's colour, or None.
        legwear: Colour of the leg's rest (tights), or None for skin.
        shoes: Shoes' colour.
        sole: Soles' colour.
        shaft: Fraction of the shin that the shoes cover.
        backpack: Backpack's colour, or None.
        bag: Colour of a bag at the left hip with a strap across, or None.
    """

    proportions: Proportions
    skin: Colour
    hair: Colour
    hair_style: str
    beard: bool
    hat: Colour | None
    upper: Upper
    lower: Lower
    belt: Colour | None
    legwear: Colour | None
    shoes: Colour
    sole: Colour
    shaft: float
    backpack: Colour | None
    bag: Colour | None


_PATTERN_WEIGHTS = (0.22, 0.14, 0.07, 0.07, 0.08, 0.1, 0.1, 0.07, 0.1, 0.05)
# Fraction of the arm that the sleeve covers: 1 is the elbow, 2 the wrist.
_SLEEVES = (0.0, 0.55, 0.9, 1.55, 2.0)
_SLEEVE_WEIGHTS = (0.1, 0.35, 0.08, 0.07, 0.4)
# Fraction of the leg that it covers: 1 is the knee, 2 the ankle.
_LOWER_LENGTHS = {
    "trousers": (2.0, 2.0, 2.0, 1.6),
    "shorts": (0.55, 0.75, 0.95),
    "skirt": (0.65, 0.9, 1.15, 1.6),
}
_SKINS = (
    (250, 220, 198),
    (238, 200, 172),
    (222, 178, 144),
    (190, 140, 105),
    (146, 100, 72),
    (100, 66, 48),
)
_HAIRS = (
    (28, 24, 24),
    (52, 36, 28),
    (92, 60, 38),
    (132, 92, 56),
    (214, 178, 108),
    (160, 74, 36),
    (168, 166, 164),
)
_CLOTHES = (
    (34, 34, 38),
    (240, 240, 236),
    (142, 146, 152),
    (28, 44, 92),
    (44, 92, 190),
    (126, 184, 230),
    (206, 36, 44),
    (124, 24, 46),
    (242, 132, 36),
    (248, 208, 58),
    (52, 148, 74),
    (106, 118, 52),
    (30, 148, 150),
    (118, 62, 158),
    (240, 138, 178),
    (212, 186, 144),
    (116, 78, 50),
)
_TROUSERS = (0, 0, 2, 3, 3, 4, 5, 1, 11, 15, 16, 7, 6)
_SHOES = (0, 0, 1, 1, 2, 16, 6, 4, 15)


def random_person(rng: np.random.Generator) -> Person:
    """Returns a person with random looks; all randomness is from `rng`."""
    style = pick(rng, HAIR_STYLES)
    short = style in ("crop", "short")
    lower = _random_lower(rng, skirts=not short)
    upper = _random_upper(rng, lower=lower)
    bag_kind = rng.choice(3, p=(0.74, 0.13, 0.13))
    bag = tinted(rng, pick(rng, _CLOTHES))
    bare = lower.kind != "trousers"
    return Person(
        proportions=_random_proportions(rng),
        skin=tinted(rng, pick(rng, _SKINS), spread=5),
        hair=tinted(rng, pick(rng, _HAIRS), spread=6),
        hair_style=style,
        beard=bool(short and rng.uniform() < 0.3),
        hat=_maybe(rng, pick(rng, _CLOTHES), share=0.1),
        upper=upper,
        lower=lower,
        belt=_maybe(rng, pick(rng, _CLOTHES), share=0.5 if upper.tucked else 0),
        legwear=_maybe(rng, (40, 36, 42), share=0.25 if bare and not short else 0),
        shoes=tinted(rng, _CLOTHES[pick(rng, _SHOES)]),
        sole=pick(rng, ((238, 238, 234), (54, 46, 42))),
        shaft=pick(rng, (0.0, 0.0, 0.12, 0.55)) if bare else 0.0,
        backpack=bag if bag_kind == 1 else None,
        bag=bag if bag_kind == 2 else None,
    )


def _random_proportions(rng: np.random.Generator) -> Proportions:
    return Proportions(
        head=float(rng.uniform(1.03, 1.14)),
        shoulders=float(rng.uniform(0.9, 1.1)),
        hips=float(rng.uniform(0.92, 1.12)),
        torso=float(rng.uniform(0.94, 1.05)),
        arms=float(rng.uniform(0.95, 1.05)),
        legs=float(rng.uniform(0.94, 1.06)),
        build=float(rng.uniform(0.86, 1.22)),
    )


def _random_upper(rng: np.random.Generator, *, lower: Lower) -> Upper:
    pattern = PATTERNS[rng.choice(len(PATTERNS), p=_PATTERN_WEIGHTS)]
    colours = _three_colours(rng)
    sleeve = _SLEEVES[rng.choice(len(_SLEEVES), p=_SLEEVE_WEIGHTS)]
    length, tucked = pick(rng, (1.08, 1.14, 1.2)), False
    if pattern == "open jacket":
        length, sleeve = pick(rng, (1.1, 1.15, 1.45)), 2.0
    elif rng.uniform() < (0.6 if lower.kind == "skirt" else 0.3):
        length, tucked = 1.0, True
    elif rng.uniform() < 0.12:
        length, sleeve = 1.55, 2.0
    return Upper(
        colours=colours,
        pattern=pattern,
        sleeve=sleeve,
        plain_sleeves=bool(pattern in ("plain", "print") and rng.uniform() < 0.2),
        length=length,
        tucked=tucked,
    )


def _random_lower(rng: np.random.Generator, *, skirts: bool) -> Lower:
    weights = (0.5, 0.15, 0.35) if skirts else (0.75, 0.25, 0)
    kind = ("trousers", "shorts", "skirt")[rng.choice(3, p=weights)]
    colours = _three_colours(rng)
    if kind != "skirt":
        colours = (tinted(rng, _CLOTHES[pick(rng, _TROUSERS)]), *colours[1:])
    return Lower(
        kind=kind,
        colours=colours,
        pattern=pick(rng, ("plain", "plain", "pinstripes", "checks", "dots", "hem")),
        length=pick(rng, _LOWER_LENGTHS[kind]),
        width=float(rng.uniform(0.95, 1.3)),
    )


def _three_colours(rng: np.random.Generator) -> tuple[Colour, Colour, Colour]:
    """Returns three clothes' colours that are far from one another."""
    chosen = [pick(rng, _CLOTHES)]
    while len(chosen) < 3:
        colour = pick(rng, _CLOTHES)
        if min(np.abs(np.subtract(colour, other)).sum() for other in chosen) > 150:
            chosen.append(colour)
    first, second, third = (tinted(rng, colour) for colour in chosen)
    return first, second, third


def pick(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    """Returns one of the choices."""
    return choices[int(rng.integers(len(choices)))]


def tinted(rng: np.random.Generator, colour: Colour, *, spread: int = 9) -> Colour:
    """Returns the colour, each channel changed by at most `spread`."""
    changed = np.clip(colour + rng.integers(-spread, spread + 1, 3), 0, 255)
    return tuple(int(channel) for channel in changed)


def _maybe(rng, colour, *, share):
    return tinted(rng, colour) if rng.uniform() < share else None
