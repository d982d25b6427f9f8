"""How long an object is on the ground."""

from __future__ import annotations

import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ros_sam_core.geo.crs import metres_per_unit, to_degrees

STEP_DEG = 1e-3
"""Over which degrees are compared with metres."""


def length_of(geometry: BaseGeometry, crs: CRS | None) -> float:
    """Return the longer side of the smallest rectangle around a geometry, at any angle, on the ground.

    The geometry is laid on a plane that touches the ellipsoid at its middle, which is exact enough for
    objects of a few kilometres.

    Args:
        geometry: Polygon or multipolygon.
        crs: Of the geometry.

    Returns:
        Metres; units of the coordinates, that is pixels, without CRS.

    Raises:
        CrsTransformFailed: The geometry lies where the CRS describes nothing.
    """
    xy = shapely.get_coordinates(geometry)
    if crs is not None:
        degrees, geod = to_degrees(xy, crs), crs.get_geod()
        if degrees is None or geod is None:
            xy = xy * metres_per_unit(crs)
        else:
            degrees[:, 0] -= 360 * np.round((degrees[:, 0] - degrees[0, 0]) / 360)
            longitude, latitude = degrees.mean(axis=0)
            _, _, east = geod.inv(longitude, latitude, longitude + STEP_DEG, latitude)
            south = min(max(latitude - STEP_DEG / 2, -90.0), 90.0 - STEP_DEG)
            _, _, north = geod.inv(longitude, south, longitude, south + STEP_DEG)
            xy = (degrees - [longitude, latitude]) * [east / STEP_DEG, north / STEP_DEG]
    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(shapely.MultiPoint(xy)))
    if len(corners) < 3:
        return float(np.hypot(*np.ptp(corners, axis=0)))
    return float(max(np.hypot(*(corners[1] - corners[0])), np.hypot(*(corners[2] - corners[1]))))
