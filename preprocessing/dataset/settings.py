"""What a data set is made with."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """What a data set is made with; the manifest keeps it.

    Attributes:
        source: name of the source.
        image_size: height and width in pixels.
        pairs, test_pairs: `all`, `torso`, `listed` (as the source itself lists them)
            or the path of a list.
        num_test_pairs: how many test pairs are drawn; None for all.
        max_pairs_per_identity: a cap; None for none.
        min_pose_distance: pairs whose poses are nearer are left out; the mean
            distance of keypoints, as a share of the image's height.
        test_fraction: share of identities held out where the source does not say.
        images_per_shard: about how many images a shard holds.
        seed: Seed of the split and of drawn pairs.
        fit: how images of another size come to `image_size`; see `fitting.fit`.
        person: who is meant where there are several; see `detections.choose`.
        min_confidence: keypoints with less count as not found.
        pose_size: height and width of the images that the poses were found in, where
            they are not the images at hand.
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
        """Returns them as they come back from a JSON file."""
        return json.loads(json.dumps(asdict(self)))
