"""The settings of a data set."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Settings of a data set, kept in the manifest.

    Attributes:
        source: Name of the source.
        image_size: Height and width in pixels.
        pairs, test_pairs: `all`, `torso`, `listed` (as the source itself lists them)
            or the path of a list.
        num_test_pairs: Number of test pairs to draw; None for all.
        max_pairs_per_identity: Largest number of pairs of an identity, or None.
        min_pose_distance: Pairs whose poses are nearer are left out; the mean
            distance of keypoints, as a share of the image's height.
        test_fraction: Fraction of identities to hold out if the source has no split.
        images_per_shard: About how many images a shard holds.
        seed: Seed of the split and of drawn pairs.
        fit: Treatment of images of another size; see `framing.fit`.
        person: Choice among several people; see `detections.choose`.
        min_confidence: Keypoints with a lower confidence count as missing.
        pose_size: Height and width of the images that the poses were found in, if
            these are other images.
        options: Options of the source.
    """

    source: str
    image_size: tuple[int, int]
    pairs: str = "all"
    test_pairs: str = "all"
    num_test_pairs: int | None = None
    max_pairs_per_identity: int | None = None
    min_pose_distance: float = 0.0
    test_fraction: float = 0.1
    images_per_shard: int = 1024
    seed: int = 0
    fit: str = "pad"
    person: str = "confident"
    min_confidence: float = 0.0
    pose_size: tuple[int, int] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Returns the settings as a JSON object."""
        return json.loads(json.dumps(asdict(self)))
