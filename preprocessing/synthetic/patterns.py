"""Patterns of garments, as functions of the place on the body."""

import numpy as np

from preprocessing.synthetic.backgrounds import Colour


def paint_garment(
    colours: tuple[Colour, ...],
    pattern: str,
    azimuth: np.ndarray,
    level: np.ndarray,
) -> np.ndarray:
    """Returns the colours of places on a garment.

    Args:
        colours: Main, second and third colour, RGB 0-255.
        pattern: One of `looks.PATTERNS`, or "hem".
        azimuth: float [m], radians towards the person's left; 0 is the front.
        level: float [m], 0 at the top (the neck) and 1 at the lower end (the hips).

    Returns:
        float [m, 3].
    """
    palette = np.array(colours, float)
    return palette[_index(pattern, azimuth, level)]


def _index(pattern, azimuth, level):
    if pattern == "stripes":
        return (np.floor(level * 9) % 2).astype(int)
    if pattern == "pinstripes":
        return (np.floor(azimuth * 3.4) % 3 == 0).astype(int)
    if pattern == "checks":
        across, down = azimuth * 2.6 % 1 < 0.35, level * 5 % 1 < 0.35
        return across.astype(int) + down.astype(int)
    if pattern == "dots":
        row = np.floor(level * 6)
        across = (azimuth * 2.2 + 0.5 * (row % 2)) % 1 - 0.5
        down = level * 6 % 1 - 0.5
        return (across**2 + down**2 < 0.09).astype(int)
    if pattern == "band":
        return ((level > 0.34) & (level < 0.58)).astype(int)
    if pattern == "yoke":
        return (level < 0.38).astype(int)
    if pattern == "hem":
        return (level > 0.8).astype(int)
    if pattern == "halves":
        return (np.sin(azimuth) > 0).astype(int)
    forward, sideways = np.cos(azimuth) > 0, np.abs(np.sin(azimuth))
    if pattern == "open jacket":
        return (forward & (sideways < 0.34)).astype(int)
    if pattern == "print":
        here = (level > 0.22) & (level < 0.5) & (sideways < 0.42)
        inner = (level > 0.29) & (level < 0.43) & (sideways < 0.25)
        return (forward & here).astype(int) + (forward & inner)
    return np.zeros(len(level), int)
