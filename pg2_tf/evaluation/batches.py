"""What is scored: batches of images beside their targets, masks and poses."""

from typing import Any, NamedTuple, Protocol

import numpy as np


class Batch(NamedTuple):
    """Images to score, and what they are held against.

    Attributes:
        images: what is scored, by name such as `coarse`: uint8 [B, H, W, 3] each.
        targets: uint8 [B, H, W, 3].
        masks: uint8 [B, H, W] of 0 and 1, or None where there are none.
        poses: of the targets, float32 [B, 18, 3], or None where they are not known.
    """

    images: dict[str, np.ndarray]
    targets: np.ndarray
    masks: np.ndarray | None
    poses: np.ndarray | None


class Scored(Protocol):
    """Images that can be scored, a batch at a time.

    Attributes:
        image_names: of the images in each batch, the model's last one last.
        has_masks, has_poses: whether batches have them.
        size: height and width of all images.
    """

    image_names: tuple[str, ...]
    has_masks: bool
    has_poses: bool
    size: tuple[int, int]

    def __len__(self) -> int:
        """Returns how many pairs there are."""

    def rows(self) -> list[dict[str, str]]:
        """Returns what names each pair, as columns of the table."""

    def batch(self, start: int, end: int) -> Batch:
        """Returns the pairs at positions `start` to `end`."""

    def describe(self) -> dict[str, Any]:
        """Returns what the images are, for the record; JSON that follows from them."""

    def sheet(self, positions: list[int]) -> np.ndarray:
        """Returns a picture of pairs, uint8 [.., .., 3]."""
