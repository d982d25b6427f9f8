"""An area of interest: polygons on the ground, in the pixels of a grid."""

import math

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import LinearRing, Polygon
from shapely.geometry.base import BaseGeometry

from ros_sam_core.errors import CrsTransformFailed
from ros_sam_core.geo.crs import crs_name, full_turn, transform_xy
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import tidy

STEPS = 100
"""An edge as long as the area's longer side is followed through a change of CRS at this many points."""


def area_in_pixels(area: BaseGeometry, crs: CRS | None, grid: Grid) -> BaseGeometry:
    """Return polygons in the pixels of a grid, cut at its edge.

    Longitudes that differ by full turns are the same, and so is an area that its file cuts in two at the
    antimeridian.

    Args:
        area: Polygons.
        crs: Of the polygons; None means the grid's own, or its pixels where it has none.
        grid: Of the frame.

    Returns:
        A valid polygon or multipolygon; an empty one if the area lies beside the grid.

    Raises:
        CrsTransformFailed: The grid has no CRS and the area has one, or one does not lead to the other.
    """
    if crs is not None and grid.crs is None:
        raise CrsTransformFailed(
            f"the area is in {crs_name(crs)} and the raster has no CRS; georeference the raster, or give the "
            "area in its pixels"
        )
    parts = shapely.get_parts(shapely.get_parts(shapely.force_2d(area)))
    parts = parts[shapely.area(parts) > 0]
    turn = full_turn(grid.crs)
    if crs is not None and grid.crs is not None and crs != grid.crs:
        x0, y0, x1, y1 = shapely.bounds(parts).T
        parts = shapely.segmentize(parts, np.maximum(x1 - x0, y1 - y0) / STEPS)
        parts = shapely.set_coordinates(parts, transform_xy(shapely.get_coordinates(parts), crs, grid.crs))
        if turn is not None:
            parts = np.array([_in_one_piece(part, turn) for part in parts], dtype=object)
    frame = shapely.box(0, 0, grid.width, grid.height)
    seen = []
    for part in parts:
        for shift in _turns(part, grid, turn):
            moved = shapely.transform(part, lambda xy, by=shift: xy + np.array([by, 0.0]))
            pixels = tidy(shapely.transform(moved, grid.map_to_pixel))
            seen.append(shapely.Polygon() if pixels is None else shapely.intersection(pixels, frame))
    inside = tidy(shapely.union_all(np.array(seen, dtype=object)))
    return shapely.Polygon() if inside is None else inside


def _turns(part: Polygon, grid: Grid, turn: float | None) -> list[float]:
    """Return by how much x of a polygon may be shifted to lie on a grid: full turns around the Earth."""
    if turn is None:
        return [0.0]
    x0, _, x1, _ = part.bounds
    left, _, right, _ = grid.bounds
    if max(x1 - x0, right - left) > 2 * turn:
        return [0.0]  # no longitudes
    return [turn * k for k in range(math.ceil((left - x1) / turn), math.floor((right - x0) / turn) + 1)]


def _in_one_piece(part: Polygon, turn: float) -> Polygon:
    """Return a polygon whose x does not jump by a full turn where the map is cut.

    One around a pole reaches beyond it, for its edge does not come back to where it began.
    """
    shell = _without_jumps(part.exterior, turn)
    holes = [_without_jumps(ring, turn) for ring in part.interiors]
    for hole in holes:
        hole[:, 0] -= turn * np.round((_middle(hole) - _middle(shell)) / turn)
    return Polygon(shell, holes)


def _middle(xy: NDArray[np.float64]) -> float:
    return float(xy[:, 0].min() + xy[:, 0].max()) / 2


def _without_jumps(ring: LinearRing, turn: float) -> NDArray[np.float64]:
    """Return the coordinates ``[N, 2]`` of a ring, beyond a pole and back where it goes around one."""
    xy: NDArray[np.float64] = shapely.get_coordinates(ring)
    xy[:, 0] = np.unwrap(xy[:, 0], period=turn)
    if abs(xy[-1, 0] - xy[0, 0]) > turn / 2:
        beyond = np.sign(xy[:, 1].mean()) * turn
        xy = np.concatenate([xy, [(xy[-1, 0], beyond), (xy[0, 0], beyond), xy[0]]])
    return xy
