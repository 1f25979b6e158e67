"""Configurations of networks, trainings and runs, as frozen dataclasses.

The numbers of each data set are in `presets.py`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

_Config = TypeVar("_Config")
# Beyond these, a mistake is more likely than a machine with enough memory.
_MOST_FILTERS = 4096
_MOST_NUMBERS = 65_536
_MOST_PIXELS = 2048

PROFILES = ("paper", "authors")
POSE_EMBEDDINGS = ("concat", "heatmap", "coordinate")
SKIPS = ("all", "inner")
DISCRIMINATOR_INPUTS = ("pair", "image", "pair_and_pose")
DISCRIMINATOR_NORMS = ("batch", "spectral")
PRECISIONS = ("float32", "bfloat16")
SCHEDULES = ("constant", "cosine", "linear", "step")
HEATMAPS = ("drawn", "stored")
ADVERSARIAL_LOSSES = ("cross_entropy", "hinge", "least_squares")


@dataclass(frozen=True)
class Variant:
    """A row of the paper's Table 1.

    Attributes:
        pose_embedding: Form of the target pose in G1, one of `POSE_EMBEDDINGS`.
        reconstruction: Reconstruction loss: `l1`, or `masked_l1`, the pose mask loss
            of equation 1.
        stages: The stages that are trained, in order.
        adversarial: The stages that train a D.
    """

    pose_embedding: str
    reconstruction: str
    stages: tuple[int, ...]
    adversarial: tuple[int, ...] = ()


# Sections 4.2 and 4.3: the embeddings and the losses are compared on G1 alone; G1+D
# is G1 with equations 2 to 4, its image in the place of G2's.
VARIANTS = {
    "G1-CE-L1": Variant("coordinate", "l1", stages=(1,)),
    "G1-HME-L1": Variant("heatmap", "l1", stages=(1,)),
    "G1-L1": Variant("concat", "l1", stages=(1,)),
    "G1-poseMaskLoss": Variant("concat", "masked_l1", stages=(1,)),
    "G1+D": Variant("concat", "masked_l1", stages=(1,), adversarial=(1,)),
    "G1+G2+D": Variant("concat", "masked_l1", stages=(1, 2), adversarial=(2,)),
}
DEFAULT_VARIANT = "G1+G2+D"


@dataclass(frozen=True)
class ModelConfig:
    """The three networks.

    Attributes:
        image_size: Height and width in pixels.
        width: Filters of a generator's first block; block i has i * width.
        bottleneck: Width of G1's fully connected bottleneck.
        pose_embedding: Form of the target pose in G1: `concat`: heatmaps as
            further channels of the image; `heatmap`: heatmaps through a second encoder;
            `coordinate`: the keypoints' coordinates (paper section 4.2).
        generator2_skips: `all`, or `inner`: no skip connection at full resolution.
        discriminator_width: Filters of D's first layer.
        discriminator_input: `pair`: D sees an image and the source image (paper
            section 3.2); `image`: it sees one image (released code);
            `pair_and_pose`: it sees an image, the source image and the 18 heatmaps of
            the target pose (beyond the paper).
        discriminator_norm: `batch`: batch normalisation, as DCGAN; `spectral`: spectral
            normalisation of every layer in its place (beyond the paper).
    """

    image_size: tuple[int, int]
    width: int = 128
    bottleneck: int = 64
    pose_embedding: str = "concat"
    generator2_skips: str = "all"
    discriminator_width: int = 64
    discriminator_input: str = "pair"
    discriminator_norm: str = "batch"

    def __post_init__(self):
        object.__setattr__(self, "image_size", tuple(self.image_size))
        height, width = self.image_size
        step = 2 ** (self.num_blocks - 1)
        if self.num_blocks < 3 or height % step or width % step or width < 1:
            raise ValueError(
                f"image_size {height}x{width}: needs a height of at least 32, and "
                f"both multiples of {step}"
            )
        _between(1, _MOST_PIXELS, "image_size", max(height, width))
        one_of("pose_embedding", self.pose_embedding, POSE_EMBEDDINGS)
        one_of("generator2_skips", self.generator2_skips, SKIPS)
        one_of("discriminator_input", self.discriminator_input, DISCRIMINATOR_INPUTS)
        one_of("discriminator_norm", self.discriminator_norm, DISCRIMINATOR_NORMS)
        for name in ("width", "discriminator_width"):
            _between(1, _MOST_FILTERS, name, getattr(self, name))
        _between(1, _MOST_NUMBERS, "bottleneck", self.bottleneck)

    def with_width(self, width: int) -> "ModelConfig":
        """Returns the networks at another width, D's in proportion.

        At full width D overpowers a narrow G2.

        Raises:
            ValueError: The width is less than 1.
        """
        ratio = self.discriminator_width / self.width
        discriminator_width = max(1, round(width * ratio))
        return replace(self, width=width, discriminator_width=discriminator_width)

    @property
    def num_blocks(self) -> int:
        """N of paper section 4.1: 5 at a height of 128, 6 at 256."""
        return self.image_size[0].bit_length() - 3

    @property
    def pose_input(self) -> str:
        """The tensor that G1 takes the target pose as: `heatmaps` or `keypoints`."""
        return "keypoints" if self.pose_embedding == "coordinate" else "heatmaps"

    @property
    def discriminator_channels(self) -> int:
        """Channels of D's input: 3 for one image, 6 for a pair, 24 with the pose."""
        return {"image": 3, "pair": 6, "pair_and_pose": 24}[self.discriminator_input]

    @property
    def num_discriminator_layers(self) -> int:
        """Strided convolutions of D: 4 at a height of 128, 5 at 256."""
        return self.num_blocks - 1


