"""What an object looks like before it has a place: an outline of unit length, and layers of paint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.polygon import orient

from ros_sam_core.synthetic.canvas import Canvas, Colour, Points
from ros_sam_core.synthetic.coverage import FloatImage, Ring, bounds, coverage, rings_of, same_way

_LEAST_CONTRAST = 0.07
"""An object's mean colour differs at least this much from the ground's in one channel."""


@dataclass(frozen=True)
class Layer:
    """Paint inside an object: rings in the object's own frame, a colour, an opacity."""

    rings: tuple[Ring, ...]
    colour: Colour
    alpha: float = 1.0


@dataclass(frozen=True)
class Sprite:
    """An object in its own frame: x ahead, y to its right, in any unit.

    Attributes:
        class_name: the object's class.
        outline: the object, without its shadow and its wake.
        colour: the paint under the layers.
        layers: painted in order, cut by the outline.
        height: length of the shadow, same unit.
        lifted: the shadow is apart from the object.
        mottle: strength of the noise on the object, in 0..1.
    """

    class_name: str
    outline: Polygon
    colour: Colour
    layers: tuple[Layer, ...] = ()
    height: float = 0.0
    lifted: bool = False
    mottle: float = 0.02

    @property
    def extent(self) -> float:
        """The outline's longest side."""
        x0, y0, x1, y1 = self.outline.bounds
        return float(max(x1 - x0, y1 - y0))


@dataclass(frozen=True)
class Pose:
    """Where an object stands: centre in pixels, pixels a unit, angle of its x axis in radians."""

    x: float
    y: float
    scale: float
    angle: float

    def apply(self, points: Points) -> Points:
        """Move points of the object's frame, float64 [N, 2], to pixels."""
        turn = np.array([[np.cos(self.angle), np.sin(self.angle)], [-np.sin(self.angle), np.cos(self.angle)]])
        return np.asarray((points * self.scale) @ turn + (self.x, self.y), np.float64)

    def place(self, outline: Polygon) -> Polygon:
        """Move an outline to pixels."""
        return orient(shapely.transform(outline, self.apply))


def stamp(
    canvas: Canvas,
    sprite: Sprite,
    pose: Pose,
    *,
    contrast: float = 1.0,
    noise_at: tuple[int, int] = (0, 0),
) -> Polygon:
    """Paint an object, its outline's exact coverage being its opacity.

    Args:
        canvas: painted on.
        sprite: the object.
        pose: where it stands.
        contrast: 1 paints it as it is, 0 would hide it in what lies under it.
        noise_at: row and column of the canvas's noise that mottles the object.

    Returns:
        The outline in pixels, uncut by the canvas.
    """
    outline = pose.place(sprite.outline)
    rings = rings_of(outline)
    x0, y0, x1, y1 = bounds(rings, canvas.shape)
    if x1 <= x0 or y1 <= y0:
        return outline
    shape = (y1 - y0, x1 - x0)
    share = coverage(rings, shape, (x0, y0))[..., None]
    paint = np.empty((*shape, 3), np.float32)
    paint[:] = sprite.colour
    for layer in sprite.layers:
        _lay(paint, [pose.apply(ring) for ring in layer.rings], layer, (x0, y0))
    if sprite.mottle:
        paint += sprite.mottle * _patch(canvas.fine, noise_at, shape)[..., None]
    under = canvas.rgb[y0:y1, x0:x1]
    paint = _set_off(paint, under, share, contrast)
    under += share * (np.clip(paint, 0, 1) - under)
    return outline


def cast(canvas: Canvas, sprite: Sprite, pose: Pose) -> None:
    """Cast the object's shadow on the ground."""
    if sprite.height > 0:
        canvas.cast(rings_of(pose.place(sprite.outline)), sprite.height * pose.scale, lifted=sprite.lifted)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Ring:
    """Return the ring of an upright rectangle."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)


def ellipse(x: float, y: float, rx: float, ry: float, count: int = 24) -> Ring:
    """Return the ring of an ellipse."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def disc(centre: Points, radius: float, count: int = 24) -> Ring:
    """Return the ring of a circle around a point, float64 [2]."""
    return ellipse(float(centre[0]), float(centre[1]), radius, radius, count)


def stroke(points: Points | Sequence[tuple[float, float]], width: float) -> list[Ring]:
    """Return rings of the straight strokes along a path, one a segment."""
    path = np.asarray(points, np.float64)
    ahead = np.diff(path, axis=0)
    length = np.hypot(ahead[:, 0], ahead[:, 1])
    keep = length > 0
    side = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)[keep] / length[keep, None] * (width / 2)
    a, b = path[:-1][keep], path[1:][keep]
    return list(np.stack([a + side, b + side, b - side, a - side], axis=1))


def mirrored(ring: Ring) -> tuple[Ring, Ring]:
    """Return the ring and its mirror image across the x axis."""
    return ring, ring[::-1] * (1.0, -1.0)


def merge(rings: Sequence[Ring]) -> Polygon:
    """Unite rings into one outline; of parts that don't touch, the largest stays."""
    union = shapely.union_all([Polygon(ring).buffer(0) for ring in rings])
    if isinstance(union, MultiPolygon):
        union = max(union.geoms, key=lambda part: float(part.area))
    return Polygon(union.exterior)


def vary(rng: np.random.Generator, colour: Colour, amount: float = 0.05) -> Colour:
    """Return a colour near the given one: mostly lighter or darker, a little of another hue."""
    light = rng.normal(0, amount)
    red, green, blue = np.clip(np.asarray(colour) + light + rng.normal(0, amount / 3, 3), 0.01, 0.99)
    return float(red), float(green), float(blue)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return the colour between two, `share` of the way to the second."""
    return (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2]))


def _lay(paint: FloatImage, rings: Sequence[Ring], layer: Layer, origin: tuple[int, int]) -> None:
    local = [ring - origin for ring in rings]
    x0, y0, x1, y1 = bounds(local, paint.shape[:2])
    if x1 <= x0 or y1 <= y0:
        return
    part = paint[y0:y1, x0:x1]
    share = coverage(same_way(local), part.shape[:2], (x0, y0))[..., None] * layer.alpha
    part += share * (np.asarray(layer.colour, np.float32) - part)


def _set_off(paint: FloatImage, under: FloatImage, share: FloatImage, contrast: float) -> FloatImage:
    """Weaken an object's contrast to the ground, but keep the two apart by `_LEAST_CONTRAST`."""
    total = max(float(share.sum()), 1e-6)
    ground = (under * share).sum(axis=(0, 1)) / total
    apart = (paint * share).sum(axis=(0, 1)) / total - ground
    strength = float(np.abs(apart).max())
    if strength * contrast < _LEAST_CONTRAST:
        contrast = min(1.0, _LEAST_CONTRAST / max(strength, 1e-3))
        if strength < _LEAST_CONTRAST:
            away = -1.0 if ground.mean() > 0.5 else 1.0
            paint = paint + np.float32(away * (_LEAST_CONTRAST - strength))
    result: FloatImage = ground + np.float32(contrast) * (paint - ground)
    return result


def _patch(noise: FloatImage, at: tuple[int, int], shape: tuple[int, int]) -> FloatImage:
    row = min(at[0], max(noise.shape[0] - shape[0], 0))
    column = min(at[1], max(noise.shape[1] - shape[1], 0))
    return noise[row : row + shape[0], column : column + shape[1]]
