"""What stands or lies about and is no object: buildings, trees, forests, stains, specks, painted lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry import Polygon

from ros_sam_core.synthetic.canvas import Canvas, Colour, Points, frequencies, spectral_noise
from ros_sam_core.synthetic.coverage import Ring, rings_of
from ros_sam_core.synthetic.sprites import disc, ellipse, mix, rectangle, stroke, vary

_ROOFS: tuple[Colour, ...] = (
    (0.85, 0.85, 0.84), (0.65, 0.65, 0.65), (0.42, 0.42, 0.43), (0.3, 0.3, 0.32),
    (0.5, 0.3, 0.24), (0.55, 0.45, 0.38), (0.4, 0.5, 0.55), (0.93, 0.93, 0.92),
)  # fmt: skip
_CROWNS: tuple[Colour, ...] = ((0.15, 0.2, 0.12), (0.2, 0.27, 0.14), (0.24, 0.24, 0.15), (0.12, 0.17, 0.13))
_LINE: Colour = (0.85, 0.85, 0.82)
_YELLOW: Colour = (0.8, 0.65, 0.2)


def footprint(centre: tuple[float, float], length: float, width: float, angle: float) -> Ring:
    """Return the ring of a rectangle at any angle: corners 0 to 1 run along its length."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    ring = rectangle(-length / 2, -width / 2, length / 2, width / 2)
    return np.asarray(ring @ turn + centre, np.float64)


def raise_buildings(
    canvas: Canvas, rng: np.random.Generator, rings: Sequence[Ring], heights_px: Sequence[float]
) -> None:
    """Put up buildings on rectangles (see `footprint`): shadows first, then roofs.

    Args:
        canvas: painted on.
        rng: source of randomness.
        rings: four corners each.
        heights_px: lengths of their shadows.
    """
    for ring, height in zip(rings, heights_px, strict=True):
        canvas.cast(rings_of(shapely.geometry.polygon.orient(Polygon(ring))), height)
    canvas.settle()
    for ring in rings:
        colour = vary(rng, _ROOFS[rng.integers(len(_ROOFS))])
        draw = rng.random()
        if draw < 0.45:
            _gable_roof(canvas, rng, ring, colour)
        else:
            _flat_roof(canvas, rng, ring, colour)


def plant_trees(
    canvas: Canvas, rng: np.random.Generator, spots: Points, radii: Sequence[float] | Points
) -> None:
    """Plant trees: shadow, ragged crown, sunlit side, some texture.

    Args:
        canvas: painted on.
        rng: source of randomness.
        spots: centres, float64 [N, 2].
        radii: of the crowns, pixels.
    """
    sun = np.asarray(canvas.sun)
    tall = rng.uniform(0.3, 1.3)
    base = _CROWNS[rng.integers(len(_CROWNS))]
    crowns = []
    for spot, radius in zip(spots, radii, strict=True):
        turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        reach = radius * rng.uniform(0.7, 1.1, (14, 1))
        crowns.append(spot + reach * np.stack([np.cos(turn), np.sin(turn)], 1))
        canvas.paint([crowns[-1] + sun * radius * tall], (0.05, 0.06, 0.07), 0.75 * canvas.shade)
    for crown, spot, radius in zip(crowns, spots, radii, strict=True):
        dark = vary(rng, base, 0.03)
        canvas.paint([crown], dark)
        lit = mix(dark, (0.5, 0.6, 0.3), rng.uniform(0.1, 0.4))
        canvas.paint([(crown - spot) * 0.65 + spot - sun * radius * 0.25], lit, 0.8)
        for _ in range(int(min(radius / 2, 14))):
            clump = spot + rng.uniform(-0.65, 0.65, 2) * radius
            canvas.paint([disc(clump, radius * rng.uniform(0.12, 0.3), 7)], vary(rng, dark, 0.06), 0.5)


def grow_forest(canvas: Canvas, rng: np.random.Generator, area: Polygon, crown_px: float) -> None:
    """Cover an area with tree crowns of one diameter, lit from one side."""
    vertical, horizontal = frequencies(canvas.shape)
    radius = np.hypot(vertical, horizontal) * crown_px
    bumps = spectral_noise(rng, canvas.shape, np.exp(-((np.log(radius + 1e-3)) ** 2) / 0.6), slope=0.0)
    bumps += 0.4 * canvas.fine
    lit = -(np.roll(bumps, 1, 1) - bumps) * canvas.sun[0] - (np.roll(bumps, 1, 0) - bumps) * canvas.sun[1]
    lit /= max(float(lit.std()), 1e-6)
    base = np.asarray(vary(rng, _CROWNS[rng.integers(len(_CROWNS))], 0.03), np.float32)
    light = (0.035 * bumps + 0.04 * lit + 0.015 * canvas.coarse)[..., None] * np.array([1.0, 1.15, 0.75])
    canvas.paint(rings_of(area), np.clip(base * 1.15 + light, 0.02, 1).astype(np.float32), holes=True)


