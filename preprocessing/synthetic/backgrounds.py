"""Plain backgrounds for drawn people, at any size."""

from dataclasses import dataclass

import cv2
import numpy as np

Colour = tuple[int, ...]
KINDS = ("plain", "studio", "room", "blocks", "street")


@dataclass(frozen=True)
class Background:
    """A background that can be painted at any size.

    Attributes:
        kind: "plain" (the first colour only), "studio" (gradient from the first
            colour to the second), "room" (wall and floor), "blocks" (blurred
            rectangles) or "street" (the same above a floor).
        colours: RGB 0-255: wall, floor or gradient's end, then the blocks'.
        horizon: Where the floor begins, as a fraction of the height.
        blocks: Left, top, right, bottom of each block, as fractions of the size.
    """

    kind: str
    colours: tuple[Colour, ...]
    horizon: float = 0.8
    blocks: tuple[tuple[float, ...], ...] = ()


def random_background(rng: np.random.Generator) -> Background:
    """Returns a random background of any of `KINDS`."""
    kind = KINDS[rng.choice(len(KINDS), p=(0.06, 0.32, 0.3, 0.12, 0.2))]
    count = int(rng.integers(3, 7)) if kind in ("blocks", "street") else 0
    wall = rng.uniform(90, 235) + rng.normal(0, 7, 3)
    floor = wall * rng.uniform(0.6, 0.95) + rng.normal(0, 6, 3)
    inner = [wall * rng.uniform(0.7, 1.25) + rng.normal(0, 10, 3) for _ in range(count)]
    colours = np.clip(np.rint([wall, floor, *inner]), 0, 255).astype(int)
    blocks = []
    for _ in range(count):
        left, top = rng.uniform(-0.1, 0.9), rng.uniform(-0.1, 0.6)
        wide, tall = rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.6)
        blocks.append((left, top, left + wide, top + tall))
    return Background(
        kind=kind,
        colours=tuple(tuple(map(int, colour)) for colour in colours),
        horizon=float(rng.uniform(0.68, 0.86)),
        blocks=tuple(tuple(map(float, block)) for block in blocks),
    )


def paint_background(background: Background, *, size: tuple[int, int]) -> np.ndarray:
    """Returns the background, uint8 [height, width, 3] RGB, for a size (h, w)."""
    height, width = size
    wall, floor = np.array([background.colours[0], background.colours[-1]], float)
    if len(background.colours) > 1:
        floor = np.array(background.colours[1], float)
    picture: np.ndarray = np.empty((height, width, 3), np.float32)
    picture[:] = wall
    down = (np.arange(height, dtype=np.float32)[:, None, None] + 0.5) / height
    if background.kind == "studio":
        picture += (floor - wall).astype(np.float32) * down**2
    for colour, block in zip(background.colours[2:], background.blocks, strict=True):
        left, top, right, bottom = np.rint(
            np.multiply(block, (width, height) * 2)
        ).astype(int)
        picture[max(top, 0) : bottom, max(left, 0) : right] = colour
    if background.blocks:
        picture = cv2.GaussianBlur(picture, (0, 0), max(0.02 * height, 0.5))
    if background.kind in ("room", "street"):
        # The floor's edge is blended over about a pixel so that sizes agree.
        mix = np.clip((down - background.horizon) * height + 0.5, 0, 1)
        lit = floor.astype(np.float32) * (0.88 + 0.2 * down)
        picture += mix * (lit - picture)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
