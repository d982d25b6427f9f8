"""Ships and boats, and the wakes that they leave on the water."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from shapely.geometry import Polygon

from ros_sam_core.synthetic.canvas import Canvas, Colour
from ros_sam_core.synthetic.coverage import Ring
from ros_sam_core.synthetic.sprites import Layer, Pose, Sprite, ellipse, merge, mix, rectangle, vary

_PAINTS: tuple[Colour, ...] = (
    (0.55, 0.2, 0.16), (0.5, 0.28, 0.22), (0.25, 0.3, 0.36), (0.4, 0.42, 0.43), (0.2, 0.38, 0.3),
    (0.15, 0.22, 0.4), (0.68, 0.68, 0.66), (0.32, 0.22, 0.2), (0.75, 0.38, 0.2),
    (0.8, 0.8, 0.77), (0.6, 0.62, 0.6), (0.36, 0.37, 0.33), (0.45, 0.48, 0.55),
)  # fmt: skip
_BOXES: tuple[Colour, ...] = (
    (0.7, 0.25, 0.2), (0.2, 0.35, 0.6), (0.85, 0.85, 0.82), (0.25, 0.5, 0.35), (0.85, 0.55, 0.2),
    (0.4, 0.4, 0.42),
)  # fmt: skip
_WHITE: Colour = (0.92, 0.93, 0.93)


def ship(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw a ship of length 1, bow at x = 0.5: cargo, tanker, container, ferry, naval, barge or yacht."""
    kinds = ["cargo", "tanker", "container", "ferry", "yacht", "barge", "naval"]
    kind = str(rng.choice(kinds, p=[0.2, 0.15, 0.15, 0.1, 0.25, 0.05, 0.1]))
    if kind == "yacht":
        return yacht(rng, sun)
    beam = rng.uniform(0.06, 0.1) if kind != "naval" else rng.uniform(0.045, 0.065)
    bow = 0.04 if kind == "barge" else rng.uniform(0.1, 0.24) + (0.15 if kind == "naval" else 0)
    hull = _hull(beam, bow, rng.uniform(0.3, 1.2), rng.uniform(0.35, 0.95))
    grey: Colour = (0.5, 0.53, 0.55)
    paint = vary(rng, grey if kind == "naval" else _PAINTS[rng.integers(len(_PAINTS))])
    deck = vary(rng, mix(paint, _PAINTS[rng.integers(len(_PAINTS))], 0.0 if kind == "naval" else 0.6))
    layers = [Layer((_inset(hull, rng.uniform(0.008, 0.02)),), deck)]
    layers += _deck(rng, kind, beam, bow)
    layers.append(_clutter(rng, beam, 0.4 - bow))
    house = rng.uniform(-0.45, -0.32)
    if kind in ("cargo", "tanker", "container"):
        layers += _house(rng, house, house + rng.uniform(0.06, 0.11), beam * rng.uniform(0.7, 1.0), sun)
    return Sprite(
        "ship", Polygon(hull), paint, tuple(layers), rng.uniform(0.01, 0.06), mottle=rng.uniform(0.01, 0.06)
    )