def stain(canvas: Canvas, rng: np.random.Generator, count: int, angle: float) -> None:
    """Leave soft dark or light spots and streaks, drawn out along a direction."""
    for _ in range(count):
        spot = rng.uniform((0, 0), (canvas.shape[1], canvas.shape[0]))
        size, long = np.exp(rng.uniform(np.log(2), np.log(25))), np.exp(rng.uniform(0, 2.2))
        colour: Colour = (0.12, 0.12, 0.12) if rng.random() < 0.7 else (0.85, 0.84, 0.8)
        alpha = rng.uniform(0.02, 0.1)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        for share in (1.0, 0.75, 0.5, 0.25):
            ring = ellipse(0, 0, size * share * long**0.5, size * share / long**0.5, 16)
            canvas.paint([ring @ turn + spot], colour, alpha)


def patch(canvas: Canvas, rng: np.random.Generator, count: int, angle: float) -> None:
    """Lay rectangles a little lighter, darker or of another colour: repairs, lawns, beds."""
    for _ in range(count):
        spot = float(rng.uniform(0, canvas.shape[1])), float(rng.uniform(0, canvas.shape[0]))
        length, width = (
            np.exp(rng.uniform(np.log(5), np.log(150))),
            np.exp(rng.uniform(np.log(4), np.log(60))),
        )
        tone = rng.uniform(0.05, 0.9)
        ring = footprint(spot, length, width, angle + rng.choice([0.0, np.pi / 2]))
        canvas.paint([ring], vary(rng, (tone, tone, tone), 0.05), rng.uniform(0.05, 0.45))


def scatter(canvas: Canvas, rng: np.random.Generator, count: int) -> None:
    """Scatter specks of one to a few pixels, in clusters, light and dark."""
    centres = rng.uniform((0, 0), (canvas.shape[1], canvas.shape[0]), (max(count // 8, 1), 2))
    for tone in (rng.uniform(0.7, 1.0), rng.uniform(0.05, 0.3), rng.uniform(0.3, 0.7)):
        spots = centres[rng.integers(len(centres), size=count // 3)] + rng.normal(0, 25, (count // 3, 2))
        size = np.exp(rng.uniform(np.log(0.7), np.log(4.0), (len(spots), 2)))
        rings = [rectangle(x, y, x + w, y + h) for (x, y), (w, h) in zip(spots, size, strict=True)]
        canvas.paint(rings, vary(rng, (tone, tone, tone), 0.04), rng.uniform(0.4, 0.95))


def mark(canvas: Canvas, rng: np.random.Generator, count: int, angle: float, width: float) -> None:
    """Paint straight and bowed lines along and across a direction, white, yellow or dark."""
    for _ in range(count):
        spot = rng.uniform((0, 0), (canvas.shape[1], canvas.shape[0]))
        length, bow = np.exp(rng.uniform(np.log(15), np.log(400))), rng.normal(0, 0.25) * (rng.random() < 0.4)
        along = np.linspace(-0.5, 0.5, 13 if bow else 2)
        path = np.stack([along, bow * (along**2) * 4], 1) * length
        way = angle + rng.integers(4) * np.pi / 2
        turn = np.array([[np.cos(way), np.sin(way)], [-np.sin(way), np.cos(way)]])
        colour = (_LINE, _YELLOW, (0.15, 0.15, 0.15))[int(rng.choice(3, p=[0.45, 0.3, 0.25]))]
        wide = max(width * rng.uniform(0.5, 1.5), 0.4)
        canvas.paint(stroke(path @ turn + spot, wide), colour, rng.uniform(0.2, 0.9))


def _gable_roof(canvas: Canvas, rng: np.random.Generator, ring: Ring, colour: Colour) -> None:
    """Paint a roof whose ridge runs along the length; the side away from the sun is darker."""
    canvas.paint([ring], colour)
    ridge = (ring[0] + ring[3]) / 2, (ring[1] + ring[2]) / 2
    sides = np.array([ring[0], ring[1], ridge[1], ridge[0]]), np.array([ridge[0], ridge[1], ring[2], ring[3]])
    outward = ring[0] - ring[3]
    shaded = sides[0] if float(outward @ np.asarray(canvas.sun)) > 0 else sides[1]
    canvas.paint([shaded], mix(colour, (0.08, 0.08, 0.1), rng.uniform(0.15, 0.55)))


def _flat_roof(canvas: Canvas, rng: np.random.Generator, ring: Ring, colour: Colour) -> None:
    """Paint a flat roof with a parapet, panels and equipment."""
    canvas.paint([ring], colour)
    ahead, side = ring[1] - ring[0], ring[3] - ring[0]
    if rng.random() < 0.4:
        cuts = np.sort(rng.uniform(0.1, 0.9, 2))
        part = np.array([ring[0] + cuts[0] * ahead, ring[0] + cuts[1] * ahead])
        canvas.paint(
            [np.concatenate([part, part[::-1] + side])], vary(rng, colour, 0.12), rng.uniform(0.3, 1)
        )
    canvas.paint(
        stroke(np.concatenate([ring, ring[:1]]), 1.2), mix(colour, (1, 1, 1), 0.5), rng.uniform(0, 0.8)
    )
    for _ in range(int(rng.integers(0, 9))):
        corner = ring[0] + rng.uniform(0.05, 0.8) * ahead + rng.uniform(0.05, 0.8) * side
        a, b = ahead * rng.uniform(0.02, 0.12), side * rng.uniform(0.04, 0.15)
        box = np.array([corner, corner + a, corner + a + b, corner + b])
        canvas.paint([box + np.asarray(canvas.sun) * 1.5], (0.1, 0.1, 0.12), 0.4)
        canvas.paint([box], vary(rng, colour, 0.15), 0.9)
