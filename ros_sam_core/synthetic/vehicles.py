"""Cars, vans, trucks, buses and trains."""

from __future__ import annotations

import numpy as np
import shapely
import shapely.ops
from shapely.geometry import LineString, Polygon

from ros_sam_core.synthetic.canvas import Colour, Points
from ros_sam_core.synthetic.coverage import Ring
from ros_sam_core.synthetic.sprites import Layer, Sprite, merge, mix, rectangle, stroke, vary

_PAINTS: tuple[Colour, ...] = (
    (0.93, 0.93, 0.93), (0.93, 0.93, 0.93), (0.9, 0.9, 0.9), (0.72, 0.73, 0.75), (0.5, 0.51, 0.53),
    (0.3, 0.31, 0.33), (0.1, 0.1, 0.11), (0.13, 0.14, 0.16), (0.6, 0.12, 0.12), (0.15, 0.25, 0.5),
    (0.35, 0.5, 0.62), (0.55, 0.48, 0.38), (0.2, 0.35, 0.28), (0.9, 0.75, 0.2), (0.85, 0.4, 0.15),
)  # fmt: skip
_GLASS: Colour = (0.1, 0.12, 0.15)


def vehicle(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw a road vehicle of length 1, front at x = 0.5; `sun` is where shadows fall in its frame."""
    kind = str(rng.choice(["car", "pickup", "bus", "truck"], p=[0.66, 0.1, 0.1, 0.14]))
    paint = vary(rng, _PAINTS[rng.integers(len(_PAINTS))], 0.03)
    if kind == "bus":
        half = rng.uniform(0.1, 0.16)
        outline, layers = Polygon(_rounded(-0.5, 0.5, half, 0.03)), _bus(rng, half, paint)
    elif kind == "truck":
        half = rng.uniform(0.11, 0.17)
        outline, layers = _truck(rng, half, paint)
    else:
        half = rng.uniform(0.19, 0.24)
        outline, layers = Polygon(_body(rng, half)), _car(rng, half, paint, kind == "pickup")
    shade = np.sign(sun[1]) * half
    low, high = sorted((shade * 0.55, shade * 1.1))
    layers.append(Layer((rectangle(-0.5, low, 0.5, high),), (0.08, 0.08, 0.1), rng.uniform(0.1, 0.4)))
    height = rng.uniform(0.1, 0.45) * (1.0 if kind in ("car", "pickup") else 0.6)
    return Sprite("vehicle", outline, paint, tuple(layers), height, mottle=rng.uniform(0.0, 0.025))


def train(rng: np.random.Generator, path: Points, width: float) -> Sprite:
    """Draw a train along a path.

    Args:
        rng: source of randomness.
        path: its centre line, float64 [N, 2], in the sprite's frame.
        width: across, same unit.

    Returns:
        A sprite of class "train": locomotive and wagons as one outline.
    """
    line = LineString(path)
    wagon = width * rng.uniform(5.0, 8.0)
    count = max(int(line.length // wagon), 1)
    outline = line.buffer(width / 2, cap_style="flat", join_style="round", quad_segs=4)
    same = rng.random() < 0.6
    first = vary(rng, _PAINTS[rng.integers(len(_PAINTS))])
    layers: list[Layer] = []
    for number in range(count):
        ends = np.array([number, number + 1]) * line.length / count
        colour = first if same else vary(rng, _PAINTS[rng.integers(len(_PAINTS))])
        body = shapely.ops.substring(line, ends[0] + width * 0.08, ends[1] - width * 0.08)
        roof = body.buffer(width * 0.25, cap_style="flat")
        rings = tuple(
            np.asarray(shape.exterior.coords) for shape in (body.buffer(width * 0.6, cap_style="flat"), roof)
        )
        layers.append(Layer(rings[:1], vary(rng, colour, 0.02)))
        layers.append(Layer(rings[1:], mix(colour, (0.95, 0.95, 0.95), rng.uniform(0, 0.4)), 0.7))
    return Sprite(
        "train", Polygon(outline.exterior), (0.08, 0.08, 0.08), tuple(layers), width * 0.8, mottle=0.03
    )


def _rounded(back: float, front: float, half: float, radius: float) -> Ring:
    inner = shapely.box(back + radius, -half + radius, front - radius, half - radius)
    return np.asarray(inner.buffer(radius, quad_segs=3).exterior.coords)


def _body(rng: np.random.Generator, half: float) -> Ring:
    """Return a car's outline: nearly a rectangle, its ends bowed and its corners round."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    power = 2 / rng.uniform(3.5, 6.5)
    x = 0.5 * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
    y = half * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power
    return np.stack([x, y * (1 - rng.uniform(0, 0.12) * (x + 0.1))], axis=1)


def _car(rng: np.random.Generator, half: float, paint: Colour, pickup: bool) -> list[Layer]:
    wide = half * 0.84
    front, slope = rng.uniform(0.1, 0.24), rng.uniform(0.09, 0.15)
    back = -0.12 if pickup else rng.uniform(-0.45, -0.28)
    shine, clear = mix(paint, (1, 1, 1), rng.uniform(0, 0.3)), rng.uniform(0.6, 0.98)
    high = wide * rng.uniform(0.72, 0.84)
    cabin = np.array([(front, -wide), (front, wide), (back, wide), (back, -wide)])
    rear = back + slope * (0.4 if pickup else 0.8)
    roof = np.array([(front - slope, -high), (front - slope, high), (rear, high), (rear, -high)])
    pillars = [
        ring
        for side in (-1, 1)
        for ring in stroke([(front, side * wide), (front - slope, side * high)], 0.02)
    ]
    pillars += [
        ring for side in (-1, 1) for ring in stroke([(back, side * wide), (rear, side * high)], 0.025)
    ]
    glint = rectangle(front + 0.02, -half * 0.5, 0.46, half * rng.uniform(-0.3, 0.4))
    layers = [
        Layer((rectangle(front, -half, 0.5, half),), shine, 0.5),
        Layer((glint,), mix(paint, (1, 1, 1), 0.5), rng.uniform(0, 0.5)),
        Layer((cabin,), _GLASS, clear),
        Layer((*pillars, roof), shine),
        Layer(
            (rectangle(rear, -high * 0.3, front - slope, high * 0.5),),
            mix(shine, (1, 1, 1), 0.4),
            rng.uniform(0, 0.5),
        ),
    ]
    if pickup:
        bed = rectangle(-0.46, -half * 0.8, back - 0.03, half * 0.8)
        layers.append(Layer((bed,), mix(paint, (0.12, 0.12, 0.12), rng.uniform(0.4, 0.95))))
    elif rng.random() < 0.3:
        layers.append(Layer((rectangle(rear + 0.05, -high * 0.6, rear + 0.2, high * 0.6),), _GLASS, 0.6))
    lamps = tuple(rectangle(0.44, y - 0.03, 0.52, y + 0.03) for y in (-half * 0.7, half * 0.7))
    return [*layers, Layer(lamps, (0.95, 0.95, 0.92), rng.uniform(0, 0.8))]


def _bus(rng: np.random.Generator, half: float, paint: Colour) -> list[Layer]:
    units = tuple(rectangle(x, -half * 0.4, x + 0.1, half * 0.4) for x in rng.uniform(-0.4, 0.3, 2))
    stripe = rectangle(-0.5, -half, 0.5, -half * 0.75)
    return [
        Layer((stripe,), vary(rng, _PAINTS[rng.integers(len(_PAINTS))])),
        Layer(units, mix(paint, (0.5, 0.5, 0.52), rng.uniform(0.3, 0.9))),
        Layer((rectangle(0.46, -half, 0.5, half),), _GLASS, 0.8),
    ]


def _truck(rng: np.random.Generator, half: float, paint: Colour) -> tuple[Polygon, list[Layer]]:
    gap = rng.uniform(0.22, 0.32)
    cab, load = _rounded(gap, 0.5, half * 0.95, 0.03), rectangle(-0.5, -half, gap - 0.03, half)
    outline = merge([cab, load, rectangle(gap - 0.06, -half * 0.5, gap + 0.06, half * 0.5)])
    cargo = vary(rng, _PAINTS[rng.integers(len(_PAINTS))])
    ribs = tuple(rectangle(x, -half, x + 0.012, half) for x in np.linspace(-0.45, gap - 0.1, 6))
    return outline, [
        Layer((rectangle(gap - 0.04, -half, gap + 0.01, half),), (0.1, 0.1, 0.1)),
        Layer((load,), cargo),
        Layer(ribs, mix(cargo, (0.3, 0.3, 0.3), 0.5), rng.uniform(0, 0.5)),
        Layer((rectangle(0.4, -half * 0.8, 0.45, half * 0.8),), _GLASS, 0.8),
        Layer((rectangle(gap + 0.03, -half * 0.7, 0.38, half * 0.7),), mix(paint, (1, 1, 1), 0.1)),
    ]
