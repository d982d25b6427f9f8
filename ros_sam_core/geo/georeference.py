"""The grid of an open raster, whatever georeference it has."""

import warnings

import numpy as np
from affine import Affine
from pyproj import CRS
from rasterio.control import GroundControlPoint
from rasterio.io import DatasetReader
from rasterio.transform import from_gcps

from ros_sam_core.errors import GeoreferenceIgnored, GridInvalid
from ros_sam_core.geo.crs import parse_crs
from ros_sam_core.geo.grid import Grid

GCP_TOLERANCE_PX = 0.5


def grid_of(dataset: DatasetReader) -> Grid:
    """Return the grid of an open raster.

    A geotransform is taken as it is, with or without CRS. Ground control points become a grid if one affine
    transform fits all of them within half a pixel. Otherwise (points that need warping, RPCs, a CRS without
    geotransform) the grid has no georeference, and a `GeoreferenceIgnored` warning says so.
    """
    shape = (dataset.height, dataset.width)
    crs = parse_crs(dataset.crs.to_wkt()) if dataset.crs else None
    if not dataset.transform.is_identity:
        return Grid(shape, dataset.transform, crs)
    points, points_crs = dataset.gcps
    reason = "a CRS and no geotransform" if crs else ""
    if points:
        grid = _fit(points, shape, parse_crs(points_crs.to_wkt()) if points_crs else None)
        if grid is not None:
            return grid
        reason = f"{len(points)} ground control points that no affine transform fits"
    elif dataset.rpcs:
        reason = "rational polynomial coefficients (RPCs) only"
    if reason:
        message = f"{dataset.name} has {reason}; coordinates are its pixels. Warp it (gdalwarp) to get a map."
        warnings.warn(message, GeoreferenceIgnored, stacklevel=3)
    return Grid(shape)


def _fit(points: list[GroundControlPoint], shape: tuple[int, int], crs: CRS | None) -> Grid | None:
    """Fit an affine grid to ground control points; None if they ask for more than that."""
    if len(points) < 3:
        return None
    try:
        grid = Grid(shape, Affine(*from_gcps(points)[:6]), crs)
    except (GridInvalid, ValueError):
        return None
    residuals = grid.map_to_pixel([(p.x, p.y) for p in points]) - [(p.col, p.row) for p in points]
    return grid if np.abs(residuals).max() <= GCP_TOLERANCE_PX else None