@dataclass(frozen=True)
class TrainConfig:
    """The training of one stage.

    Options beyond the paper and the released code are off by default.

    Attributes:
        stage: 1 (G1) or 2 (G2 and D).
        steps: Total number of steps.
        batch_size: Pairs in a step, over all devices.
        learning_rate, beta_1, beta_2: Adam's parameters.
        schedule: Learning rate schedule: `constant` (section 4.1; the released code
            never changes it); `cosine`, `linear`: decays to 0 at the last step; `step`:
            halves every `halve_every` steps (the released code's `lr_update_step`,
            which it computes and never uses).
        halve_every: Steps between two halvings; schedule `step` only.
        warm_up: Steps in which the learning rate grows linearly to the schedule's; 0:
            none (Goyal et al. 2017).
        clip_norm: Largest norm of a network's gradient; a larger one is scaled down to
            it; 0: no limit (Pascanu et al. 2013).
        ema: Momentum of the exponential moving average of the trained generators'
            weights that generation and export use, such as 0.999; 0: none (Yazici et
            al. 2019).
        l1_weight: Lambda of equation 4; adversarial stages only.
        adversarial_loss: Loss of D and its generator: `cross_entropy` (equations 2 and
            3), `hinge` (Lim and Ye 2017) or `least_squares` (Mao et al. 2017).
        feature_matching: Weight of the mean absolute difference between D's hidden
            activations of the target and of the generated image (Wang et al. 2018);
            0: none; adversarial stages only.
        finetune_generator1: Whether stage 2 continues to train G1.
        flip: Whether half of the pairs are mirrored.
        precision: Precision of the layers, `float32` or `bfloat16`; weights stay
            float32.
        accumulate: Number of parts in which a device processes its share of a batch,
            one after the other, to save memory.
        remat: Whether the backward pass computes the generators' activations again,
            block by block, rather than keeping them (Chen et al. 2016).
        shard_groups: Number of groups of shards, each with an equal part of a batch.
            Several workers read different groups, so it must be a multiple of their
            number.
        validation_fraction: Fraction of the training identities that is held out for
            validation, 0 to less than 1. 0 (the default, as in the paper): training
            uses all of them and there is no validation.
        heatmaps: `drawn` from the keypoints, or `stored`: those of the records.
        seed: Seed of initial weights, order and flips.
    """

    stage: int
    steps: int
    batch_size: int
    learning_rate: float = 2e-5
    beta_1: float = 0.5
    beta_2: float = 0.999
    schedule: str = "constant"
    halve_every: int = 0
    warm_up: int = 0
    clip_norm: float = 0.0
    ema: float = 0.0
    l1_weight: float = 10.0
    adversarial_loss: str = "cross_entropy"
    feature_matching: float = 0.0
    finetune_generator1: bool = False
    flip: bool = True
    precision: str = "float32"
    accumulate: int = 1
    remat: bool = False
    shard_groups: int = 1
    heatmaps: str = "drawn"
    validation_fraction: float = 0.0
    seed: int = 0

    @property
    def is_open_ended(self) -> bool:
        """Whether a longer training begins with the same steps: no rate falls to 0."""
        return self.schedule in ("constant", "step")

    @property
    def trained_generators(self) -> tuple[str, ...]:
        """The generators that the stage trains."""
        if self.stage == 1:
            return ("generator1",)
        return ("generator1",) * self.finetune_generator1 + ("generator2",)

    @property
    def averaged(self) -> tuple[str, ...]:
        """The generators with moving averages of their weights."""
        return self.trained_generators if self.ema else ()

    def __post_init__(self):
        one_of("precision", self.precision, PRECISIONS)
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("adversarial_loss", self.adversarial_loss, ADVERSARIAL_LOSSES)
        one_of("heatmaps", self.heatmaps, HEATMAPS)
        for name in ("steps", "batch_size", "accumulate", "shard_groups"):
            _at_least(1, name, getattr(self, name))
        for name in ("halve_every", "warm_up", "clip_norm", "feature_matching"):
            _at_least(0, name, getattr(self, name))
        for name in ("ema", "validation_fraction"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"{name} {value}: must be at least 0 and less than 1")
        if (self.schedule == "step") != (self.halve_every > 0):
            raise ValueError(
                f"halve_every {self.halve_every}: the schedule step, and no other, "
                "needs a number of steps"
            )


