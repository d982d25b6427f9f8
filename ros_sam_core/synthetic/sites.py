"""Things that stand still: tanks, courts, diamonds, running tracks, piers, bridges, and any other blob."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import Polygon

from ros_sam_core.synthetic.canvas import Colour
from ros_sam_core.synthetic.coverage import Ring
from ros_sam_core.synthetic.sprites import Layer, Sprite, disc, ellipse, merge, mix, rectangle, stroke, vary

_WHITE: Colour = (0.92, 0.92, 0.9)
_CLAY: Colour = (0.62, 0.33, 0.25)
_SAND: Colour = (0.72, 0.6, 0.44)
_GRASS: Colour = (0.3, 0.4, 0.2)
_HARD: tuple[Colour, ...] = (
    (0.35, 0.38, 0.6), (0.25, 0.42, 0.35), (0.55, 0.28, 0.25), (0.45, 0.46, 0.45), (0.36, 0.42, 0.3),
    (0.3, 0.45, 0.55),
)  # fmt: skip


def storage_tank(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw a tank of diameter 1 with a cone or a floating roof, leaning a little off nadir."""
    paint = vary(rng, _WHITE if rng.random() < 0.7 else (0.55, 0.55, 0.5), 0.06)
    lean = rng.normal(0, 0.05, 2)
    foot, roof = disc(-lean, 0.5, 64), disc(lean, 0.5, 64)
    outline = Polygon(shapely.MultiPoint(np.concatenate([foot, roof])).convex_hull.exterior)
    wall = mix(paint, (0.3, 0.3, 0.3), rng.uniform(0.1, 0.6))
    layers = [Layer((roof,), paint)]
    to_sun = -np.asarray(sun)
    if rng.random() < 0.3:
        floor = mix(paint, (0.4, 0.4, 0.4), rng.uniform(0, 0.6))
        layers.append(Layer((disc(lean, 0.46, 48),), mix(floor, (0, 0, 0), 0.5)))
        inner = Polygon(disc(lean, 0.46, 48)).intersection(
            Polygon(disc(lean - to_sun * rng.uniform(0.03, 0.2), 0.46, 48))
        )
        layers.append(Layer((np.asarray(inner.exterior.coords),), floor))
    else:
        angle = np.arctan2(to_sun[1], to_sun[0])
        depth = rng.uniform(0.0, 0.25)
        for number in range(16):
            turn = angle + np.array([number, number + 1]) * np.pi / 8
            wedge = np.concatenate([[lean], lean + 0.5 * np.stack([np.cos(turn), np.sin(turn)], 1)])
            light = depth * np.cos(turn.mean() - angle)
            layers.append(
                Layer((wedge,), mix(paint, (1, 1, 1) if light > 0 else (0.2, 0.2, 0.25), abs(light)), 0.8)
            )
    rim = tuple(stroke(disc(lean, 0.485, 32)[[*range(32), 0]], 0.02))
    layers.append(Layer(rim, mix(paint, (0.35, 0.35, 0.35), rng.uniform(0, 0.7)), 0.7))
    if rng.random() < 0.5:
        turn = rng.uniform(0, 2 * np.pi)
        stair = stroke([tuple(lean), tuple(lean + 0.48 * np.array([np.cos(turn), np.sin(turn)]))], 0.02)
        layers.append(Layer(tuple(stair), (0.45, 0.45, 0.45), 0.7))
    return Sprite(
        "storage_tank", outline, wall, tuple(layers), rng.uniform(0.05, 0.5), mottle=rng.uniform(0.01, 0.04)
    )