def yacht(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw a small white boat of length 1, bow at x = 0.5."""
    beam = rng.uniform(0.11, 0.2)
    hull = _hull(beam, rng.uniform(0.35, 0.6), rng.uniform(0.7, 0.95), rng.uniform(0.5, 0.75))
    paint = vary(rng, _WHITE if rng.random() < 0.8 else _PAINTS[rng.integers(len(_PAINTS))])
    layers = []
    if rng.random() < 0.7:
        deck: Colour = (0.75, 0.66, 0.52) if rng.random() < 0.4 else (0.82, 0.84, 0.86)
        layers.append(
            Layer((rectangle(-0.46, -beam * 0.7, rng.uniform(-0.3, -0.1), beam * 0.7),), vary(rng, deck))
        )
    cabin = rng.uniform(-0.25, -0.1), rng.uniform(0.08, 0.25)
    layers.append(
        Layer(
            (rectangle(cabin[0], -beam * 0.65, cabin[1], beam * 0.65),), vary(rng, (0.95, 0.95, 0.95), 0.03)
        )
    )
    if rng.random() < 0.7:
        glass = cabin[1] - 0.02, cabin[1] + rng.uniform(0.03, 0.08)
        layers.append(
            Layer((rectangle(glass[0], -beam * 0.55, glass[1], beam * 0.55),), (0.15, 0.2, 0.28), 0.85)
        )
    if rng.random() < 0.25:
        cover: Colour = (0.15, 0.25, 0.5) if rng.random() < 0.6 else (0.35, 0.3, 0.25)
        layers.append(Layer((rectangle(-0.35, -beam * 0.6, cabin[0] + 0.05, beam * 0.6),), cover, 0.9))
    layers.append(
        Layer(
            (rectangle(-0.5, 0.4 * beam * np.sign(sun[1]), 0.5, 2 * beam * np.sign(sun[1])),),
            (0.3, 0.34, 0.4),
            0.25,
        )
    )
    return Sprite(
        "ship", Polygon(hull), paint, tuple(layers), rng.uniform(0.03, 0.12), mottle=rng.uniform(0.01, 0.04)
    )


def wake(canvas: Canvas, pose: Pose, rng: np.random.Generator, beam: float) -> None:
    """Paint the foam behind a ship of length 1 that stands in `pose`: not part of the object."""
    length, strength = rng.uniform(0.4, 2.5), rng.uniform(0.15, 0.6)
    foam: Colour = (0.82, 0.88, 0.88)
    steps = np.linspace(0, 1, 9)
    bow = rng.random() < 0.5
    for start, stop in pairwise(steps):
        near, far = -0.47 - length * start, -0.47 - length * stop
        wide = beam * (0.6 + 1.1 * np.array([start, stop])) * rng.uniform(0.8, 1.2)
        ring = np.array([(near, -wide[0]), (far, -wide[1]), (far, wide[1]), (near, wide[0])])
        canvas.paint([pose.apply(ring)], foam, float(strength * (1 - start) ** 1.5 * rng.uniform(0.7, 1.0)))
        if not bow:
            continue
        for side in (-1.0, 1.0):
            a, b = (
                np.array([0.4 - 1.3 * t * length, side * (beam * 0.8 + 0.35 * t * length)])
                for t in (start, stop)
            )
            thick = beam * (0.1 + 0.5 * start)
            crest = np.array([a, b, b - (thick, 0.0), a - (thick, 0.0)])
            canvas.paint([pose.apply(crest)], foam, float(0.6 * strength * (1 - start) ** 2))


def _hull(beam: float, bow: float, fullness: float, stern: float) -> Ring:
    """Return a hull: parallel sides, a bow that tapers, a stern that narrows to its share of the beam."""
    ahead = np.linspace(0, 1, 9)
    back = np.linspace(0, 1, 5)
    x = np.concatenate([-0.5 + 0.12 * back, 0.5 - bow + bow * ahead])
    y = np.concatenate(
        [beam * (stern + (1 - stern) * np.sin(back * np.pi / 2)), beam * (1 - ahead ** (1 + fullness))]
    )
    side = np.stack([x, y], axis=1)
    return np.concatenate([side, side[-2::-1] * (1.0, -1.0)])


def _inset(hull: Ring, by: float) -> Ring:
    inner = Polygon(hull).buffer(-by)
    return np.asarray(
        merge([np.asarray(part.exterior.coords) for part in getattr(inner, "geoms", [inner])]).exterior.coords
    )


def _deck(rng: np.random.Generator, kind: str, beam: float, bow: float) -> list[Layer]:
    first, last = -0.3, 0.47 - bow
    if kind == "container":
        xs, ys = np.linspace(first, last, int(rng.integers(6, 14))), np.linspace(-0.85 * beam, 0.85 * beam, 5)
        by_colour: dict[Colour, list[Ring]] = {}
        for a, b in pairwise(xs):
            for c, d in pairwise(ys):
                colour = _BOXES[rng.integers(len(_BOXES))]
                by_colour.setdefault(colour, []).append(rectangle(a, c, b - 0.006, d))
        return [Layer(tuple(rings), colour) for colour, rings in by_colour.items()]
    if kind == "cargo":
        xs = np.linspace(first, last, int(rng.integers(4, 8)))
        gap = (xs[1] - xs[0]) * rng.uniform(0.12, 0.35)
        hatch = vary(rng, _PAINTS[rng.integers(len(_PAINTS))])
        rings = [rectangle(a, -0.62 * beam, b - gap, 0.62 * beam) for a, b in pairwise(xs)]
        return [Layer(tuple(rings), hatch)]
    if kind == "tanker":
        pipe = rectangle(first, -0.08 * beam, last, 0.08 * beam)
        cross = [rectangle(x, -0.9 * beam, x + 0.01, 0.9 * beam) for x in rng.uniform(first, last, 4)]
        return [Layer((pipe,), (0.8, 0.8, 0.76), 0.8), Layer(tuple(cross), (0.3, 0.25, 0.24), 0.6)]
    if kind in ("ferry", "naval"):
        light: Colour = _WHITE if kind == "ferry" else (0.62, 0.65, 0.67)
        blocks = [rectangle(-0.4, -0.7 * beam, last - 0.05, 0.7 * beam)]
        blocks += [rectangle(x, -0.5 * beam, x + 0.08, 0.5 * beam) for x in rng.uniform(-0.35, last - 0.1, 3)]
        layers = [
            Layer((blocks[0],), vary(rng, light)),
            Layer(tuple(blocks[1:]), vary(rng, mix(light, (0.4, 0.4, 0.4), 0.4))),
        ]
        return [*layers, Layer((ellipse(-0.1, 0, 0.03, 0.3 * beam, 10),), (0.2, 0.2, 0.22))]
    inside = rectangle(-0.46, -0.85 * beam, 0.44, 0.85 * beam)
    return [Layer((inside,), vary(rng, (0.4, 0.36, 0.3), 0.1))]


def _clutter(rng: np.random.Generator, beam: float, front: float) -> Layer:
    """Paint the small light things that stand all over a deck."""
    spots = rng.uniform((-0.42, -0.8 * beam), (front, 0.8 * beam), (int(rng.integers(0, 25)), 2))
    size = rng.uniform(0.004, 0.02, len(spots))
    rings = tuple(rectangle(x, y, x + half, y + half) for (x, y), half in zip(spots, size, strict=True))
    return Layer(rings, (0.9, 0.9, 0.88) if rng.random() < 0.7 else (0.15, 0.15, 0.16), rng.uniform(0.3, 0.9))


def _house(
    rng: np.random.Generator, back: float, front: float, half: float, sun: tuple[float, float]
) -> list[Layer]:
    """Paint a superstructure with its shadow on the deck and a funnel."""
    shadow = rectangle(back, -half, front, half) + np.asarray(sun) * 0.03
    funnel = ellipse(back + 0.02, 0, 0.015, half * 0.3, 8)
    return [
        Layer((shadow,), (0.1, 0.1, 0.12), 0.5),
        Layer((rectangle(back, -half, front, half),), vary(rng, _WHITE, 0.03)),
        Layer((rectangle(front - 0.015, -half, front, half),), (0.3, 0.35, 0.4), 0.5),
        Layer((funnel,), _BOXES[rng.integers(len(_BOXES))]),
    ]
