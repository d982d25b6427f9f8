"""Exact area coverage of polygons on a pixel grid.

The generator needs the share of each pixel that a polygon covers, exactly, so that the
truth polygon and the painted edge are one and the same. The signed-area accumulation of
font rasterisers gives it in time proportional to the perimeter: every edge is cut at the
pixel lines, each piece adds its height to the pixel that it lies in, and a running sum along
the rows turns the pieces into areas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from shapely.geometry import MultiPolygon, Polygon

Ring = npt.NDArray[np.float64]
"""Closed or open ring of vertices, float64 [N, 2], x right, y down."""

FloatImage = npt.NDArray[np.float32]

_ROUNDING = 1e-6
"""Shares below it are what the running sum rounds to, not area."""


def rings_of(geometry: Polygon | MultiPolygon) -> list[Ring]:
    """Return the geometry's rings, shells counter-clockwise and holes clockwise.

    Args:
        geometry: a valid polygon or several disjoint ones, pixel coordinates.

    Returns:
        One float64 [N, 2] array a ring, closed.
    """
    parts = geometry.geoms if isinstance(geometry, MultiPolygon) else (geometry,)
    rings = []
    for part in parts:
        if part.is_empty:
            continue
        rings.append(_oriented(np.asarray(part.exterior.coords)[:, :2], 1.0))
        rings.extend(_oriented(np.asarray(hole.coords)[:, :2], -1.0) for hole in part.interiors)
    return rings


def coverage(rings: Sequence[Ring], shape: tuple[int, int], origin: tuple[int, int] = (0, 0)) -> FloatImage:
    """Compute the share of every pixel that the rings enclose.

    Exact for disjoint simple rings. Where rings of one orientation overlap, the shares add up and
    are cut at 1, so edges inside such an overlap count twice.

    Args:
        rings: oriented rings (see `rings_of`), pixel coordinates.
        shape: rows and columns of the result.
        origin: x and y of the result's top-left corner.

    Returns:
        float32 [rows, columns] in [0, 1].
    """
    rows, columns = shape
    pieces = [_closed(ring) for ring in rings if len(ring) > 2]
    if not pieces or rows <= 0 or columns <= 0:
        return np.zeros((max(rows, 0), max(columns, 0)), np.float32)
    shift = np.asarray(origin, np.float64)
    start = np.concatenate([ring[:-1] for ring in pieces]) - shift
    end = np.concatenate([ring[1:] for ring in pieces]) - shift
    begin, stop = _cut_at_pixel_lines(start, end)
    middle = (begin + stop) / 2
    height = stop[:, 1] - begin[:, 1]
    row = np.floor(middle[:, 1]).astype(np.int64)
    column = np.floor(middle[:, 0]).astype(np.int64)
    share = middle[:, 0] - column
    share[column < 0] = 0.0
    column = np.maximum(column, 0)
    keep = (row >= 0) & (row < rows) & (column < columns) & (height != 0)
    row, column, share, height = row[keep], column[keep], share[keep], height[keep]
    stride = columns + 1
    at = row * stride + column
    size = rows * stride
    sums = np.bincount(at, height * (1 - share), size) + np.bincount(at + 1, height * share, size + 1)[:size]
    areas = np.cumsum(sums.reshape(rows, stride)[:, :columns], axis=1)
    areas = np.clip(np.abs(areas), 0.0, 1.0)
    areas[areas < _ROUNDING] = 0.0
    return areas.astype(np.float32)


def bounds(rings: Iterable[Ring], shape: tuple[int, int], margin: float = 0.0) -> tuple[int, int, int, int]:
    """Return the window x0, y0, x1, y1 of whole pixels that the rings touch inside an image.

    Args:
        rings: pixel coordinates.
        shape: rows and columns of the image, which cuts the window.
        margin: extra room around the rings, in pixels.

    Returns:
        Pixel indices, the last ones exclusive; an empty window has x1 <= x0 or y1 <= y0.
    """
    points = np.concatenate([np.zeros((0, 2)), *rings])
    if not len(points):
        return 0, 0, 0, 0
    low = np.floor(points.min(axis=0) - margin)
    high = np.ceil(points.max(axis=0) + margin)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    return x0, y0, min(int(high[0]), shape[1]), min(int(high[1]), shape[0])


def same_way(rings: Iterable[Ring]) -> list[Ring]:
    """Orient simple rings without holes alike, so that their coverage adds up."""
    return [_oriented(ring, 1.0) for ring in rings]


def _closed(ring: Ring) -> Ring:
    return ring if np.array_equal(ring[0], ring[-1]) else np.concatenate([ring, ring[:1]])


def _oriented(ring: Ring, sign: float) -> Ring:
    x, y = ring[:, 0], ring[:, 1]
    twice_area = float(x[:-1] @ y[1:] - y[:-1] @ x[1:] + x[-1] * y[0] - y[-1] * x[0])
    return ring if twice_area * sign >= 0 else ring[::-1]


def _cut_at_pixel_lines(start: Ring, end: Ring) -> tuple[Ring, Ring]:
    """Cut edges where they cross whole x or y, so that each piece lies in one pixel."""
    number = np.arange(len(start))
    step = end - start
    edges = [number, number]
    times = [np.zeros(len(start)), np.ones(len(start))]
    for axis in (0, 1):
        first = np.floor(np.minimum(start[:, axis], end[:, axis])) + 1
        count = np.maximum(np.ceil(np.maximum(start[:, axis], end[:, axis])) - first, 0).astype(np.int64)
        edge = np.repeat(number, count)
        nth = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        edges.append(edge)
        times.append((first[edge] + nth - start[edge, axis]) / step[edge, axis])
    edge, time = np.concatenate(edges), np.concatenate(times)
    order = np.lexsort((time, edge))
    edge, time = edge[order], time[order]
    points = start[edge] + time[:, None] * step[edge]
    joined = edge[:-1] == edge[1:]
    return points[:-1][joined], points[1:][joined]
