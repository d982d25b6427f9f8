"""What lies flat under the objects: materials, slabs, roads, water."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import Polygon

from ros_sam_core.synthetic.canvas import Canvas, Colour, Points, frequencies, spectral_noise
from ros_sam_core.synthetic.coverage import FloatImage, Ring, coverage, rings_of
from ros_sam_core.synthetic.sprites import stroke, vary


@dataclass(frozen=True)
class Material:
    """A ground cover: its colours, and how strong coarse and fine noise show in it."""

    colours: tuple[Colour, ...]
    coarse: float
    fine: float


MATERIALS = {
    "grass": Material(
        ((0.22, 0.3, 0.17), (0.3, 0.36, 0.22), (0.38, 0.44, 0.28), (0.18, 0.27, 0.18)), 0.035, 0.03
    ),
    "dry": Material(
        ((0.46, 0.42, 0.33), (0.38, 0.34, 0.28), (0.55, 0.5, 0.4), (0.33, 0.31, 0.28)), 0.04, 0.03
    ),
    "soil": Material(((0.5, 0.42, 0.33), (0.6, 0.52, 0.42), (0.42, 0.34, 0.27)), 0.04, 0.03),
    "concrete": Material(
        ((0.62, 0.62, 0.6), (0.72, 0.71, 0.69), (0.8, 0.79, 0.76), (0.55, 0.55, 0.56)), 0.03, 0.02
    ),
    "asphalt": Material(
        ((0.33, 0.34, 0.35), (0.4, 0.4, 0.41), (0.26, 0.28, 0.3), (0.48, 0.48, 0.48)), 0.025, 0.018
    ),
    "water": Material(
        ((0.1, 0.2, 0.24), (0.16, 0.26, 0.28), (0.2, 0.3, 0.36), (0.14, 0.2, 0.18), (0.25, 0.33, 0.3)),
        0.015,
        0.012,
    ),
    "sand": Material(((0.75, 0.68, 0.55), (0.68, 0.6, 0.48)), 0.03, 0.02),
}
_LINE: Colour = (0.85, 0.85, 0.82)
_YELLOW: Colour = (0.8, 0.65, 0.2)


def texture(canvas: Canvas, rng: np.random.Generator, name: str) -> FloatImage:
    """Return a whole picture of one material, float32 [H, W, 3]."""
    material = MATERIALS[name]
    base = np.asarray(vary(rng, material.colours[rng.integers(len(material.colours))], 0.03), np.float32)
    other = np.asarray(vary(rng, material.colours[rng.integers(len(material.colours))], 0.03), np.float32)
    roll = int(rng.integers(canvas.shape[0])), int(rng.integers(canvas.shape[1]))
    coarse = np.roll(canvas.coarse, roll, (0, 1))
    fine = np.roll(canvas.fine, roll, (0, 1))
    share = np.clip(0.3 + 0.3 * coarse, 0, 1)[..., None] * rng.uniform(0, 0.7)
    light = material.coarse * rng.uniform(0.4, 1.4) * coarse + material.fine * rng.uniform(0.4, 1.8) * fine
    if name == "water":
        light += rng.uniform(0.0, 0.03) * _waves(rng, canvas.shape)
    return np.asarray(base + share * (other - base) + light[..., None], np.float32)


def fill(canvas: Canvas, rng: np.random.Generator, name: str, area: Polygon | None = None) -> None:
    """Cover an area, or everything, with a material."""
    picture = texture(canvas, rng, name)
    if area is None:
        canvas.rgb[:] = picture
    else:
        canvas.paint(rings_of(area), picture, holes=True)


def slabs(canvas: Canvas, rng: np.random.Generator, area: Polygon, angle: float, side: float) -> None:
    """Lay concrete slabs: each a little lighter or darker, with joints, and dark stains along lines."""
    rows, columns = canvas.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    along = (x * np.cos(angle) + y * np.sin(angle)) / side
    across = (-x * np.sin(angle) + y * np.cos(angle)) / side
    table = rng.normal(0, rng.uniform(0.0, 0.025), (64, 64)).astype(np.float32)
    light = table[np.floor(along).astype(int) % 64, np.floor(across).astype(int) % 64]
    strips = rng.normal(0, rng.uniform(0.0, 0.05), 64).astype(np.float32)
    light += strips[np.floor(across / 3).astype(int) % 64]
    joint = np.minimum(np.abs(along - np.round(along)), np.abs(across - np.round(across))) * side
    light -= rng.uniform(0.0, 0.1) * np.clip(1.2 - joint, 0, 1)
    share = coverage(rings_of(area), canvas.shape)
    canvas.rgb += (share * light)[..., None]


def road(
    canvas: Canvas, rng: np.random.Generator, path: Points, lane_px: float, lanes: int, asphalt: FloatImage
) -> Polygon:
    """Lay a road with kerbs and markings; return its surface."""
    line = shapely.LineString(path)
    width = lane_px * lanes
    surface = line.buffer(width / 2, cap_style="flat", quad_segs=4)
    if rng.random() < 0.6:
        kerb = line.buffer(width / 2 + lane_px * rng.uniform(0.1, 0.9), cap_style="flat", quad_segs=4)
        canvas.paint(rings_of(kerb), vary(rng, (0.6, 0.58, 0.54)), holes=True)
    canvas.paint(rings_of(surface), asphalt, holes=True)
    thick = max(lane_px * 0.05, 0.35)
    for number in range(1, lanes):
        offset = (number - lanes / 2) * lane_px
        mark = beside(path, offset)
        middle = number * 2 == lanes
        rings = stroke(mark, thick) if middle else dashes(mark, thick, lane_px * 0.9, lane_px * 2.2)
        canvas.paint(rings, _YELLOW if middle and rng.random() < 0.6 else _LINE, rng.uniform(0.3, 0.9))
    for side in (-1, 1):
        edge = beside(path, side * (width / 2 - thick * 2))
        canvas.paint(stroke(edge, thick), _LINE, rng.uniform(0.0, 0.7))
    return surface


def beside(path: Points, offset: float) -> Points:
    """Return a gentle path moved to its right by an offset."""
    ahead = np.gradient(path, axis=0)
    side = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / np.hypot(ahead[:, 0], ahead[:, 1])[:, None]
    return np.asarray(path + side * offset, np.float64)


def dashes(path: Points, width: float, length: float, gap: float) -> list[Ring]:
    """Return the rings of a dashed line."""
    line = shapely.LineString(path)
    starts = np.arange(0, line.length, length + gap)
    if len(starts) == 0:
        return []
    a = shapely.get_coordinates(shapely.line_interpolate_point(line, starts))
    b = shapely.get_coordinates(
        shapely.line_interpolate_point(line, np.minimum(starts + length, line.length))
    )
    return [ring for p, q in zip(a, b, strict=True) for ring in stroke(np.stack([p, q]), width)]


def region(rng: np.random.Generator, shape: tuple[int, int], share: float) -> Polygon:
    """Return a half plane with a wavy or straight edge that takes about a share of the picture."""
    rows, columns = shape
    size = float(max(shape)) * 2
    angle = rng.uniform(0, 2 * np.pi)
    steps = np.linspace(-size, size, 41)
    wave = np.zeros_like(steps)
    if rng.random() < 0.5:
        for order in range(1, 5):
            wave += rng.normal(0, size * 0.02 / order) * np.sin(order * steps / size * 6 + rng.uniform(0, 6))
    offset = (share - 0.5) * np.hypot(rows, columns) * 0.8
    edge = np.stack([steps, wave + offset], 1)
    ring = np.concatenate([edge, [(size, -2 * size), (-size, -2 * size)]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    frame = shapely.box(-60, -60, columns + 60, rows + 60)
    cut = Polygon(ring @ turn + (columns / 2, rows / 2)).buffer(0).intersection(frame)
    parts: Sequence[Polygon] = [part for part in getattr(cut, "geoms", [cut]) if part.area > 0]
    return max(parts, key=lambda part: float(part.area)) if parts else Polygon(frame)


def _waves(rng: np.random.Generator, shape: tuple[int, int]) -> FloatImage:
    vertical, horizontal = frequencies(shape)
    angle = rng.uniform(0, np.pi)
    ahead = horizontal * np.cos(angle) + vertical * np.sin(angle)
    across = -horizontal * np.sin(angle) + vertical * np.cos(angle)
    length = rng.uniform(4, 20)
    weight = np.exp(-((np.abs(ahead) * length - 1) ** 2) / 0.3 - (across * length) ** 2 / 0.6)
    return spectral_noise(rng, shape, weight, slope=0.0)