def court(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw a tennis or basketball court of length 1 with its lines."""
    del sun
    tennis = rng.random() < 0.6
    half = rng.uniform(0.22, 0.27) if tennis else rng.uniform(0.26, 0.32)
    paint = vary(rng, _HARD[rng.integers(len(_HARD))])
    line = rng.uniform(0.005, 0.012)
    layers = []
    edge = 0.5 - line / 2, half - line / 2
    paths: list[list[tuple[float, float]]] = [
        [
            (-edge[0], -edge[1]),
            (edge[0], -edge[1]),
            (edge[0], edge[1]),
            (-edge[0], edge[1]),
            (-edge[0], -edge[1]),
        ],
        [(0, -half), (0, half)],
    ]
    if tennis:
        alley = half * 0.75
        paths += [[(-0.5, s * alley), (0.5, s * alley)] for s in (-1, 1)]
        paths += [[(s * 0.27, -alley), (s * 0.27, alley)] for s in (-1, 1)] + [[(-0.27, 0), (0.27, 0)]]
        if rng.random() < 0.6:
            layers.append(Layer((rectangle(-0.01, -half, 0.02, half),), (0.1, 0.1, 0.1), 0.5))
    else:
        arc = np.linspace(-np.pi / 2, np.pi / 2, 12)
        for side in (-1, 1):
            key = rectangle(side * 0.5, -0.09, side * 0.3, 0.09)
            layers.append(Layer((key,), vary(rng, _HARD[rng.integers(len(_HARD))]), float(rng.integers(2))))
            curve = np.stack(
                [side * (0.46 - 0.24 * np.cos(arc)), np.minimum(0.24, half * 0.9) * np.sin(arc)], 1
            )
            paths += [[(float(x), float(y)) for x, y in curve], [(side * 0.3, -0.09), (side * 0.3, 0.09)]]
        circle = ellipse(0, 0, 0.07, 0.07, 13)
        paths.append([(float(x), float(y)) for x, y in circle] + [(float(circle[0, 0]), float(circle[0, 1]))])
    rings = [ring for path in paths for ring in stroke(path, line)]
    layers.append(Layer(tuple(rings), _WHITE, rng.uniform(0.3, 0.9)))
    name = "tennis_court" if tennis else "basketball_court"
    return Sprite(
        name, Polygon(rectangle(-0.5, -half, 0.5, half)), paint, tuple(layers), mottle=rng.uniform(0.01, 0.05)
    )


def diamond(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw the infield of a baseball diamond: a fan of dirt, sometimes with grass inside."""
    del sun
    angle = np.linspace(-np.pi / 4, np.pi / 4, 16) * rng.uniform(0.95, 1.2)
    bulge = rng.uniform(0.85, 1.0)
    radius = bulge + (1 - bulge) * np.cos(2 * angle)
    fan = np.concatenate(
        [[(-0.05, 0.04), (-0.05, -0.04)], np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)]
    )
    outline = Polygon(fan).buffer(0.06, quad_segs=4)
    dirt = vary(rng, _SAND if rng.random() < 0.7 else _CLAY, 0.06)
    layers = []
    if rng.random() < 0.6:
        size = rng.uniform(0.5, 0.62)
        square = np.array(
            [(0.08, 0.0), (0.08 + size / 2, size / 2), (0.08 + size, 0.0), (0.08 + size / 2, -size / 2)]
        )
        layers.append(Layer((square,), vary(rng, _GRASS)))
        layers.append(Layer((ellipse(0.08 + size / 2, 0, 0.06, 0.06, 16),), dirt))
        layers.append(Layer((ellipse(0.04, 0, 0.1, 0.1, 16),), dirt))
    else:
        layers.append(Layer((ellipse(0.4, 0, 0.1, 0.1, 16),), mix(dirt, (0.4, 0.3, 0.2), 0.4), 0.5))
    for side in (-1, 1):
        if rng.random() < 0.6:
            layers.append(Layer(tuple(stroke([(0, 0), (0.75, side * 0.75)], 0.01)), _WHITE, 0.6))
    return Sprite(
        "baseball_diamond", Polygon(outline.exterior), dirt, tuple(layers), mottle=rng.uniform(0.02, 0.06)
    )


