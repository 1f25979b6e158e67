"""What a model, its training and its adversary are, as frozen dataclasses.

Nothing here knows a data set; `presets.py` holds the numbers.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SKIPS = ("all", "inner")
DISCRIMINATOR_INPUTS = ("pair", "image")
PRECISIONS = ("float32", "bfloat16")
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class ModelConfig:
    """The three networks.

    Attributes:
        image_size: height and width in pixels.
        width: filters of a generator's first block; block i has i times as many.
        bottleneck: numbers that G1's fully connected bottleneck keeps.
        generator2_skips: `all`, or `inner`: no skip connection at full resolution.
        discriminator_width: filters of D's first layer.
        discriminator_input: `pair`: D sees an image and the source image (paper
            section 3.2); `image`: it sees one image (released code).
    """

    image_size: tuple[int, int]
    width: int = 128
    bottleneck: int = 64
    generator2_skips: str = "all"
    discriminator_width: int = 64
    discriminator_input: str = "pair"

    def __post_init__(self):
        object.__setattr__(self, "image_size", tuple(self.image_size))
        height, width = self.image_size
        step = 2 ** (self.num_blocks - 1)
        if self.num_blocks < 3 or height % step or width % step:
            raise ValueError(
                f"image_size {height}x{width}: needs a height of at least 32, and "
                f"both multiples of {step}"
            )
        _one_of("generator2_skips", self.generator2_skips, SKIPS)
        _one_of("discriminator_input", self.discriminator_input, DISCRIMINATOR_INPUTS)
        for name in ("width", "bottleneck", "discriminator_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be at least 1")

    @property
    def num_blocks(self) -> int:
        """N of paper section 4.1: 5 at a height of 128, 6 at 256."""
        return self.image_size[0].bit_length() - 3

    @property
    def num_discriminator_layers(self) -> int:
        """Strided convolutions of D: 4 at a height of 128, 5 at 256."""
        return self.num_blocks - 1


@dataclass(frozen=True)
class Term:
    """One cross entropy: what D says of `image` against `label`, times `weight`."""

    image: str
    label: float
    weight: float


@dataclass(frozen=True)
class AdversaryConfig:
    """How G2 and D are set against each other.

    Attributes:
        scored: the images D scores in one batch, over which its batch statistics go:
            of target, source, coarse, refined.
        discriminator_terms: D's loss.
        generator_terms: the adversarial part of G2's loss.
        own_batch: whether D's step takes a minibatch of its own.
    """

    scored: tuple[str, ...]
    discriminator_terms: tuple[Term, ...]
    generator_terms: tuple[Term, ...]
    own_batch: bool


@dataclass(frozen=True)
class TrainConfig:
    """The training of one stage.

    Attributes:
        stage: 1 (G1) or 2 (G2 and D).
        steps: how many in all.
        batch_size: pairs in a step, over all devices.
        learning_rate, beta_1, beta_2: of Adam.
        schedule: of the learning rate: `constant` (paper section 4.1: the released
            code never changes it), or `cosine`: down to 0 at the last step.
        l1_weight: lambda of equation 4; stage 2 only.
        flip: whether half of the pairs are mirrored.
        precision: `float32`, or `bfloat16`: layers compute in it, weights stay
            float32.
        accumulate: in how many parts a device takes its share of a batch, one after
            the other, to need less memory.
        seed: of weights, order and flips.
    """

    stage: int
    steps: int
    batch_size: int
    learning_rate: float = 2e-5
    beta_1: float = 0.5
    beta_2: float = 0.999
    schedule: str = "constant"
    l1_weight: float = 10.0
    flip: bool = True
    precision: str = "float32"
    accumulate: int = 1
    seed: int = 0

    @property
    def is_open_ended(self) -> bool:
        """Whether more steps leave the ones before as they are: no rate falls to 0."""
        return self.schedule == "constant"

    def __post_init__(self):
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("schedule", self.schedule, SCHEDULES)
        for name in ("steps", "batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be at least 1")


@dataclass(frozen=True)
class RunConfig:
    """What a run folder is of.

    Attributes:
        dataset: name of the preset.
        profile: `paper` or `authors`.
        model: the networks.
    """

    dataset: str
    profile: str
    model: ModelConfig

    def to_json(self) -> dict[str, Any]:
        """Returns the configuration as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RunConfig":
        """Undoes `to_json`; raises KeyError, TypeError or ValueError if it cannot."""
        return cls(
            dataset=content["dataset"],
            profile=content["profile"],
            model=ModelConfig(**content["model"]),
        )


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} {value!r}: allowed are {', '.join(allowed)}")
