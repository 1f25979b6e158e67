"""What stays the same over all images of one drawn person."""

from dataclasses import dataclass

from preprocessing.synthetic.backgrounds import Colour
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
        length: How far it reaches; 1 is the hip joints, in torso lengths.
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
        proportions: Of the body.
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