@dataclass(frozen=True)
class RunConfig:
    """The configuration of a run.

    Attributes:
        dataset: Name of the preset.
        profile: `paper` or `authors`.
        model: The networks.
        variant: The row of the paper's Table 1, one of `VARIANTS`.
    """

    dataset: str
    profile: str
    model: ModelConfig
    variant: str = DEFAULT_VARIANT

    def __post_init__(self):
        one_of("profile", self.profile, PROFILES)
        one_of("variant", self.variant, tuple(VARIANTS))

    @property
    def recipe(self) -> Variant:
        """The row of Table 1."""
        return VARIANTS[self.variant]

    def to_json(self) -> dict[str, Any]:
        """Returns the configuration as plain data, the most important first."""
        content = asdict(self)
        model = content.pop("model")
        return {**content, "model": model}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RunConfig":
        """Creates the configuration from plain data.

        Raises:
            ValueError: A field is missing, unknown, or of another type or value.
        """
        if isinstance(content, Mapping) and "model" in content:
            model = from_plain(ModelConfig, content["model"])
            content = {**content, "model": model}
        # Earlier versions had one variant, and did not store its name.
        return from_plain(cls, content)


def from_plain(kind: type[_Config], content: Any) -> _Config:
    """Creates a configuration from plain data such as JSON, and checks its types.

    Args:
        kind: The dataclass.
        content: The values by field name. Fields with a default may be missing.

    Raises:
        ValueError: A field is missing, unknown, or of another type or value. The
            message names the field, the given value and the allowed ones.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"expected the fields of {kind.__name__}, got {content!r:.80}")
    types = get_type_hints(kind)
    known = {field.name: field for field in fields(cast(Any, kind))}
    for name in content:
        if name not in known:
            raise ValueError(f"{name}: unknown field; was a newer version used?")
    values = {}
    for name, field in known.items():
        if name in content:
            values[name] = _of_type(name, content[name], types[name])
        elif field.default is MISSING:
            raise ValueError(f"{name}: missing")
    return kind(**values)


def _of_type(name: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        if not isinstance(value, (list, tuple)) or len(value) != len(parts):
            raise ValueError(f"{name} {value!r:.80}: expected {len(parts)} numbers")
        return tuple(map(_of_type, [name] * len(parts), value, parts))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and number and isfinite(value):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} {value!r:.80}: expected {kind.__name__}")
    return value


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises a ValueError unless a value is one of those that are allowed."""
    if value not in allowed:
        raise ValueError(f"{name} {value!r}: allowed are {', '.join(allowed)}")


def _between(least: int, most: int, name: str, value: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} {value}: must be from {least} to {most}")


def _at_least(least: int, name: str, value: float) -> None:
    if value < least:
        raise ValueError(f"{name} {value}: must be at least {least}")
