"""An area of interest: polygons on the ground, in the pixels of a grid."""

import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ros_sam_core.errors import CrsTransformFailed
from ros_sam_core.geo.crs import crs_name, full_turn, transform_xy
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import tidy

STEPS = 100
"""An edge as long as the area's longer side is followed through a change of CRS at this many points."""


def area_in_pixels(area: BaseGeometry, crs: CRS | None, grid: Grid) -> BaseGeometry:
    """Return polygons in the pixels of a grid, cut at its edge.

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
    flat = shapely.force_2d(area)
    if crs is not None and grid.crs is not None and crs != grid.crs:
        x0, y0, x1, y1 = flat.bounds
        flat = shapely.segmentize(flat, max(x1 - x0, y1 - y0) / STEPS)
        xy = transform_xy(shapely.get_coordinates(flat), crs, grid.crs)
        flat = shapely.set_coordinates(flat, xy)
    turn = full_turn(grid.crs)
    if turn is not None and not flat.is_empty:
        middle = float(grid.pixel_to_map([(grid.width / 2, grid.height / 2)])[0, 0])
        x0, _, x1, _ = flat.bounds
        shift = turn * np.round((middle - (x0 + x1) / 2) / turn)
        flat = shapely.transform(flat, lambda xy: xy + np.array([shift, 0.0]))
    pixels = tidy(shapely.transform(flat, grid.map_to_pixel))
    if pixels is None:
        return shapely.Polygon()
    inside = tidy(shapely.intersection(pixels, shapely.box(0, 0, grid.width, grid.height)))
    return shapely.Polygon() if inside is None else inside