def running_track(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw an athletics track of length 1 with the field inside it."""
    del sun
    radius = rng.uniform(0.22, 0.29)
    straight = shapely.LineString([(-0.5 + radius, 0), (0.5 - radius, 0)])
    outline = straight.buffer(radius, quad_segs=16)
    wide = rng.uniform(0.04, 0.075)
    inner = straight.buffer(radius - wide, quad_segs=16)
    paint = vary(rng, [_CLAY, _CLAY, (0.3, 0.3, 0.33), (0.35, 0.4, 0.55)][rng.integers(4)])
    grass = vary(rng, _GRASS if rng.random() < 0.8 else _SAND)
    layers = []
    for lane in np.linspace(0.15, 0.85, 5):
        ring = straight.buffer(radius - wide * lane, quad_segs=8)
        layers.append(Layer(tuple(stroke(np.asarray(ring.exterior.coords), 0.003)), _WHITE, 0.35))
    layers.append(Layer((np.asarray(inner.exterior.coords),), grass))
    reach, half = 0.5 - radius, (radius - wide) * 0.85
    if rng.random() < 0.7:
        bands = tuple(
            rectangle(x, -half, x + reach / 5, half) for x in np.arange(-reach, reach - 0.01, reach / 2.5)
        )
        layers.append(Layer(bands, mix(grass, (0.5, 0.6, 0.35), 0.3), 0.6))
        marks = [(-reach, -half), (reach, -half), (reach, half), (-reach, half), (-reach, -half)]
        layers.append(Layer((*stroke(marks, 0.006), *stroke([(0, -half), (0, half)], 0.006)), _WHITE, 0.7))
    return Sprite(
        "ground_track_field", Polygon(outline.exterior), paint, tuple(layers), mottle=rng.uniform(0.01, 0.05)
    )


def pier(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw a pier of length 1, with or without fingers, that leads from x = -0.5 into the water."""
    del sun
    width = rng.uniform(0.02, 0.09)
    rings = [rectangle(-0.5, -width / 2, 0.5, width / 2)]
    if rng.random() < 0.6:
        reach = rng.uniform(0.08, 0.3)
        for x in np.arange(-0.4, 0.5, rng.uniform(0.08, 0.2)):
            rings.append(rectangle(x, -reach, min(x + width * 0.5, 0.5), reach if rng.random() < 0.8 else 0))
    paint = vary(rng, [(0.66, 0.64, 0.6), (0.5, 0.45, 0.38), (0.78, 0.78, 0.76)][rng.integers(3)])
    planks = tuple(rectangle(x, -0.4, x + 0.004, 0.4) for x in np.linspace(-0.48, 0.48, 24))
    layers = (Layer(planks, mix(paint, (0.2, 0.2, 0.2), 0.6), 0.4),)
    return Sprite("harbor", merge(rings), paint, layers, rng.uniform(0.005, 0.03), mottle=0.03)


def bridge(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw a bridge deck of length 1 with lanes."""
    del sun
    half = rng.uniform(0.03, 0.1)
    paint = vary(rng, [(0.45, 0.45, 0.46), (0.62, 0.6, 0.56), (0.35, 0.35, 0.37)][rng.integers(3)])
    rails = tuple(rectangle(-0.5, s * half - 0.008, 0.5, s * half + 0.008) for s in (-1, 1))
    dashes = tuple(rectangle(x, -0.003, x + 0.025, 0.003) for x in np.arange(-0.5, 0.5, 0.06))
    layers = (Layer(rails, mix(paint, (0.9, 0.9, 0.88), 0.6)), Layer(dashes, _WHITE, 0.7))
    return Sprite(
        "bridge",
        Polygon(rectangle(-0.5, -half, 0.5, half)),
        paint,
        layers,
        half * rng.uniform(0.4, 1.5),
        mottle=0.03,
    )


def blob(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw any shape at all, smooth or cornered, in any colours."""
    kind = rng.integers(4)
    if kind == 0:
        ring = _smooth(rng)
    elif kind == 1:
        count = int(rng.integers(3, 9))
        turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
        turn = (turn + np.sort(rng.uniform(0, 2 * np.pi, count))) / 2
        ring = np.stack([np.cos(turn), np.sin(turn)], 1) * rng.uniform(0.25, 0.5, (count, 1))
    elif kind == 2:
        wide = rng.uniform(0.15, 0.5)
        bar = rectangle(-0.5, -wide, 0.5, wide * rng.uniform(-0.5, 1))
        stem = rectangle(-0.5, -wide, rng.uniform(-0.3, 0.4), wide)
        ring = np.asarray(merge([bar, stem]).exterior.coords)
    else:
        ring = ellipse(0, 0, 0.5, rng.uniform(0.12, 0.5), 40)
    outline = merge([ring * (1.0, rng.uniform(0.4, 1.0))])
    light = rng.uniform(0.1, 0.9)
    paint = vary(rng, (light, light, light), 0.12)
    layers = []
    for _ in range(int(rng.integers(0, 5))):
        centre = rng.uniform(-0.4, 0.4, 2)
        part = (
            _smooth(rng) * rng.uniform(0.2, 0.8) + centre
            if rng.random() < 0.5
            else rectangle(float(centre[0]), float(centre[1]), 0.5, 0.5)
        )
        layers.append(Layer((part,), vary(rng, paint, 0.15), rng.uniform(0.3, 1)))
    if rng.random() < 0.3:
        half = rectangle(-1, 0, 1, 1 if sun[1] > 0 else -1)
        layers.append(Layer((half,), mix(paint, (0.1, 0.1, 0.1), rng.uniform(0.1, 0.5)), 0.8))
    height = rng.uniform(0.02, 0.3) if rng.random() < 0.6 else 0.0
    return Sprite("object", outline, paint, tuple(layers), height, mottle=rng.uniform(0.0, 0.08))


def _smooth(rng: np.random.Generator) -> Ring:
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = np.ones_like(turn)
    for order in range(1, 6):
        radius += rng.normal(0, 0.35 / order**1.2) * np.cos(order * turn + rng.uniform(0, 2 * np.pi))
    radius = np.clip(radius, 0.35, None)
    radius *= 0.45 / radius.max()
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1)
