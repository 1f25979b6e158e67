"""Shapes on an enlarged canvas: limbs, patterned tubes, patterned ellipsoids."""

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from preprocessing.synthetic.skeleton import flatten

Colour = tuple[int, ...]

_EDGE = 0.0045
_EDGE_SHADE = 0.68
_FRACTION_BITS = 4
_HALF_CIRCLE = np.stack(
    [np.cos(np.linspace(0, np.pi, 11)), np.sin(np.linspace(0, np.pi, 11))], axis=1
)


class Segment(NamedTuple):
    """A tapered piece of a limb: ends in canvas pixels, radii in body heights."""

    start: np.ndarray
    end: np.ndarray
    start_radius: float
    end_radius: float
    colour: Colour


class Canvas:
    """A picture at several times its size, drawn on in body heights.

    Attributes:
        image: uint8 [height * factor, width * factor, 3].
        unit: Canvas pixels per body height.
    """

    def __init__(
        self, image: np.ndarray, *, factor: int, scale: float, origin: np.ndarray
    ):
        large = (image.shape[1] * factor, image.shape[0] * factor)
        self.image = cv2.resize(image, large, interpolation=cv2.INTER_NEAREST)
        self.unit = scale * factor
        # The centre of pixel 0 lies in the middle of its factor x factor block.
        self._origin = origin * factor + (factor - 1) / 2

    def at(self, place: np.ndarray) -> np.ndarray:
        """Returns where a place [3] in space lies on the canvas [2]."""
        return self._origin + self.unit * flatten(place)

    def limb(self, segments: list[Segment], *, shade: float = 1.0) -> None:
        """Draws segments as one limb with a darker edge around all of them."""
        for segment in segments:
            self._capsule(segment, shade=shade * _EDGE_SHADE, inset=0)
        for segment in segments:
            self._capsule(segment, shade=shade, inset=_EDGE)

    def disc(self, centre: np.ndarray, radius: float, colour: Colour) -> None:
        """Draws a disc; `radius` is in body heights."""
        ones = 1 << _FRACTION_BITS
        middle = [round(float(value) * ones) for value in centre]
        size = round(max(radius * self.unit, 0.5) * ones)
        cv2.circle(self.image, middle, size, colour, -1, cv2.LINE_8, _FRACTION_BITS)

    def line(
        self, start: np.ndarray, end: np.ndarray, width: float, colour: Colour
    ) -> None:
        """Draws a line of a width in body heights."""
        self._capsule(Segment(start, end, width / 2, width / 2, colour))

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        """Fills the polygon with these corners, [n, 2] in canvas pixels."""
        cv2.fillPoly(
            self.image, [_fixed(points)], colour, cv2.LINE_8, shift=_FRACTION_BITS
        )

    def band(
        self, segment: Segment, begin: float, end: float, *, shade: float = 1.0
    ) -> None:
        """Draws a ring across a segment, from fraction `begin` to `end` of it."""
        corners = []
        across = _across(segment.start, segment.end) * self.unit
        for side, order in ((1, (begin, end)), (-1, (end, begin))):
            for t in order:
                middle = segment.start + t * (segment.end - segment.start)
                radius = segment.start_radius * (1 - t) + segment.end_radius * t
                corners.append(middle + side * (radius - _EDGE) * across)
        colour = tuple(round(shade * channel) for channel in segment.colour)
        self.polygon(np.array(corners), colour)

    def shadow(self, centre: np.ndarray, width: float, height: float) -> None:
        """Darkens a soft ellipse; half width and half height in body heights."""
        half = np.array([width, height]) * self.unit
        ys, xs = self._box(centre - half, centre + half)
        distance = np.hypot((xs - centre[0]) / half[0], (ys - centre[1]) / half[1])
        light = 1 - 0.4 * np.clip(1 - distance, 0, 1)[:, None]
        self.image[ys, xs] = (light * self.image[ys, xs]).astype(np.uint8)

    def tube(
        self,
        top: np.ndarray,
        bottom: np.ndarray,
        levels: np.ndarray,
        *,
        yaw: float,
        paint: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        """Draws a body part that is round about its axis, with a pattern on it.

        Args:
            top: Canvas place [2] of level 0 of the axis.
            bottom: Canvas place of level 1.
            levels: float [n, 3]: level, and extents to both sides in canvas pixels.
            yaw: Turn of the part in degrees; 0 has its front to the viewer.
            paint: Maps azimuths (radians, towards the person's left; 0 is the front)
                and levels, both [m], to colours [m, 3].
        """
        axis, across = bottom - top, _across(top, bottom)
        spine = top + levels[:, :1] * axis
        outline = np.concatenate(
            [spine + levels[:, 1:2] * across, (spine + levels[:, 2:] * across)[::-1]]
        )
        ys, xs = self._inside(outline)
        right, down = xs - top[0], ys - top[1]
        level = (right * axis[0] + down * axis[1]) / (axis @ axis)
        low = np.interp(level, levels[:, 0], levels[:, 1])
        high = np.interp(level, levels[:, 0], levels[:, 2])
        side = 2 * (right * across[0] + down * across[1]) - low - high
        side = np.clip(side / np.maximum(high - low, 1e-3), -1, 1)
        angle = np.arcsin(side)
        light = 0.7 + 0.3 * (1 - side**2)[:, None] ** 0.25
        colours = light * paint(angle - np.radians(yaw), level)
        self.image[ys, xs] = colours.astype(np.uint8)

    def ellipsoid(
        self,
        centre: np.ndarray,
        frame: np.ndarray,
        radii: np.ndarray,
        *,
        paint: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    ) -> None:
        """Draws an ellipsoid around a canvas place.

        Args:
            centre: Canvas place [2].
            frame: Axes of the part in space, [3, 3].
            radii: Along the axes, in body heights.
            paint: Maps surface points [m, 3] (left, down, forward; a unit sphere) to
                colours [m, 3] and to which of them are drawn, bool [m].
        """
        reach = float(radii.max()) * self.unit
        ys, xs = self._box(centre - reach, centre + reach)
        flat = np.stack([xs - centre[0], ys - centre[1], np.zeros(len(xs))], axis=1)
        # On the ray p + depth * (0, 0, 1), the nearer point of the unit sphere.
        near = flat / self.unit @ frame / radii
        ray = frame[2] / radii
        slope, length = near @ ray, ray @ ray
        inner = slope**2 - length * ((near**2).sum(axis=1) - 1)
        hit = inner > 0
        depth = (-slope[hit] - np.sqrt(inner[hit])) / length
        surface = near[hit] + depth[:, None] * ray
        colours, drawn = paint(surface)
        light = 0.74 + 0.26 * np.sqrt(np.sqrt(inner[hit] / length) / radii.max())
        colours = (np.minimum(light, 1)[:, None] * colours)[drawn]
        self.image[ys[hit][drawn], xs[hit][drawn]] = colours.astype(np.uint8)

    def _capsule(self, segment: Segment, *, shade: float = 1, inset: float = 0) -> None:
        start, end, start_radius, end_radius, colour = segment
        across = _across(start, end)
        arc = _HALF_CIRCLE @ np.array([across, (-across[1], across[0])])
        # Thinner than this, a line could fall between the canvas pixels.
        radii = [
            max((radius - inset) * self.unit, 0.6)
            for radius in (start_radius, end_radius)
        ]
        outline = np.concatenate([end + radii[1] * arc, start - radii[0] * arc])
        self.polygon(outline, tuple(round(shade * channel) for channel in colour))

    def _inside(self, outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns rows and columns of the canvas pixels inside an outline [n, 2]."""
        height, width = self.image.shape[:2]
        low = np.clip(np.floor(outline.min(axis=0)), 0, (width - 1, height - 1))
        high = np.clip(np.ceil(outline.max(axis=0)), 0, (width - 1, height - 1))
        wide, tall = (high - low).astype(int) + 1
        mask = np.zeros((tall, wide), np.uint8)
        cv2.fillPoly(mask, [_fixed(outline - low)], 1, cv2.LINE_8, _FRACTION_BITS)
        ys, xs = np.nonzero(mask)
        return ys + int(low[1]), xs + int(low[0])

    def _box(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns rows and columns of the canvas pixels in a box."""
        height, width = self.image.shape[:2]
        left, right = np.clip([low[0], high[0] + 1], 0, width).astype(int)
        top, bottom = np.clip([low[1], high[1] + 1], 0, height).astype(int)
        ys, xs = np.mgrid[top:bottom, left:right]
        return ys.ravel(), xs.ravel()


def changed(image: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Returns where two pictures, uint8 [h, w, 3], differ, bool [h, w]."""
    return cv2.inRange(cv2.absdiff(image, before), (0, 0, 0), (0, 0, 0)) == 0


def _across(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Returns the unit vector to the right of a line that is seen running down."""
    right, down = (end - start).tolist()
    length = math.hypot(right, down)
    if length < 1e-6:
        return np.array([1.0, 0.0])
    return np.array([down / length, -right / length])


def _fixed(points: np.ndarray) -> np.ndarray:
    """Returns points as OpenCV's fixed-point coordinates, int32."""
    return np.rint(points * (1 << _FRACTION_BITS)).astype(np.int32)
